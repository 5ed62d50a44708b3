import { mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  ARTICLE_POLICY,
  bundlesOf,
  compilePolicy,
  identityOf,
  OK,
  type ProxyFixture,
  type ProxyOptions,
  type RawPeer,
  ScriptedUpstream,
  startProxy,
} from '../support/proxy-fixture.ts';
import { createTestAuthority, expired, testAuthority } from '../support/svid-fixtures.ts';

const NO_TRAINING = ARTICLE_POLICY.replace('    allow: [registry, feature-store]', '    allow: [feature-store]');
const CHUNKED_HEAD = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n';
const LAST_CHUNKS = '4\r\nlast\r\n0\r\n\r\n';

interface EgressSetting {
  readonly upstream: ScriptedUpstream;
  readonly proxy: ProxyFixture;
  /** The own program. */
  readonly program: RawPeer<Socket>;
}

/** An egress listener of `spiffe://ai.example/training/job`. */
async function openEgress(
  answer: (head: string, socket: Socket) => void,
  options: ProxyOptions = {},
): Promise<EgressSetting> {
  const upstream = await ScriptedUpstream.start(answer);
  onTestFinished(() => upstream.close());
  const proxy = await startProxy(upstream.port, { egress: 'anywhere', ...options });
  onTestFinished(() => proxy.close());
  return { upstream, proxy, program: await proxy.connectProgram() };
}

async function openStream(options: ProxyOptions = {}): Promise<EgressSetting> {
  const setting = await openEgress((_head, socket) => socket.write(CHUNKED_HEAD), options);
  setting.program.request('GET', '/stream');
  await setting.program.until((text) => text.includes('first'));
  return setting;
}

const ownOf = (path: string, options = {}): ReturnType<typeof identityOf> =>
  identityOf(testAuthority(), testAuthority().issue(path, options));

/** Name and value of each field of a head, in order. */
function fieldsOf(head: string): readonly (readonly [string, string])[] {
  const [, ...lines] = head.slice(0, -4).split('\r\n');
  return lines.map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)] as const);
}

describe('a request of the own program', () => {
  it('is decided in the name of our own SVID, and recorded so', async () => {
    const { proxy, program } = await openEgress((_head, socket) => socket.write(OK));
    program.request('PUT', '/models/1', 'content-length: 0\r\n');
    expect(await program.response()).toMatchObject({ status: 200, body: 'ok' });
    expect(proxy.recorder.requests).toMatchObject([
      { principal: 'spiffe://ai.example/training/job', actor: null, decision: { effect: 'allow', verb: 'write' } },
    ]);
  });

  it('is denied where the matrix does not allow it, and never sent on', async () => {
    const { proxy, program, upstream } = await openEgress((_head, socket) => socket.write(OK), { policy: NO_TRAINING });
    program.request('GET', '/models/1');
    expect((await program.response()).status).toBe(403);
    expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual(['denied']);
    expect(upstream.sockets).toHaveLength(0);
  });

  it('HD-108 leaves with nothing that it says of anybody, and nothing that we say of it but how to find it again', async () => {
    const { upstream, program } = await openEgress((_head, socket) => socket.write(OK));
    program.request(
      'GET',
      '/x?y=1',
      'x-forwarded-client-cert: By=spiffe://evil;URI=spiffe://ai.example/admin\r\nX-Spiffe-Id: spiffe://ai.example/admin\r\n' +
        'X_Spiffe_Id: a\r\nForwarded: for=1\r\nx-forwarded-for: 1.2.3.4\r\nx-sallyport-component: registry\r\n' +
        'x-envoy-peer-metadata: a\r\nauthorization: Bearer of-the-service\r\naccept: */*\r\n',
    );
    await program.response();
    const fields = fieldsOf(upstream.received);
    expect(fields.map(([name]) => name).toSorted()).toEqual([
      'accept',
      'authorization',
      'host',
      'traceparent',
      'via',
      'x-sallyport-decision-id',
    ]);
    expect(new Map(fields).get('via')).toBe('1.1 sallyport');
    expect(upstream.received).toMatch(/^GET \/x\?y=1 HTTP\/1\.1\r\n/);
  });

  it('goes on with the trace it came with', async () => {
    const { upstream, program, proxy } = await openEgress((_head, socket) => socket.write(OK));
    const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    program.request('GET', '/x', `traceparent: ${trace}\r\ntracestate: a=b\r\n`);
    await program.response();
    const fields = new Map(fieldsOf(upstream.received));
    expect(fields.get('traceparent')).toBe(trace);
    expect(fields.get('tracestate')).toBe('a=b');
    expect(fields.get('x-sallyport-decision-id')).toBe(proxy.recorder.requests[0]?.decisionId);
  });

  it.each([
    ['H1-72 in absolute form', 'GET http://registry/x HTTP/1.1\r\nhost: registry\r\n\r\n', 400],
    ['H1-72 to CONNECT', 'CONNECT registry:443 HTTP/1.1\r\nhost: registry:443\r\n\r\n', 501],
    ['H1-71 without Host', 'GET /x HTTP/1.1\r\n\r\n', 400],
    [
      'H1-65 framed twice',
      'POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
      400,
    ],
    ['TL-63 of a client that begins with TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ])('is refused %s', async (_, bytes, status) => {
    const { program, upstream } = await openEgress((_head, socket) => socket.write(OK));
    program.send(bytes);
    const { status: answered } = await program.response();
    expect(answered).toBe(status);
    expect(upstream.sockets).toHaveLength(0);
  });
});

describe('a destination', () => {
  const routes = [
    { host: 'registry.ai', pathPrefix: '/v2', component: 'registry' },
    { host: null, port: 6566, pathPrefix: null, component: 'feature-store' },
    { host: 'models.ai', port: 80, pathPrefix: null, component: 'inference' },
    { host: '[::1]', port: 9000, pathPrefix: null, component: 'training' },
  ];
  const open = async (): Promise<EgressSetting> =>
    openEgress((_head, socket) => socket.write(OK), {
      routes,
      policy: ARTICLE_POLICY.replace(
        'allow: [registry, feature-store]',
        'allow: [registry, feature-store, training, inference]',
      ),
    });

  it.each([
    ['registry.ai', '/v2/x', 'registry'],
    ['registry.ai:8080', '/v2', 'registry'],
    ['anything:6566', '/', 'feature-store'],
    ['registry.ai:6566', '/other', 'feature-store'],
    ['models.ai', '/', 'inference'],
    ['models.ai:80', '/', 'inference'],
    ['[::1]:9000', '/', 'training'],
  ])('%s%s is %s', async (authority, path, component) => {
    const { proxy, program, upstream } = await open();
    program.send(`GET ${path} HTTP/1.1\r\nhost: ${authority}\r\n\r\n`);
    expect((await program.response()).status).toBe(200);
    expect(proxy.recorder.requests[0]?.decision?.target).toBe(component);
    expect(new Map(fieldsOf(upstream.received)).get('host')).toBe(authority);
    expect(proxy.unrouted).toEqual([]);
  });

  it.each([
    ['registry.ai', '/v20'],
    ['models.ai:8080', '/'],
    ['[::1]', '/'],
    ['registry.ai.evil.example', '/v2/x'],
    ['evil.example', '/'],
    ['anything:65', '/'],
  ])('%s%s is known to no route: refused, and told of', async (authority, path) => {
    const { proxy, program, upstream } = await open();
    program.send(`GET ${path} HTTP/1.1\r\nhost: ${authority}\r\n\r\n`);
    expect((await program.response()).status).toBe(404);
    expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual(['no-route']);
    expect(proxy.unrouted).toEqual([`spiffe://ai.example/training/job ${authority}`]);
    expect(upstream.sockets).toHaveLength(0);
  });
});

describe('our own SVID at an egress listener', () => {
  it('withdrawn, refuses every request and no connection, until there is one again', async () => {
    const { proxy, program } = await openEgress((_head, socket) => socket.write(OK));
    const own = proxy.identity.current.value;
    proxy.identity.swap(null);
    program.request('GET', '/x');
    expect((await program.response()).status).toBe(503);
    expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual(['own-svid-withdrawn']);
    proxy.identity.swap(own);
    program.request('GET', '/x');
    expect((await program.response()).status).toBe(200);
  });

  it('CE-36 expired, refuses every request', async () => {
    const { proxy, program, upstream } = await openEgress((_head, socket) => socket.write(OK));
    proxy.identity.swap(ownOf('/training/job', expired()));
    program.request('GET', '/x');
    expect((await program.response()).status).toBe(503);
    expect(upstream.sockets).toHaveLength(0);
  });

  it('CA-122 expired, is not brought back by a clock that is set back', async () => {
    let [wallMs, monotonicMs] = [Date.now(), 1_000];
    const clock = { wallMs: () => wallMs, monotonicMs: () => monotonicMs };
    const { proxy, program } = await openEgress((_head, socket) => socket.write(CHUNKED_HEAD), { clock });
    program.request('GET', '/stream');
    await program.until((text) => text.includes('first'));
    monotonicMs += 3_700_000;
    wallMs -= 3_600_000;
    await program.closed();
    expect(proxy.recorder.terminations).toEqual(['own-svid-withdrawn']);
  });

  it('rotated, is asked for in its new name alone: what that may not do is denied', async () => {
    const { proxy, program } = await openEgress((_head, socket) => socket.write(OK));
    program.request('PUT', '/x', 'content-length: 0\r\n');
    expect((await program.response()).status).toBe(200);
    proxy.identity.swap(ownOf('/inference/server'));
    program.request('PUT', '/x', 'content-length: 0\r\n');
    expect((await program.response()).status).toBe(403);
    program.request('GET', '/x');
    expect((await program.response()).status).toBe(200);
    expect(proxy.recorder.requests.map(({ principal }) => principal)).toEqual([
      'spiffe://ai.example/training/job',
      'spiffe://ai.example/inference/server',
      'spiffe://ai.example/inference/server',
    ]);
  });
});

describe('a stream of the own program', () => {
  it.each<[string, string, (proxy: ProxyFixture) => void]>([
    ['policy turns against it', 'policy-changed', (proxy) => proxy.policy.swap(compilePolicy(NO_TRAINING))],
    ['our own SVID is withdrawn', 'own-svid-withdrawn', (proxy) => proxy.identity.swap(null)],
    ['we become somebody else', 'own-svid-withdrawn', (proxy) => proxy.identity.swap(ownOf('/inference/server'))],
  ])('is cut within a second when %s', async (_, reason, turn) => {
    const { proxy, program, upstream } = await openStream();
    const startMs = performance.now();
    turn(proxy);
    await program.closed();
    expect(performance.now() - startMs).toBeLessThan(1_000);
    expect(proxy.recorder.terminations).toEqual([reason]);
    expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual([reason]);
    await new Promise<void>((resolve) => {
      const [socket] = upstream.sockets;
      if (socket === undefined || socket.closed) resolve();
      else socket.once('close', () => resolve());
    });
  });

  it.each<[string, (proxy: ProxyFixture) => void]>([
    ['our SVID is rotated', (proxy) => proxy.identity.swap(ownOf('/training/job'))],
    ['a bundle comes', (proxy) => proxy.trust.swap(bundlesOf([testAuthority(), createTestAuthority('far.example')]))],
    ['policy changes for others', (proxy) => proxy.policy.swap(compilePolicy(`${ARTICLE_POLICY}\n# other\n`))],
  ])('goes on when %s', async (_, change) => {
    const { proxy, program, upstream } = await openStream();
    change(proxy);
    upstream.sockets[0]?.write(LAST_CHUNKS);
    expect(await program.until((text) => text.endsWith('0\r\n\r\n'))).toContain('last');
    expect(proxy.recorder.terminations).toEqual([]);
  });

  it('has its grace where the terms drain', async () => {
    const { proxy, program, upstream } = await openStream({
      leases: { graceMs: 60_000, onLapse: { 'policy-changed': 'drain' } },
    });
    proxy.policy.swap(compilePolicy(NO_TRAINING));
    upstream.sockets[0]?.write(LAST_CHUNKS);
    expect(await program.until((text) => text.endsWith('0\r\n\r\n'))).toContain('last');
  });

  it('is waited for by a drain, which takes nothing more', async () => {
    const { proxy, program, upstream } = await openStream();
    const drained = proxy.listener.drain(60_000);
    await expect(proxy.connectProgram()).rejects.toThrow(/ECONNREFUSED/);
    upstream.sockets[0]?.write(LAST_CHUNKS);
    await program.closed();
    await drained;
    expect(program.received).toContain('last');
  });

  it('is cut when the time to drain is over', async () => {
    const { proxy, program } = await openStream();
    await proxy.listener.drain(50);
    await program.closed();
    expect(proxy.recorder.terminations).toEqual(['drain-deadline']);
  });
});

describe('HTTP/2 with prior knowledge', () => {
  /** Ends with the test. */
  async function openSession(proxy: ProxyFixture): Promise<ClientHttp2Session> {
    const session = connectHttp2(`http://127.0.0.1:${proxy.port}`);
    onTestFinished(() => session.destroy());
    session.on('error', () => undefined);
    await new Promise<void>((resolve) => session.once('connect', () => resolve()));
    return session;
  }

  async function answerOf(stream: ClientHttp2Stream): Promise<{ status: number | undefined; body: string }> {
    let body = '';
    stream.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    const status = await new Promise<number | undefined>((resolve) => {
      stream.once('response', (headers) => resolve(headers[':status']));
    });
    await new Promise<void>((resolve) => stream.once('close', () => resolve()));
    return { status, body };
  }

  it('is taken from the program beside HTTP/1.1, each stream decided by itself', async () => {
    const { proxy, program, upstream } = await openEgress((_head, socket) => socket.write(OK));
    const session = await openSession(proxy);
    const headers = { ':authority': 'registry', 'x-spiffe-id': 'spiffe://ai.example/admin' };
    const [read, write] = await Promise.all([
      answerOf(session.request({ ...headers, ':path': '/a' })),
      answerOf(session.request({ ...headers, ':method': 'PUT', ':path': '/b' }, { endStream: true })),
    ]);
    expect(read).toEqual({ status: 200, body: 'ok' });
    expect(write).toEqual({ status: 200, body: 'ok' });
    program.request('GET', '/c');
    expect((await program.response()).status).toBe(200);
    expect(upstream.received).not.toContain('x-spiffe-id');
    expect(upstream.received).toContain('via: 2 sallyport');
    expect(proxy.recorder.requests.map(({ principal }) => principal)).toEqual(
      Array.from({ length: 3 }, () => 'spiffe://ai.example/training/job'),
    );
  });

  it('is denied, cut and told of new destinations like HTTP/1.1', async () => {
    const { proxy } = await openEgress((_head, socket) => socket.write(CHUNKED_HEAD), {
      routes: [{ host: 'registry', pathPrefix: null, component: 'registry' }],
    });
    const session = await openSession(proxy);
    const unknown = await answerOf(session.request({ ':authority': 'evil.example:1', ':path': '/' }));
    expect(unknown.status).toBe(404);
    const misled = await answerOf(session.request({ ':scheme': 'https', ':authority': 'registry', ':path': '/' }));
    expect(misled.status).toBe(400);
    expect(proxy.unrouted).toEqual(['spiffe://ai.example/training/job evil.example:1']);
    const stream = session.request({ ':authority': 'registry', ':path': '/stream' });
    stream.on('error', () => undefined);
    await new Promise<void>((resolve) => stream.once('data', () => resolve()));
    const startMs = performance.now();
    proxy.policy.swap(compilePolicy(NO_TRAINING));
    await new Promise<void>((resolve) => stream.once('close', () => resolve()));
    expect(performance.now() - startMs).toBeLessThan(1_000);
    expect((await answerOf(session.request({ ':authority': 'registry', ':path': '/' }))).status).toBe(403);
  });

  it('is told from HTTP/1.1 however slowly it begins', async () => {
    const { proxy, upstream } = await openEgress((_head, socket) => socket.write(OK));
    for (const [text, answer] of [
      ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', /^\0\0/],
      ['PROPFIND /x HTTP/1.1\r\nhost: registry\r\n\r\n', /^HTTP\/1\.1 200 /],
      ['PUT /x HTTP/1.1\r\nhost: registry\r\ncontent-length: 0\r\n\r\n', /^HTTP\/1\.1 200 /],
    ] as const) {
      const program = await proxy.connectProgram();
      for (const octet of text) {
        program.send(octet);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await program.until((received) => answer.test(received))).toMatch(answer);
    }
    expect(upstream.received).toContain('PROPFIND /x HTTP/1.1');
  });

  it('has the time of a head to say what it is', async () => {
    const { proxy, program } = await openEgress(() => undefined, { limits: { headTimeoutMs: 300 } });
    program.send('PR');
    await program.closed();
    expect(proxy.recorder.terminations).toEqual(['head-timeout']);
  });
});

describe('an egress listener', () => {
  it('lets nobody who has said nothing hold up a drain', async () => {
    const { proxy, program } = await openEgress(() => undefined);
    await proxy.listener.drain(60_000);
    await program.closed();
    expect(proxy.recorder.terminations).toEqual(['drain']);
  });

  it('waits for nobody: a connection on which nothing comes is closed', async () => {
    const { proxy, program } = await openEgress(() => undefined, { limits: { idleTimeoutMs: 300 } });
    await program.closed();
    expect(proxy.recorder.terminations).toEqual(['idle-timeout']);
  });

  it('has a bound on its connections', async () => {
    const { proxy } = await openEgress((_head, socket) => socket.write(OK), { limits: { maxConnections: 2 } });
    await proxy.connectProgram();
    const third = await proxy.connectProgram();
    await third.closed();
    expect(proxy.recorder.handshakes).toEqual(['refused: connection-limit']);
  });

  it('EX-169 listens at a unix socket that only its owner may open, in place of one left behind', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const path = join(directory, 'egress.sock');
    const before = createServer();
    await new Promise<void>((resolve) => before.listen(`${path}.before`, resolve));
    // What is renamed stays when its server closes.
    renameSync(`${path}.before`, path);
    await new Promise((resolve) => before.close(resolve));
    const { proxy, program } = await openEgress((_head, socket) => socket.write(OK), {
      egress: { kind: 'unix', path, mode: 0o600 },
    });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    program.request('GET', '/x');
    expect((await program.response()).status).toBe(200);
    proxy.listener.close();
    await expect(proxy.connectProgram()).rejects.toThrow(/ENOENT/);
  });

  it('sends to a service exactly what the program sent it, but for what is ours', async () => {
    const { upstream, program, proxy } = await openEgress((_head, socket) => socket.write(OK));
    const ours = new Set(['host', 'traceparent', 'via', 'x-sallyport-decision-id', 'content-length']);
    const token = fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/).filter((name) => proxyPasses(name));
    const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
    const path = fc.stringMatching(/^(\/[A-Za-z0-9_~-]{1,8}){1,4}$/);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('GET', 'POST', 'DELETE', 'PATCH'),
        path,
        fc.option(fc.stringMatching(/^[A-Za-z0-9=&_-]{0,12}$/), { nil: null }),
        fc.array(fc.tuple(token, value), { maxLength: 8 }),
        async (method, route, query, fields) => {
          const target = query === null ? route : `${route}?${query}`;
          const before = upstream.received.length;
          const lines = fields.map(([name, text]) => `${name}: ${text}\r\n`).join('');
          program.request(method, target, lines);
          expect((await program.response()).status).toBe(200);
          const head = upstream.received.slice(before);
          expect(head.startsWith(`${method} ${target} HTTP/1.1\r\n`)).toBe(true);
          expect(fieldsOf(head).filter(([name]) => !ours.has(name))).toEqual(fields);
        },
      ),
      { numRuns: 200 },
    );
    expect(proxy.recorder.requests.every(({ refusal }) => refusal === null)).toBe(true);
  });
});

/** Names that are neither of a hop, nor of framing, nor of identity or traces. */
function proxyPasses(name: string): boolean {
  return !/^(?:x-|proxy|te$|trailer|upgrade|connection|keep-alive|transfer-encoding|content-length|host|expect|via|trace|forwarded|client-cert|ssl-|l5d-|spiffe|remote-user|true-client|cf-conn|http2|authorization)/.test(
    name,
  );
}
