import { spawn, spawnSync } from 'node:child_process';
import { webcrypto } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../../src/app/config.ts';
import { runDemo } from '../../src/app/demo/demo.ts';
import { demoFilesIn } from '../../src/app/demo/demo-files.ts';
import { TRUST_DOMAIN } from '../../src/app/demo/identities.ts';
import { ANY_PORTS, type Ports, replaceTakenPorts } from '../../src/app/demo/listeners.ts';
import { REVOKED_SCENARIOS, SCENARIOS } from '../../src/app/demo/scenarios.ts';
import { openStage, type Stage, type StageOptions } from '../../src/app/demo/stage.ts';
import { stay } from '../../src/app/demo/stay.ts';
import { paintFor } from '../../src/app/demo/table.ts';
import type { Traffic } from '../../src/app/demo/traffic.ts';
import { writeCredentialFiles } from '../../src/cli/credential-files.ts';
import { parseRevocationDocument } from '../../src/revocation/document.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SHIPPED_POLICY = join(ROOT, 'policies/ai-platform.yaml');
const ROWS = [...SCENARIOS, REVOKED_SCENARIOS].flatMap(({ scenarios }) => scenarios).length;
const TRIALS = 2;
const OUTCOMES = ROWS + TRIALS;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-demo-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true, force: true });
});

interface Ended {
  readonly isAsExpected: boolean;
  readonly output: string;
}

function stageOptions(more: Partial<StageOptions> = {}): StageOptions {
  return {
    paths: demoFilesIn(join(directory, 'certs-dev')),
    policyFile: SHIPPED_POLICY,
    preferredPorts: ANY_PORTS,
    writeFiles: (files) => writeCredentialFiles(files, 'replace'),
    issuing: () => ({ nowMs: Date.now(), crypto: webcrypto }),
    stop: NEVER,
    ...more,
  };
}

async function runOnce(more: Partial<StageOptions> = {}): Promise<Ended> {
  let output = '';
  const write = (text: string): void => {
    output += text;
  };
  const isAsExpected = await runDemo({
    ...stageOptions(more),
    program: 'sallyport',
    mode: 'once',
    write,
    colour: false,
  });
  return { isAsExpected, output };
}

function brokenPolicy(): string {
  const shipped = readFileSync(SHIPPED_POLICY, 'utf8');
  const broken = shipped.replace('- registry: [read]', '- registry: [read, write]');
  expect(broken).not.toBe(shipped);
  const file = join(directory, 'broken.yaml');
  writeFileSync(file, broken);
  return file;
}

const hasIpv6 = Object.values(networkInterfaces()).some((found) => found?.some(({ address }) => address === '::1'));
const NEVER = AbortSignal.any([]);
const LAST_WORD = 'Ctrl-C ends the demo\n';

/** What is shown after the invitation. */
function newsIn(output: string): readonly string[] {
  const news = output.slice(output.indexOf(LAST_WORD) + LAST_WORD.length);
  return (news.split('\ndraining')[0] ?? '').split('\n').filter((line) => line !== '');
}

const portsIn = (output: string): readonly number[] =>
  [...output.matchAll(/https:\/\/localhost:(\d+)$/gm)].map(([, port]) => Number(port));

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

describe('the demo', () => {
  it('finds every outcome as expected with the shipped policy, and leaves nothing listening', async () => {
    const { isAsExpected, output } = await runOnce();
    expect(output).toContain(`${OUTCOMES} of ${OUTCOMES} outcomes as expected`);
    expect(output).not.toContain('✗');
    expect(output.match(/✓/g)).toHaveLength(OUTCOMES);
    expect(output).toMatch(/over 2,000 allowed requests: median \d+ µs, p99 \d+ µs/);
    for (const line of output.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100 + directory.length);
    for (const line of output.split('\n').filter((each) => each.includes('✓'))) {
      expect(line.length, line).toBeLessThanOrEqual(100);
    }
    expect(isAsExpected).toBe(true);
    expect(output).toMatch(/✓ gateway → inference +gRPC ModelInfer +allow 0 +allow 0 +allowed-by-rule/);
    expect(output).toMatch(/✓ training → inference +gRPC ModelInfer +deny 7 +deny 7 +denied-by-rule/);
    expect(output).toMatch(
      /sidecar of its own.*\n +✓ inference → registry +GET .* allow 200 +allow 200 .*\n +✓ inference → registry +PUT .* deny 403 +deny 403 +not-granted/,
    );
    expect(portsIn(output)).toHaveLength(4);
    for (const port of portsIn(output)) expect(await isListening(port)).toBe(false);
  });

  it('shows what differs when the policy lets more through than it should', async () => {
    const { isAsExpected, output } = await runOnce({ policyFile: brokenPolicy() });
    expect(isAsExpected).toBe(false);
    expect(output).toMatch(
      /✗ inference → registry +PUT …\/model\.onnx +deny 403 +allow 200 +allowed-by-rule +\d+\n +└ the status is 200, not 403/,
    );
    // What was written in the place of the model is then read, and written again from the calling side.
    expect(output).toContain(`${OUTCOMES - 3} of ${OUTCOMES} outcomes as expected`);
  });

  it('does not start without a valid policy', async () => {
    const policyFile = join(directory, 'invalid.yaml');
    writeFileSync(policyFile, 'version: 0\n');
    await expect(runOnce({ policyFile })).rejects.toThrow('certs-dev/demo/policy/invalid.yaml');
  });

  it('ends early, and not well, when it is told to stop', async () => {
    const { isAsExpected, output } = await runOnce({ stop: AbortSignal.abort() });
    expect(isAsExpected).toBe(false);
    expect(output).not.toContain('who → where');
  });

  it('leaves no socket behind, wherever it was', async () => {
    const deep = join(directory, 'a-directory-so-deep-that-no-socket-has-a-path-as-long-as-this'.repeat(2));
    const temporary = join(directory, 'tmp');
    mkdirSync(temporary);
    vi.stubEnv('TMPDIR', temporary);
    const shallow = demoFilesIn(join(directory, 'certs-dev'));
    for (const paths of [shallow, demoFilesIn(join(deep, 'certs-dev'))]) {
      const stage = await openStage(stageOptions({ paths }));
      expect(stage.agent.isInFolder).toBe(paths === shallow);
      const socket = paths === shallow ? shallow.socket : stage.agent.endpoint.slice('unix://'.length);
      expect(statSync(socket).isSocket()).toBe(true);
      expect(statSync(socket).mode & 0o777).toBe(0o600);
      if (paths !== shallow) expect(socket.startsWith(temporary)).toBe(true);
      await stage.close();
      expect(existsSync(socket)).toBe(false);
    }
    expect(readdirSync(temporary)).toEqual([]);
    expect(readdirSync(shallow.folder)).toContain('demo.yaml');
  });

  it('takes the place of a socket that nobody answers at, and not that of another demo', async () => {
    const { socket } = demoFilesIn(join(directory, 'certs-dev'));
    const agent =
      "require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))";
    mkdirSync(dirname(socket), { recursive: true });
    spawnSync(process.execPath, ['-e', agent, socket]);
    expect(statSync(socket).isSocket()).toBe(true);
    const stage = await openStage(stageOptions());
    const other = await openStage(stageOptions());
    expect([stage.agent.isInFolder, other.agent.isInFolder]).toEqual([true, false]);
    await other.close();
    expect(statSync(socket).isSocket()).toBe(true);
    await stage.close();
    expect(existsSync(socket)).toBe(false);
  });

  it('runs on a configuration as anybody would write it', async () => {
    const stage = await openStage(stageOptions());
    const { config: file, revocations } = demoFilesIn(join(directory, 'certs-dev'));
    await stage.close();
    const config = parseConfig(readFileSync(file), file);
    expect(config.identity).toMatchObject({ kind: 'workload-api', spiffeId: 'spiffe://ai.example/sallyport/demo' });
    expect(config.revocation.file).toBe(revocations);
    expect(config.listeners.map(({ name, authenticate }) => [name, authenticate.jwt?.audiences ?? null])).toEqual([
      ['registry', null],
      ['inference', null],
      ['inference-grpc', null],
      ['feature-store', ['spiffe://ai.example/feature-store']],
    ]);
    expect(parseRevocationDocument(readFileSync(revocations), revocations, TRUST_DOMAIN)).toEqual([]);
  });

  it('throws away the keys of the demo before', async () => {
    const { folder, caKey } = demoFilesIn(join(directory, 'certs-dev'));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'stale.key'), 'secret');
    await runOnce({ stop: AbortSignal.abort() });
    expect(existsSync(join(folder, 'stale.key'))).toBe(false);
    const ca = readFileSync(caKey);
    await runOnce({ stop: AbortSignal.abort() });
    expect(readFileSync(caKey)).toEqual(ca);
  });
});

describe('while the demo is up', () => {
  it('tells of each new SVID of the sidecar, how its peers fared, and of none of their requests', async () => {
    let output = '';
    const write = (text: string): void => {
      output += text;
    };
    const stopping = new AbortController();
    const options = stageOptions({ stop: stopping.signal });
    const stage = await openStage(options);
    const started: Traffic[] = [];
    const startTraffic: Stage['startTraffic'] = (load) => {
      started.push(stage.startTraffic(load));
      return started[0] ?? expect.fail();
    };
    const staying = stay({ ...options, program: 'sallyport', write }, { ...stage, startTraffic }, paintFor(false));
    const [traffic] = started;
    expect(await traffic?.until(() => traffic.counts.streaming === 3 && traffic.counts.requests > 5, NEVER)).toBe(true);
    for (const rotations of [1, 2]) {
      await stage.agent.rotateNow();
      expect(await traffic?.until(() => newsIn(output).length === rotations, NEVER)).toBe(true);
    }
    stopping.abort();
    await staying;
    const again = new Promise((resolve) => stage.onOwnSvid(resolve));
    await stage.agent.rotateNow();
    await again;
    await stage.close();
    expect(output.endsWith('\n\ndraining\n')).toBe(true);
    const shown = expect.stringMatching(
      /^rotated {5}[0-9a-f]{8}… for 1[0-2] s · \d+ requests, 0 failed · 3 streams unbroken$/,
    );
    expect(newsIn(output)).toEqual([shown, shown]);
    expect(new Set(newsIn(output).map((line) => line.slice(12, 20))).size).toBe(2);
  });
});

describe('ports that somebody has', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  function takePort(port: number, host = '127.0.0.1'): Promise<number> {
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => socket.destroy());
      servers.push(server);
      server.on('error', reject);
      server.listen({ port, host, ipv6Only: true }, () => {
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  }

  async function portsOfStage(more: Partial<StageOptions>): Promise<readonly number[]> {
    const stage = await openStage(stageOptions(more));
    await stage.close();
    return [...Object.values(stage.origins), stage.admin].map((address) => Number(address.split(':').at(-1)));
  }

  it('are left alone, and others taken', async () => {
    const taken = await takePort(0);
    const preferredPorts: Ports = {
      registry: taken,
      inference: taken,
      'inference-grpc': taken,
      'feature-store': taken,
      admin: taken,
    };
    expect(await replaceTakenPorts(preferredPorts)).toEqual(ANY_PORTS);
    expect(await portsOfStage({ preferredPorts })).not.toContain(taken);
  });

  it.skipIf(!hasIpv6)('are left alone also where clients would find somebody else at `localhost` first', async () => {
    const taken = await takePort(0, '::1');
    expect(await replaceTakenPorts({ ...ANY_PORTS, registry: taken })).toEqual(ANY_PORTS);
    await new Promise((resolve) => servers.pop()?.close(resolve));
    expect(await replaceTakenPorts({ ...ANY_PORTS, registry: taken })).toEqual({ ...ANY_PORTS, registry: taken });
  });

  it.each<[string, (port: number) => Ports]>([
    ['a listener', (port) => ({ ...ANY_PORTS, inference: port })],
    ['the admin listener', (port) => ({ ...ANY_PORTS, admin: port })],
  ])('are done without also when they are taken just before %s would have them', async (_name, portsWith) => {
    const port = await takePort(0);
    await new Promise((resolve) => servers.pop()?.close(resolve));
    const preferredPorts = portsWith(port);
    expect(await portsOfStage({ preferredPorts }), 'while it is free').toContain(port);
    const { writeFiles } = stageOptions();
    const ports = await portsOfStage({
      preferredPorts,
      writeFiles: async (files) => {
        // The configuration is written after the look and before the listening.
        if (files.some(({ path }) => path.endsWith('demo.yaml')) && servers.length === 0) await takePort(port);
        await writeFiles(files);
      },
    });
    expect(servers).toHaveLength(1);
    expect(ports).not.toContain(port);
  });
});

describe('the demo as a process', () => {
  const start = (program: string, ...args: readonly string[]) =>
    spawn(process.execPath, [program, 'demo', ...args], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });

  /** Collects what it prints; `until` resolves as soon as that text is there, or it has ended. */
  function follow(child: ReturnType<typeof start>) {
    let output = '';
    const waiting: { readonly text: string; readonly resolve: () => void }[] = [];
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      for (const { text, resolve } of waiting) if (output.includes(text)) resolve();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const ended = new Promise<number | null>((resolve) => {
      child.on('close', (code) => {
        for (const { resolve } of waiting) resolve();
        resolve(code);
      });
    });
    return {
      ended,
      until: (text: string) =>
        new Promise<void>((resolve) => {
          waiting.push({ text, resolve });
          take(Buffer.alloc(0));
        }),
      get output() {
        return output;
      },
    };
  }

  const main = join(ROOT, 'src/main.ts');
  const hasCurl = spawnSync('curl', ['--version']).status === 0;

  /** What the commands print that the demo invites to. */
  function repliesTo(output: string, command: string): readonly string[] {
    const lines = output.split('\n').filter((line) => line.includes(command) && !line.startsWith('#'));
    return lines.map((line) => spawnSync('sh', ['-c', line], { cwd: directory, encoding: 'utf8' }).stdout);
  }

  it('stays up until Ctrl-C, for commands that do what they say, and leaves only files behind', async () => {
    const child = start(main);
    const demo = follow(child);
    await demo.until(LAST_WORD);
    const ports = portsIn(demo.output);
    expect(ports, demo.output).toHaveLength(4);
    for (const port of ports) expect(await isListening(port)).toBe(true);
    const metrics = /^metrics +(\S+)$/m.exec(demo.output)?.[1] ?? '';
    expect(await (await fetch(metrics)).text()).toContain('sallyport_request_overhead_seconds_count');
    if (hasCurl) {
      const [models = '', denied = '', refused = '', identity] = repliesTo(demo.output, 'curl ');
      expect(JSON.parse(models)).toMatchObject({
        registered_models: [{ name: 'fraud' }],
        caller: { spiffeId: 'spiffe://ai.example/training/job-1' },
      });
      expect([JSON.parse(denied), JSON.parse(refused)]).toMatchObject([{ status: 403 }, { status: 401 }]);
      expect(identity).toMatch(/^spiffe:\/\/ai\.example\/sallyport\/demo .*\n +valid until .*, \d+ s left\n/);
      expect(identity).toContain('Workload API, current');
    }
    const signalledMs = performance.now();
    // Twice: from the terminal, and passed on by npm.
    child.kill('SIGINT');
    child.kill('SIGINT');
    expect(await demo.ended, demo.output).toBe(0);
    expect(performance.now() - signalledMs).toBeLessThan(5_000);
    expect(demo.output.endsWith('draining\n')).toBe(true);
    if (hasCurl) {
      expect(demo.output).toContain('allow 200   spiffe://ai.example/training/job-1 → registry  allowed-by-rule');
      expect(demo.output).toContain('deny 403    spiffe://ai.example/inference/fraud-1 → registry  not-granted');
      expect(demo.output).toContain('refuse 401  nobody → registry  no-certificate');
    }
    for (const port of ports) expect(await isListening(port)).toBe(false);
    expect(readdirSync(directory)).toEqual(['certs-dev']);
    expect(readdirSync(join(directory, 'certs-dev')).sort()).toEqual(['bundle.pem', 'ca.key', 'ca.pem', 'demo']);
    const left = readdirSync(join(directory, 'certs-dev/demo')).filter((name) => !/\.(?:key|pem)$/.test(name));
    expect(left.sort()).toEqual(['demo.log', 'demo.yaml', 'egress.yaml', 'policy', 'revocations.yaml']);
  });

  it('invites to revoke a peer that is connected, shows that its stream is cut, and that it is let in again', async () => {
    const child = start(main);
    const demo = follow(child);
    const revoked = 'spiffe://ai.example/training/job-2';
    await demo.until(LAST_WORD);
    expect(repliesTo(demo.output, ' revoke add ')).toEqual([`revoked ${revoked}\n`]);
    await demo.until('\ncut 200 ');
    await demo.until(' after the list changed\n');
    expect(repliesTo(demo.output, ' revoke remove ')).toEqual([`removed ${revoked}\n`]);
    await demo.until('\nallow 200 ');
    child.kill('SIGINT');
    expect(await demo.ended, demo.output).toBe(0);
    // On a slow machine a rotation may come in between.
    const news = newsIn(demo.output).filter((line) => !line.startsWith('rotated'));
    expect(news).toEqual([
      expect.stringMatching(`^cut 200 {5}${revoked} → feature-store {2}revoked$`),
      expect.stringMatching(/^ {12}GET `\/features\/user-42\/watch` {2}\d\.\d\d s after the list changed$/),
      expect.stringMatching(`^allow 200 {3}${revoked} → feature-store {2}allowed-by-rule {2}\\d+ µs$`),
      expect.stringMatching(/^ {12}GET `\/features\/user-42` {2}\S+ai-platform.yaml:\d+$/),
    ]);
  });

  it('ends in order on SIGTERM, also before the table', async () => {
    const child = start(main);
    const demo = follow(child);
    await demo.until('Sallyport demo');
    child.kill('SIGTERM');
    expect(await demo.ended, demo.output).toBe(1);
    expect(demo.output).not.toContain('curl');
    expect(portsIn(demo.output)).toHaveLength(4);
    for (const port of portsIn(demo.output)) expect(await isListening(port)).toBe(false);
  });

  it('ends after the table with --once, and with 0 when every outcome is as expected', async () => {
    const demo = follow(start(main, '--once'));
    expect(await demo.ended, demo.output).toBe(0);
    expect(demo.output).toContain(`${OUTCOMES} of ${OUTCOMES} outcomes as expected`);
    expect(demo.output).not.toContain('curl');
  });

  it('ends with 1 when an outcome is not as expected', async () => {
    const program = join(directory, 'package');
    for (const part of ['src', 'package.json', 'policies/protocols']) {
      cpSync(join(ROOT, part), join(program, part), { recursive: true });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(program, 'node_modules'));
    cpSync(brokenPolicy(), join(program, 'policies/ai-platform.yaml'));
    const demo = follow(start(join(program, 'src/main.ts'), '--once'));
    expect(await demo.ended, demo.output).toBe(1);
    expect(demo.output).toContain('└ the status is 200, not 403');
  });

  it('ends with 1 and says why when it cannot start', async () => {
    mkdirSync(join(directory, 'certs-dev'));
    writeFileSync(join(directory, 'certs-dev/ca.key'), 'somebody’s key');
    const demo = follow(start(main, '--once'));
    expect(await demo.ended).toBe(1);
    expect(demo.output).toMatch(/^sallyport: cannot use the CA in `certs-dev`: .*; move that CA elsewhere/);
    expect(readFileSync(join(directory, 'certs-dev/ca.key'), 'utf8')).toBe('somebody’s key');
  });
});
