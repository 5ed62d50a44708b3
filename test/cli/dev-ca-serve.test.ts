// `dev-ca serve` as a person at a terminal meets it, and as the workloads that are pointed at its socket do.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { X509Certificate } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { serve, type ServeOptions } from '../../src/cli/dev-ca-serve.ts';
import { runProgram } from '../../src/cli/program.ts';
import { SallyportError } from '../../src/core/error.ts';
import { parseBundleDocument } from '../../src/spiffe/bundle-document.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { FETCH_JWT_SVID, FETCH_X509_BUNDLES, FETCH_X509_SVID } from '../../src/workload-api/messages.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';
import { call, connect, openStream } from '../workload-api/raw-client.ts';
import { FakeAgentPort } from '../workload-api/server-agent-fixture.ts';
import { WatchTimers } from './watch-timers.ts';

const MAIN = resolve(import.meta.dirname, '../../src/main.ts');
const JOB = 'spiffe://ai.example/training/job-1';
const REGISTRY = 'spiffe://ai.example/registry/main';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-serve-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const path = (name: string) => join(directory, name);
function write(name: string, contents: string): string {
  writeFileSync(path(`${name}.new`), contents, { mode: 0o600 });
  renameSync(path(`${name}.new`), path(name));
  return path(name);
}

interface Terminal {
  out: string;
  errors: string;
  exitCode: number;
}

function terminal() {
  const seen: Terminal = { out: '', errors: '', exitCode: 0 };
  const changes: (() => void)[] = [];
  const changed = (): void => {
    for (const wake of changes.splice(0)) wake();
  };
  return {
    seen,
    io: {
      tell(text: string) {
        this.write(text);
      },
      write: (text: string) => {
        seen.out += text;
        changed();
      },
      writeError: (text: string) => {
        seen.errors += text;
        changed();
      },
      stdin: (async function* empty() {})(),
      colour: false,
      setExitCode: (code: number) => {
        seen.exitCode = code;
      },
    },
    /** Resolves when that has been written, to either of the two. */
    until: async (text: string | RegExp): Promise<void> => {
      const isThere = () => `${seen.out}${seen.errors}`.search(text) >= 0;
      while (!isThere()) await new Promise<void>((wake) => changes.push(wake));
    },
  };
}

interface Serving {
  readonly seen: Terminal;
  readonly endpoint: string;
  readonly agentPort: FakeAgentPort;
  readonly watchPort: WatchTimers;
  readonly until: (text: string | RegExp) => Promise<void>;
  /** Resolves when it has ended. */
  readonly stop: () => Promise<void>;
}

function options(more: Partial<ServeOptions>): ServeOptions {
  return {
    socket: path('agent.sock'),
    socketMode: '0600',
    trustDomain: 'ai.example',
    id: [],
    ttl: '30s',
    federate: [],
    quiet: false,
    ...more,
  };
}

async function started(more: Partial<ServeOptions>): Promise<Serving> {
  const { seen, io, until } = terminal();
  const [agentPort, watchPort, controller] = [new FakeAgentPort(), new WatchTimers(), new AbortController()];
  const ended = serve(options(more), io, { agent: agentPort, watch: watchPort, stop: controller.signal });
  const stop = async () => {
    controller.abort();
    await ended;
  };
  onTestFinished(stop);
  await Promise.race([until(/warning: hands keys/), ended]);
  const [, endpoint = ''] = /^export SPIFFE_ENDPOINT_SOCKET=(.*)$/m.exec(seen.out) ?? [];
  return { seen, endpoint, agentPort, watchPort, until, stop };
}

async function refused(more: Partial<ServeOptions>): Promise<SallyportError<string>> {
  const { io } = terminal();
  const ports = { agent: new FakeAgentPort(), watch: new WatchTimers(), stop: AbortSignal.abort() };
  try {
    const serving = serve(options(more), io, ports);
    serving.finally(() => ports.watch.poke()).catch(() => undefined);
    let isOver = false;
    serving.then(
      () => (isOver = true),
      () => (isOver = true),
    );
    await ports.watch.until(() => isOver || undefined);
    await serving;
  } catch (error) {
    if (error instanceof SallyportError) return error;
    throw error;
  }
  throw new Error('was not refused');
}

describe('dev-ca serve', () => {
  it('says what it hands out, how to reach it, and that it asks nobody who they are', async () => {
    const { seen } = await started({ id: [JOB, REGISTRY] });
    expect(seen.out).toBe(`Workload API of ai.example; for development only
  socket     unix://${path('agent.sock')} (mode 0600)
  CA         new, in memory
  identities ${JOB}
             ${REGISTRY}

# for every workload that should use it
export SPIFFE_ENDPOINT_SOCKET=unix://${path('agent.sock')}

`);
    expect(seen.errors).toBe(
      'sallyport: warning: hands keys to whoever can open the socket, and asks nobody who they are; for development only\n',
    );
  });

  it('serves X.509-SVIDs, bundles and JWT-SVIDs of the identities it was given', async () => {
    const { endpoint, seen, until } = await started({ id: [JOB, REGISTRY] });
    const client = connect(endpoint);
    const { svids } = await openStream(client, FETCH_X509_SVID).next();
    expect(svids.map(({ spiffeId }) => spiffeId)).toEqual([JOB, REGISTRY]);
    const { bundles } = await openStream(client, FETCH_X509_BUNDLES).next();
    expect([...bundles.keys()]).toEqual(['spiffe://ai.example']);
    const audiences = ['spiffe://ai.example/registry', 'a`b\n'];
    expect(await call(client, FETCH_JWT_SVID, { audiences, spiffeId: JOB })).toMatchObject({ code: 0 });
    await until('JWT-SVID');
    expect(seen.out).toMatch(
      /^\d\d:\d\d:\d\dZ {2}JWT-SVID {3}spiffe:\/\/ai\.example\/training\/job-1 for `spiffe:\/\/ai\.example\/registry`, `a\\u\{60\}b\\u\{a\}`, until \d\d:\d\d:\d\dZ$/m,
    );
  });

  it('renews them at half of their life, and says so in a line', async () => {
    const { endpoint, agentPort, seen, until } = await started({ id: [JOB] });
    const stream = openStream(connect(endpoint), FETCH_X509_SVID);
    const first = await stream.next();
    agentPort.pass(15_000);
    const second = await stream.next();
    expect(second.svids[0]?.chain).not.toEqual(first.svids[0]?.chain);
    await until('rotated');
    const at = new Date(agentPort.nowMs).toISOString().slice(11, 19);
    const end = new Date(agentPort.nowMs + 30_000).toISOString().slice(11, 19);
    expect(seen.out).toContain(`\n${at}Z  rotated    ${JOB}, until ${end}Z; 1 stream told\n`);
  });

  it('says nothing more with --quiet', async () => {
    const { endpoint, agentPort, seen, stop } = await started({ id: [JOB], quiet: true });
    const stream = openStream(connect(endpoint), FETCH_X509_SVID);
    await stream.next();
    const { out } = seen;
    agentPort.pass(15_000);
    await stream.next();
    await stop();
    expect(seen.out).toBe(out);
    expect(out).toContain('export SPIFFE_ENDPOINT_SOCKET=');
  });

  it('ends when it is told to, with its socket gone and its streams broken', async () => {
    const { endpoint, seen, stop } = await started({ id: [JOB] });
    const stream = openStream(connect(endpoint), FETCH_X509_SVID);
    await stream.next();
    await stop();
    expect((await stream.ended).code).toBe(status.UNAVAILABLE);
    expect(existsSync(path('agent.sock'))).toBe(false);
    expect(seen.out).toMatch(/\nended; the socket is gone\n$/);
  });

  it('serves on a TCP port of this machine, and warns more loudly', async () => {
    const { createServer } = await import('node:net');
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const address = probe.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    probe.close();
    await once(probe, 'close');
    const { endpoint, seen } = await started({ id: [JOB], socket: `tcp://127.0.0.1:${port}` });
    expect(endpoint).toBe(`tcp://127.0.0.1:${port}`);
    expect((await openStream(connect(endpoint), FETCH_X509_SVID).next()).svids).toHaveLength(1);
    expect(seen.errors).toContain('warning: hands keys to every user of this machine');
    expect(seen.out).not.toContain('mode');
  });

  it.each([
    ['0600', 'whoever can open the socket'],
    ['660', 'hands keys to other users of this machine too: the socket has mode 0660'],
    ['0777', 'hands keys to other users of this machine too: the socket has mode 0777'],
  ])('PF-130 gives the socket the mode %s and warns accordingly', async (socketMode, warning) => {
    const { seen } = await started({ id: [JOB], socketMode });
    expect(statSync(path('agent.sock')).mode & 0o777).toBe(Number.parseInt(socketMode, 8));
    expect(seen.errors).toContain(warning);
  });
});

describe('dev-ca serve --ca', () => {
  async function init(...more: readonly string[]): Promise<string> {
    const { io, seen } = terminal();
    await runProgram(['dev-ca', 'init', '--trust-domain', 'ai.example', '--out', path('ca'), ...more], '1', io);
    expect(seen.exitCode).toBe(0);
    return path('ca');
  }

  it('signs with that CA, whose trust domain need not be said', async () => {
    const ca = await init('--intermediate');
    const { trustDomain: _, ...rest } = options({ id: [JOB], ca });
    const { seen, io, until } = terminal();
    const controller = new AbortController();
    const ports = { agent: new FakeAgentPort(), watch: new WatchTimers(), stop: controller.signal };
    const ended = serve(rest, io, ports);
    await until('warning');
    const { svids } = await openStream(connect(`unix://${path('agent.sock')}`), FETCH_X509_SVID).next();
    const root = new X509Certificate(readFileSync(join(ca, 'bundle.pem')));
    expect(Buffer.from(svids[0]?.bundle ?? []).equals(root.raw)).toBe(true);
    expect(seen.out).toContain(`  CA         ${ca}\n`);
    controller.abort();
    await ended;
  });

  it('refuses another trust domain than that of the CA, and a lifetime beyond it', async () => {
    const ca = await init('--ttl', '10m');
    expect(await refused({ ca, trustDomain: 'other.example', id: ['spiffe://other.example/x'] })).toMatchObject({
      code: 'usage',
      message: `--trust-domain: the CA in \`${ca}\` is of \`ai.example\``,
    });
    expect(await refused({ ca, id: [JOB], ttl: '1h' })).toMatchObject({ code: 'ttl-outlives-ca' });
    expect(existsSync(path('agent.sock'))).toBe(false);
    expect(await refused({ ca: path('missing'), id: [JOB] })).toMatchObject({ code: 'unreadable-file' });
  });
});

describe('dev-ca serve --entries and --federate', () => {
  it('follows the entries file: who is gone is gone, nobody left is denied, problems have their place', async () => {
    const entries = write('entries.yaml', `version: 1\nentries: [{ id: "${JOB}" }, { id: "${REGISTRY}", hint: r }]\n`);
    const { endpoint, watchPort, seen } = await started({ entries });
    expect(seen.out).toContain(`  entries    ${entries}, followed\n`);
    const stream = openStream(connect(endpoint), FETCH_X509_SVID);
    expect((await stream.next()).svids.map(({ hint }) => hint)).toEqual(['', 'r']);
    const untilSaid = (text: string) => watchPort.until(() => `${seen.out}${seen.errors}`.includes(text) || undefined);
    write('entries.yaml', `version: 1\nentries: [{ id: "${REGISTRY}", hint: r }]\n`);
    await untilSaid('entries    1 identity served; 1 stream told\n');
    expect((await stream.next()).svids.map(({ spiffeId }) => spiffeId)).toEqual([REGISTRY]);
    write('entries.yaml', 'version: 1\nentries: [{ id: nobody }]\n');
    await untilSaid(`sallyport: ${entries}:2:17: `);
    expect(seen.errors).toContain('[bad-spiffe-id]\nsallyport: what was read before stays in force\n');
    expect(stream.waiting).toBe(0);
    write('entries.yaml', 'version: 1\nentries: []\n');
    await untilSaid('denied     no identity left: everybody is refused\n');
    expect((await stream.ended).code).toBe(status.PERMISSION_DENIED);
    write('entries.yaml', `version: 1\nentries: [{ id: "${JOB}" }]\n`);
    await untilSaid(`entries    1 identity served; new: ${JOB}, until `);
  });

  it('follows the bundles of other trust domains', async () => {
    const bundle = write('partner.pem', createTestAuthority('partner.example').certificatePem);
    const { endpoint, watchPort, seen } = await started({ id: [JOB], federate: [`partner.example=${bundle}`] });
    expect(seen.out).toContain('  federated  partner.example\n');
    const stream = openStream(connect(endpoint), FETCH_X509_BUNDLES);
    const first = (await stream.next()).bundles;
    expect([...first.keys()]).toEqual(['spiffe://ai.example', 'spiffe://partner.example']);
    write('partner.pem', createTestAuthority('partner.example').certificatePem);
    await watchPort.until(() => /federated {2}partner\.example\n$/.test(seen.out) || undefined);
    const second = (await stream.next()).bundles;
    expect(second.get('spiffe://partner.example')).not.toEqual(first.get('spiffe://partner.example'));
  });
});

describe('dev-ca serve --bundle-out', () => {
  it('writes PEM, over what was there', async () => {
    const bundleOut = write('bundle.pem', 'of yesterday');
    const { endpoint, seen } = await started({ id: [JOB], bundleOut });
    const { bundles } = await openStream(connect(endpoint), FETCH_X509_BUNDLES).next();
    const written = new X509Certificate(readFileSync(bundleOut));
    expect(Buffer.from(bundles.get('spiffe://ai.example') ?? []).equals(written.raw)).toBe(true);
    expect(statSync(bundleOut).mode & 0o777).toBe(0o644);
    expect(seen.out).toContain(`  bundle     ${bundleOut}, written\n`);
  });

  it('writes a SPIFFE bundle document, with the keys for JWT-SVIDs', async () => {
    const bundleOut = path('bundle.json');
    await started({ id: [JOB], bundleOut });
    const { bundle } = parseBundleDocument(parseTrustDomain('ai.example'), readFileSync(bundleOut), 'bundle.json');
    expect(bundle.authorities).toHaveLength(1);
    expect(bundle.jwtAuthorities.size).toBe(1);
  });

  it('does not take away the bundle of an agent that runs already', async () => {
    const bundleOut = path('bundle.pem');
    await started({ id: [JOB], bundleOut });
    const before = readFileSync(bundleOut, 'utf8');
    expect(await refused({ id: [JOB], bundleOut })).toMatchObject({ code: 'socket-in-use' });
    expect(readFileSync(bundleOut, 'utf8')).toBe(before);
    expect(existsSync(path('agent.sock'))).toBe(true);
  });
});

describe('dev-ca serve refuses', () => {
  it.each<[string, Partial<ServeOptions>, string]>([
    ['nobody to hand out', {}, 'nobody to hand out'],
    ['a socket without a name', { id: [JOB], socket: '' }, '--socket: `` does not name a socket'],
    ['a directory as socket', { id: [JOB], socket: '/tmp/' }, '--socket: `/tmp/` does not name a socket'],
    [
      'WA-153 a relative address',
      { id: [JOB], socket: 'unix:agent.sock' },
      '--socket: `unix:agent.sock` has no absolute',
    ],
    ['WA-153 a host name', { id: [JOB], socket: 'tcp://localhost:1' }, '--socket: `tcp://localhost:1` has'],
    ['a mode that is none', { id: [JOB], socketMode: '0888' }, '--socket-mode: `0888` is not a mode in octal'],
    ['a lifetime that is none', { id: [JOB], ttl: 'long' }, '--ttl: `long` is not a lifetime'],
    ['too short a lifetime', { id: [JOB], ttl: '1s' }, '--ttl: `1s` is too short a life to be renewed in time'],
    ['an ID that is none', { id: ['job-1'] }, '--id: '],
    ['ID-25 an ID without path', { id: ['spiffe://ai.example'] }, '--id: `spiffe://ai.example` names a trust domain'],
    ['CE-31 an ID of elsewhere', { id: ['spiffe://b.example/x'] }, '--id: `spiffe://b.example/x` is not of the trust'],
    ['an ID twice', { id: [JOB, REGISTRY, JOB] }, '--id: the same identity is given twice'],
    [
      'a bundle of nobody',
      { id: [JOB], federate: ['bundle.pem'] },
      '--federate: `bundle.pem` is not `TRUSTDOMAIN=FILE`',
    ],
    ['a bundle without file', { id: [JOB], federate: ['b.example='] }, '--federate: `b.example=` is not'],
    [
      'WA-159 a bundle of its own',
      { id: [JOB], federate: ['ai.example=x'] },
      '--federate: `ai.example` is served here',
    ],
    [
      'two bundles of one',
      { id: [JOB], federate: ['b.example=x', 'b.example=y'] },
      '--federate: trust domain `b.example`',
    ],
  ])('%s as wrong usage', async (_name, more, message) => {
    const error = await refused(more);
    expect(error.message).toContain(message);
    expect(error.code).toBe('usage');
    expect(existsSync(path('agent.sock'))).toBe(false);
  });

  it.each<[string, Partial<ServeOptions>, string]>([
    ['an address that others could reach', { id: [JOB], socket: 'tcp://192.0.2.1:1' }, 'not-loopback'],
    ['a socket in no directory', { id: [JOB], socket: '/nonexistent/agent.sock' }, 'cannot-listen'],
    ['an entries file that is not there', { entries: '/nonexistent/entries.yaml' }, 'not-found'],
    ['a bundle that is not there', { id: [JOB], federate: ['b.example=/nonexistent/b.pem'] }, 'not-found'],
  ])('%s', async (_name, more, code) => {
    expect((await refused(more)).code).toBe(code);
  });

  it('a trust domain that nobody said, with exit code 2', async () => {
    const { io, seen } = terminal();
    await runProgram(['dev-ca', 'serve', '--socket', path('agent.sock'), '--id', JOB], '1', io);
    expect(seen).toMatchObject({
      exitCode: 2,
      errors: 'sallyport: --trust-domain: missing, and so is --ca that has one\n',
    });
  });
});

describe('dev-ca serve as a process', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('ends on %s with exit code 0 and without its socket', async (signal) => {
    const socket = path('agent.sock');
    const args = ['dev-ca', 'serve', '--socket', socket, '--trust-domain', 'ai.example', '--id', JOB, '--ttl', '2s'];
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const ended = once(child, 'close');
    const lines = createInterface({ input: child.stdout });
    for await (const line of lines) if (line === `export SPIFFE_ENDPOINT_SOCKET=unix://${socket}`) break;
    const stream = openStream(connect(`unix://${socket}`), FETCH_X509_SVID);
    const ends: number[] = [];
    for (let round = 0; round < 2; round += 1) {
      const [svid] = (await stream.next()).svids;
      ends.push(Date.parse(new X509Certificate(svid?.chain ?? Buffer.alloc(0)).validTo));
    }
    expect(ends).toEqual([...new Set(ends)].toSorted((left, right) => left - right));
    child.kill(signal);
    expect(await ended).toEqual([0, null]);
    expect(existsSync(socket)).toBe(false);
  });
});
