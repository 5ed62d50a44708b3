// `workload fetch` at a terminal, against development agents, and against agents that hand out what nobody can use.

import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { runProgram } from '../../src/cli/program.ts';
import { SnapshotCell } from '../../src/core/snapshot.ts';
import { createJwtAuthority, issueJwtSvid } from '../../src/devca/jwt.ts';
import { parseBundleDocument } from '../../src/spiffe/bundle-document.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import {
  FETCH_JWT_BUNDLES,
  FETCH_JWT_SVID,
  FETCH_X509_BUNDLES,
  FETCH_X509_SVID,
  type X509SvidMessage,
} from '../../src/workload-api/messages.ts';
import { type StreamedAnswers, WorkloadApiServer } from '../../src/workload-api/server.ts';
import { createTestAuthority, type TestSvid, testAuthority } from '../support/svid-fixtures.ts';
import { entry, partnerBundle, testAgent } from '../workload-api/server-agent-fixture.ts';

const JOB = '/training/job-1';
const OTHER = '/inference/main';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-workload-'));
  vi.stubEnv('SPIFFE_ENDPOINT_SOCKET', undefined);
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
  vi.unstubAllEnvs();
});

interface Ran {
  out: string;
  errors: string;
  exitCode: number;
}

interface Running {
  readonly ran: Ran;
  readonly ended: Promise<void>;
  /** Resolves when this has been written, to either of the two. */
  readonly until: (text: string) => Promise<void>;
}

function begin(...args: readonly string[]): Running {
  const ran: Ran = { out: '', errors: '', exitCode: 0 };
  const waiting: (() => void)[] = [];
  const wake = (): void => {
    for (const each of waiting.splice(0)) each();
  };
  const io = {
    tell(text: string) {
      this.write(text);
    },
    write: (text: string) => {
      ran.out += text;
      wake();
    },
    writeError: (text: string) => {
      ran.errors += text;
      wake();
    },
    stdin: (async function* empty() {})(),
    colour: false,
    setExitCode: (code: number) => {
      ran.exitCode = code;
    },
  };
  const until = async (text: string): Promise<void> => {
    while (!`${ran.out}${ran.errors}`.includes(text)) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  return { ran, ended: runProgram(['workload', 'fetch', ...args], '1', io), until };
}

async function fetch(...args: readonly string[]): Promise<Ran> {
  const { ran, ended } = begin(...args);
  await ended;
  return ran;
}

describe('workload fetch x509', () => {
  it('shows who one is, until when, and whose bundles came along, but never a key', async () => {
    const federatedBundles = [await partnerBundle()];
    const { agent } = await testAgent([entry(JOB, { hint: 'internal' }), entry(OTHER)], { federatedBundles });
    await agent.start();
    const { out, errors, exitCode } = await fetch('x509', '--socket', agent.endpoint);
    expect({ errors, exitCode }).toEqual({ errors: '', exitCode: 0 });
    expect(out).toMatch(
      new RegExp(`^spiffe://ai\\.example/training/job-1 {2}\\(default\\)
  hint            \`internal\`
  valid from      [-0-9T:]+Z
  valid until     [-0-9T:]+Z
  serial number   [0-9a-f]{32}
  leaf SHA-256    [0-9a-f]{64}
  path            leaf, authority
  bundle          ai\\.example: 1 authority, until [-0-9T:]+Z

spiffe://ai\\.example/inference/main
  valid from `),
    );
    expect(out).toMatch(
      /\n\nX\.509 bundles of other trust domains\n {2}partner\.example 1 authority, until [-0-9T:]+Z\n$/,
    );
    expect(out).not.toMatch(/PRIVATE|BEGIN/);
  });

  it('takes the agent from the environment, unless one is named', async () => {
    const [first, second] = await Promise.all([testAgent([entry(JOB)]), testAgent([entry(OTHER)])]);
    await first.agent.start();
    await second.agent.start();
    vi.stubEnv('SPIFFE_ENDPOINT_SOCKET', first.agent.endpoint);
    expect((await fetch('x509')).out).toContain(entry(JOB).id);
    expect((await fetch('x509', '--socket', second.socketPath)).out).toContain(entry(OTHER).id);
  });

  it('writes JSON, one document, with the same facts', async () => {
    const { agent, port } = await testAgent([entry(JOB), entry(OTHER)]);
    await agent.start();
    const { out } = await fetch('x509', '--socket', agent.endpoint, '--format', 'json', '--id', entry(OTHER).id);
    expect(out).toMatch(/^[^\n]*\n$/);
    expect(JSON.parse(out)).toMatchObject({
      agent: agent.endpoint,
      kind: 'x509',
      svids: [
        {
          spiffeId: entry(OTHER).id,
          hint: '',
          certificate: { notAfter: new Date(port.nowMs + 30_000).toISOString().replace('.000', ''), chainLength: 2 },
          bundle: { trustDomain: 'ai.example', authorities: [{ sha256: expect.any(String) }], problem: null },
          problem: null,
        },
      ],
      federatedBundles: [],
      revocationLists: 0,
    });
  });

  it('writes files that belong together, the key for its owner only, and none over others unasked', async () => {
    const federatedBundles = [await partnerBundle()];
    const { agent, authority } = await testAgent([entry(JOB)], { federatedBundles });
    await agent.start();
    const args = ['x509', '--socket', agent.endpoint, '--out', directory];
    const { errors } = await fetch(...args);
    expect(errors).toContain(`wrote ${directory}/svid.key (secret, mode 0600)\nwrote ${directory}/svid.pem\n`);
    expect(readdirSync(directory).sort()).toEqual([
      'bundle.pem',
      'federated-partner.example.pem',
      'svid.key',
      'svid.pem',
    ]);
    const read = (name: string) => readFileSync(join(directory, name), 'utf8');
    const leaf = new X509Certificate(read('svid.pem'));
    expect(leaf.checkPrivateKey(createPrivateKey(read('svid.key')))).toBe(true);
    expect(statSync(join(directory, 'svid.key')).mode & 0o777).toBe(0o600);
    expect(new X509Certificate(read('bundle.pem')).raw.equals(Buffer.from(authority.root.rawData))).toBe(true);
    expect(new X509Certificate(read('federated-partner.example.pem')).subjectAltName).toBe(
      'URI:spiffe://partner.example',
    );
    const again = await fetch(...args);
    expect(again).toMatchObject({ exitCode: 1, errors: expect.stringContaining('--force') });
    await agent.rotateNow();
    expect(await fetch(...args, '--force')).toMatchObject({ exitCode: 0 });
    expect(new X509Certificate(read('svid.pem')).serialNumber).not.toBe(leaf.serialNumber);
  });

  it('goes on with --watch: every message, an agent that goes and comes back, until a signal', async () => {
    const { agent } = await testAgent([entry(JOB)]);
    await agent.start();
    const { ran, ended, until } = begin('x509', '--socket', agent.endpoint, '--watch');
    await until(entry(JOB).id);
    await agent.addEntry(entry(OTHER));
    await until(entry(OTHER).id);
    await agent.stop();
    await until('sallyport: ');
    await agent.setEntries([entry('/third')]);
    await agent.start();
    await until(entry('/third').id);
    await agent.setEntries([]);
    await until('has nothing for this workload');
    process.emit('SIGTERM');
    await ended;
    expect(ran.exitCode).toBe(0);
    expect(ran.out).toMatch(/^# \d{4}-\d\d-\d\dT[\d:.]+Z\nspiffe:/);
  });

  it('writes a JSON document for each message with --watch', async () => {
    const { agent } = await testAgent([entry(JOB)]);
    await agent.start();
    const { ran, ended, until } = begin('x509', '--socket', agent.endpoint, '--watch', '--format', 'json');
    await until('\n');
    await agent.addEntry(entry(OTHER));
    await until(OTHER);
    process.emit('SIGINT');
    await ended;
    const lines = ran.out.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).svids.length)).toEqual([1, 2]);
  });
});

describe('workload fetch jwt', () => {
  const audience = 'spiffe://ai.example/registry';

  it('shows for whom and until when, and no token unless asked', async () => {
    const { agent, port } = await testAgent([entry(JOB, { hint: 'internal' }), entry(OTHER)]);
    await agent.start();
    const args = ['jwt', '--socket', agent.endpoint, '--audience', audience, '--audience', 'b'];
    const { out, errors, exitCode } = await fetch(...args);
    expect({ errors, exitCode }).toEqual({ errors: '', exitCode: 0 });
    const end = new Date(port.nowMs + 30_000).toISOString().replace('.000', '');
    expect(out).toContain(`spiffe://ai.example/training/job-1  (default)
  hint            \`internal\`
  audiences       \`${audience}\`, \`b\`
  valid until     ${end}
  key ID          \``);
    expect(out).not.toContain('eyJ');
    const one = await fetch(...args, '--id', entry(OTHER).id, '--token');
    expect(one.out).toMatch(/^eyJ[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const written = await fetch(...args, '--out', directory);
    expect(written.exitCode).toBe(0);
    expect(readFileSync(join(directory, 'svid.jwt'), 'utf8')).toMatch(/^eyJ[\w.-]+$/);
    expect(statSync(join(directory, 'svid.jwt')).mode & 0o777).toBe(0o600);
  });

  it('says that the agent has none of that identity', async () => {
    const { agent } = await testAgent([entry(JOB)]);
    await agent.start();
    const ran = await fetch('jwt', '--socket', agent.endpoint, '--audience', 'a', '--id', entry(OTHER).id);
    expect(ran).toMatchObject({ exitCode: 1, out: '', errors: expect.stringContaining('no identity issued') });
  });
});

describe('workload fetch bundles', () => {
  it('shows those of either kind, and writes them as documents that verify both', async () => {
    const partner = await partnerBundle();
    const { agent } = await testAgent([entry(JOB)], { federatedBundles: [partner] });
    await agent.start();
    const { out, exitCode } = await fetch('bundles', '--socket', agent.endpoint, '--out', directory);
    expect(exitCode).toBe(0);
    expect(out).toMatch(
      /^X\.509 bundles\n {2}ai\.example {6}1 authority, until \S+\n {2}partner\.example 1 authority, until \S+\n\nJWT bundles\n {2}ai\.example {6}key `[\w-]+`\n {2}partner\.example key `[\w-]+`\n$/,
    );
    const source = readFileSync(join(directory, 'partner.example.json'));
    const { bundle } = parseBundleDocument(partner.trustDomain, source, 'partner.example.json');
    expect(bundle.authorities).toEqual(partner.authorities);
    expect([...bundle.jwtAuthorities.keys()]).toEqual([...partner.jwtAuthorities.keys()]);
    expect(readdirSync(directory).sort()).toEqual(['ai.example.json', 'partner.example.json']);
  });

  it('goes on with --watch', async () => {
    const { agent } = await testAgent([entry(JOB)]);
    await agent.start();
    const { ran, ended, until } = begin('bundles', '--socket', agent.endpoint, '--watch', '--format', 'json');
    await until('"x509-bundles"');
    await until('"jwt-bundles"');
    await agent.setFederatedBundles([await partnerBundle()]);
    while ((ran.out.match(/partner/g) ?? []).length < 2) await until(`${ran.out}{`);
    process.emit('SIGTERM');
    await ended;
    expect(ran.exitCode).toBe(0);
  });
});

describe('what is wrong with what an agent hands out', () => {
  const authority = testAuthority('ai.example');
  const der = (pem: string) => new X509Certificate(pem).raw;
  const bundle = der(authority.certificatePem);

  function message(svid: TestSvid, more: Partial<X509SvidMessage> = {}): X509SvidMessage {
    const privateKey = createPrivateKey(svid.privateKeyPem).export({ type: 'pkcs8', format: 'der' });
    const chain = Buffer.concat(svid.chainDer);
    return { spiffeId: `spiffe://ai.example${JOB}`, chain, privateKey, bundle, hint: '', ...more };
  }

  /** An agent that gives this SVID and these bundles of other trust domains. */
  async function handingOut(
    svids: readonly X509SvidMessage[],
    more: { readonly federated?: readonly [string, Uint8Array]; readonly token?: string; readonly jwks?: string } = {},
  ): Promise<string> {
    const { federated, token: svid = '\u001b[31m', jwks = '{"keys":[]}' } = more;
    const jwtBundles = new Map([['spiffe://ai.example', Buffer.from(jwks)]]);
    const federatedBundles = new Map(federated === undefined ? [] : [federated]);
    const streamed: StreamedAnswers = {
      x509Svids: FETCH_X509_SVID.response.encode({ svids, crls: [], federatedBundles }),
      x509Bundles: FETCH_X509_BUNDLES.response.encode({ crls: [Buffer.from('crl')], bundles: federatedBundles }),
      jwtBundles: FETCH_JWT_BUNDLES.response.encode({ bundles: jwtBundles }),
    };
    const token = FETCH_JWT_SVID.response.encode({
      svids: [{ spiffeId: `spiffe://ai.example${JOB}`, svid, hint: '' }],
    });
    const server = new WorkloadApiServer({
      streamed: new SnapshotCell<StreamedAnswers | null>(streamed),
      answerJwtSvid: () => ({ kind: 'answered', message: token }),
      answerValidation: () => ({ kind: 'answered', message: Buffer.alloc(0) }),
    });
    onTestFinished(() => server.close());
    const path = join(directory, 'agent.sock');
    await server.listen({ address: { kind: 'unix', path }, mode: 0o600 });
    return path;
  }

  const good = () => authority.issue(JOB);
  const cases: readonly (readonly [string, () => X509SvidMessage, string])[] = [
    [
      'WA-157 the key of another',
      () => message(good(), { privateKey: message(authority.issue('/x')).privateKey }),
      'identity-key-mismatch',
    ],
    [
      'WA-157 PEM where DER belongs',
      () => message(good(), { chain: Buffer.from(good().certificatePem) }),
      'identity-certificate',
    ],
    ['WA-157 a truncated bundle', () => message(good(), { bundle: bundle.subarray(0, -1) }), 'not-der'],
    [
      'WA-162 an SVID that has expired',
      () => message(authority.issue(JOB, { notAfterMs: Date.now() - 60_000 })),
      'expired',
    ],
    ['an SVID of another ID', () => message(authority.issue(OTHER)), 'id-mismatch'],
    ['an ID that is none', () => message(good(), { spiffeId: 'x\u001b[31m' }), 'wrong-scheme'],
    ['CE-31 a chain to another authority', () => message(createTestAuthority('ai.example').issue(JOB)), '['],
  ];

  it.each(cases)('tells of %s, and exits with 1', async (_name, make, code) => {
    const socket = await handingOut([message(good()), make()]);
    const { out, exitCode, errors } = await fetch('x509', '--socket', socket);
    expect({ errors, exitCode }).toEqual({ errors: '', exitCode: 1 });
    const [, second = ''] = out.split(/\n\n(?=spiffe|x)/);
    expect(second).toContain(code);
    expect(out).not.toContain('\u001b');
    expect(out.split('\n\n')[0]).not.toContain('problem');
  });

  it.each([
    ['WA-159 a workload', 'spiffe://partner.example/x', 'bundle-key'],
    ['nobody', 'spiffe://Partner', 'trust-domain-character'],
  ])('tells of a bundle that is keyed by the ID of %s', async (_name, key, code) => {
    const socket = await handingOut([message(good())], { federated: [key, bundle] });
    const { out, exitCode } = await fetch('x509', '--socket', socket);
    expect(out).toContain(`[${code}]`);
    expect(exitCode).toBe(1);
    expect(await fetch('bundles', '--socket', socket)).toMatchObject({
      exitCode: 1,
      out: expect.stringContaining('1 certificate revocation list\n'),
    });
    expect(await fetch('bundles', '--socket', socket, '--out', join(directory, 'o'))).toMatchObject({ exitCode: 1 });
  });

  it('takes the name of a trust domain for its ID, as other clients do', async () => {
    const socket = await handingOut([message(good())], { federated: ['partner.example', bundle] });
    const { out, exitCode } = await fetch('bundles', '--socket', socket);
    expect({ out, exitCode }).toMatchObject({
      exitCode: 0,
      out: expect.stringContaining('  partner.example 1 authority'),
    });
  });

  it('does not write what nobody can use', async () => {
    const socket = await handingOut([message(good(), { privateKey: message(authority.issue('/x')).privateKey })]);
    expect(await fetch('x509', '--socket', socket, '--out', join(directory, 'o'))).toMatchObject({ exitCode: 1 });
    expect(readdirSync(directory)).toEqual(['agent.sock']);
  });

  it('does not write a token that it cannot verify, whatever stands in it', async () => {
    const socket = await handingOut([message(good())]);
    const { out, errors, exitCode } = await fetch('jwt', '--socket', socket, '--audience', 'a', '--token');
    expect({ out, exitCode }).toEqual({ out: '', exitCode: 1 });
    expect(errors).toContain('[not-compact]');
    expect(`${errors}${(await fetch('jwt', '--socket', socket, '--audience', 'a')).out}`).not.toContain('\u001b');
  });

  it('tells of a token that is of another identity than it is said to be', async () => {
    const trustDomain = parseTrustDomain('ai.example');
    const key = await createJwtAuthority({ trustDomain, keyType: 'p256' }, { crypto: webcrypto });
    const order = { id: parseSpiffeId(`spiffe://ai.example${OTHER}`), audiences: ['a'], ttlMs: 60_000 };
    const { token } = issueJwtSvid(key, order, { nowMs: Date.now(), crypto: webcrypto });
    const jwks = { keys: [{ ...key.publicKey.export({ format: 'jwk' }), kid: key.keyId }] };
    const socket = await handingOut([message(good())], { token, jwks: JSON.stringify(jwks) });
    const { out, exitCode } = await fetch('jwt', '--socket', socket, '--audience', 'a');
    expect(out).toContain(`the token is of \`spiffe://ai.example${OTHER}\` [id-mismatch]`);
    expect(exitCode).toBe(1);
  });

  it('says what there is instead of the identity that was asked for', async () => {
    const socket = await handingOut([message(good())]);
    expect(await fetch('x509', '--socket', socket, '--id', 'spiffe://ai.example/nobody')).toMatchObject({
      exitCode: 1,
      out: '',
      errors:
        'sallyport: the agent gives no X.509-SVID of `spiffe://ai.example/nobody`; it gives `spiffe://ai.example/training/job-1`\n',
    });
  });
});

describe('workload fetch refuses', () => {
  it.each([
    ['without an agent', ['x509'], 'no agent: name its socket with --socket, or in SPIFFE_ENDPOINT_SOCKET'],
    ['WA-153 an address that is none', ['x509', '--socket', 'tcp://localhost:1'], '--socket: `tcp://localhost:1`'],
    ['an ID that is none', ['x509', '--socket', '/x', '--id', 'job'], '--id: '],
    [
      'to keep files up to date',
      ['x509', '--socket', '/x', '--watch', '--out', 'o'],
      '--out: not together with --watch',
    ],
    ['no audience', ['jwt', '--socket', '/x'], "required option '--audience <text>'"],
    ['another format', ['bundles', '--socket', '/x', '--format', 'xml'], 'Allowed choices are text, json'],
  ])('%s, with exit code 2', async (_name, args, message) => {
    const ran = await fetch(...args);
    expect(ran).toMatchObject({ exitCode: 2, out: '' });
    expect(ran.errors).toContain(message);
  });

  it('WA-153 an environment that names no agent', async () => {
    vi.stubEnv('SPIFFE_ENDPOINT_SOCKET', 'unix:agent.sock');
    const { exitCode, errors } = await fetch('bundles');
    expect({ exitCode, errors }).toMatchObject({
      exitCode: 2,
      errors: expect.stringContaining('sallyport: SPIFFE_ENDPOINT_SOCKET: `unix:agent.sock` has no absolute path'),
    });
  });

  it('an agent that is not there, and one that has nothing, with exit code 1', async () => {
    expect(await fetch('x509', '--socket', join(directory, 'nobody.sock'))).toMatchObject({
      exitCode: 1,
      errors: expect.stringContaining('there is no socket at'),
    });
    const { agent } = await testAgent([]);
    await agent.start();
    for (const args of [['x509'], ['bundles'], ['jwt', '--audience', 'a']]) {
      const { exitCode, out, errors } = await fetch(...args, '--socket', agent.endpoint);
      expect({ exitCode, out }).toEqual({ exitCode: 1, out: '' });
      expect(errors).toContain('has nothing for this workload');
    }
  });

  it('to say again what stays as it was, while it watches an agent that is not ready', async () => {
    const { agent, socketPath } = await testAgent([entry(JOB)]);
    await agent.start();
    const { ran, ended, until } = begin('x509', '--socket', socketPath, '--watch');
    await until(entry(JOB).id);
    await agent.stop();
    const { asked } = await agentThatAnswers('14', socketPath);
    await asked(4);
    process.emit('SIGTERM');
    await ended;
    const lines = ran.errors.trimEnd().split('\n');
    expect(lines).toEqual([...new Set(lines)]);
    expect(lines.at(-1)).toContain('is not available');
  });

  it('to watch on when an agent refuses for good', async () => {
    const { socket } = await agentThatAnswers('12');
    const { exitCode, errors } = await fetch('bundles', '--watch', '--socket', socket);
    expect(exitCode).toBe(1);
    expect(errors).toContain('does not offer the method');
  });
});

/** It answers every request with this status of gRPC. */
async function agentThatAnswers(status: string, socket = join(directory, 'agent.sock')) {
  const server = createServer();
  let count = 0;
  const waiting = new Map<number, () => void>();
  server.on('stream', (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': status }, { endStream: true });
    count += 1;
    waiting.get(count)?.();
  });
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const asked = (times: number): Promise<void> => new Promise((resolve) => waiting.set(times, resolve));
  return { socket, asked };
}
