import { createServer as createPlainServer, type Socket } from 'node:net';
import { createServer, type TlsOptions, type TLSSocket } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import type { Revocation } from '../../src/revocation/revocation.ts';
import { compileRevocations, type Revocations } from '../../src/revocation/revocations.ts';
import type { UpstreamWaiter } from '../../src/proxy/upstream.ts';
import { parseIdPattern } from '../../src/spiffe/id-pattern.ts';
import type { OwnIdentity } from '../../src/spiffe/own-identity.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundlePem, type TrustBundles } from '../../src/spiffe/trust-bundle.ts';
import {
  extendedKeyUsage,
  issueAuthority,
  issueSvid,
  OID,
  pemOf,
  selfSigned,
  uriName,
} from '../support/certificate-builder.ts';
import {
  bundlesOf,
  identityOf,
  OK,
  type ProxyFixture,
  type ProxyOptions,
  type RawPeer,
  startProxy,
} from '../support/proxy-fixture.ts';
import { connectTraining, untilStill } from '../support/proxy-setting.ts';
import { createTestAuthority, expired, type TestAuthority, testAuthority } from '../support/svid-fixtures.ts';

const EXPECTED = ['/registry/server', '/registry/blue/*'];
const CHUNKED_HEAD = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n';

interface Server {
  readonly port: number;
  /** Of every handshake that was completed. */
  readonly sockets: TLSSocket[];
  readonly resumed: boolean[];
  /** The subject alternative names of our certificate in each of them. */
  readonly presented: (string | undefined)[];
  /** Connections of any kind. */
  connections: number;
  /** What was received on all of them. */
  received: string;
}

/** A TLS server that asks for a client certificate and answers whatever arrives. */
async function startServer(
  credentials: { readonly certificatePem: string; readonly privateKeyPem: string },
  answer: (socket: TLSSocket) => void = (socket) => socket.write(OK),
  options: TlsOptions = {},
): Promise<Server> {
  const sockets: TLSSocket[] = [];
  const server = createServer({
    cert: credentials.certificatePem,
    key: credentials.privateKeyPem,
    ca: testAuthority().certificatePem,
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
    ...options,
  });
  server.on('secureConnection', (socket) => {
    sockets.push(socket);
    started.resumed.push(socket.isSessionReused());
    started.presented.push(socket.getPeerCertificate().subjectaltname);
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      started.received += bytes.toString('latin1');
      answer(socket);
    });
  });
  server.on('connection', () => {
    started.connections += 1;
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const started: Server = { port: address.port, sockets, resumed: [], presented: [], connections: 0, received: '' };
  return started;
}

const registry = (authority: TestAuthority = testAuthority()): ReturnType<TestAuthority['issue']> =>
  authority.issue('/registry/server');

const NO_SERVER: Server = { port: 0, sockets: [], resumed: [], presented: [], connections: 0, received: '' };

interface Setting {
  readonly server: Server;
  readonly proxy: ProxyFixture;
  readonly peer: RawPeer;
}

async function openSetting(server: Server, options: ProxyOptions = {}): Promise<Setting> {
  const proxy = await startProxy(server.port, { server: { ids: EXPECTED }, ...options });
  onTestFinished(() => proxy.close());
  return { server, proxy, peer: await connectTraining(proxy) };
}

/** What comes of one request to a server with these credentials, and what is told of it. */
async function outcomeOf(
  credentials: Parameters<typeof startServer>[0],
  options: ProxyOptions = {},
  serverOptions: TlsOptions = {},
): Promise<{ status: number; refusal: string | null | undefined; reasons: readonly string[]; received: string }> {
  const { proxy, peer, server } = await openSetting(await startServer(credentials, undefined, serverOptions), options);
  peer.request('GET', '/x');
  const { status } = await peer.response();
  return {
    status,
    refusal: proxy.recorder.requests.at(-1)?.refusal,
    reasons: proxy.faults.map(({ reason }) => reason),
    received: server.received,
  };
}

function revoking(id: string): Revocations {
  const pattern = parseIdPattern(id, parseTrustDomain('ai.example'));
  const entries: Revocation[] = [{ target: { kind: 'id', pattern }, reason: 'leaked', atMs: 0, expiresMs: null }];
  return compileRevocations({ entries, crls: [] });
}

/** PEM bundles by trust domain. */
function trusting(bundles: Readonly<Record<string, string>>): TrustBundles {
  return new Map(
    Object.entries(bundles).map(([name, pem]) => {
      const trustDomain = parseTrustDomain(name);
      return [trustDomain, parseTrustBundlePem(trustDomain, Buffer.from(pem), `${name}.pem`)];
    }),
  );
}

const closed = (socket: Socket | undefined): Promise<void> =>
  new Promise((resolve) => (socket === undefined || socket.closed ? resolve() : socket.once('close', () => resolve())));

describe('a server that proves to be the expected one', () => {
  it.each([
    ['by its ID', '/registry/server'],
    ['by a pattern', '/registry/blue/7'],
  ])('is sent the request, over mTLS with our own SVID: %s', async (_, path) => {
    const { server, proxy, peer } = await openSetting(await startServer(testAuthority().issue(path)));
    peer.request('GET', '/x');
    expect(await peer.response()).toMatchObject({ status: 200, body: 'ok' });
    expect(server.received).toMatch(/^GET \/x HTTP\/1\.1\r\n/);
    const [socket] = server.sockets;
    expect(socket?.authorized).toBe(true);
    expect(socket?.getPeerCertificate().subjectaltname).toContain('URI:spiffe://ai.example/registry/proxy');
    expect(socket?.alpnProtocol).toBe('http/1.1');
    expect(proxy.faults).toEqual([]);
  });

  it('may present intermediates', async () => {
    const below = testAuthority().intermediate().intermediate();
    expect(await outcomeOf(registry(below))).toMatchObject({ status: 200, reasons: [] });
  });

  it('may have an authority that is itself an intermediate', async () => {
    const root = selfSigned();
    const authority = issueAuthority(root);
    const leaf = issueSvid(authority, 'spiffe://other.example/registry/server');
    const { server, proxy, peer } = await openSetting(
      await startServer({ certificatePem: leaf.pem, privateKeyPem: leaf.privateKeyPem }),
      { server: { ids: ['spiffe://other.example/registry/server'] } },
    );
    proxy.trust.swap(trusting({ 'ai.example': testAuthority().certificatePem, 'other.example': authority.pem }));
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(200);
    expect(server.received).not.toBe('');
  });

  it('need not answer ALPN', async () => {
    expect(await outcomeOf(registry(), {}, { ALPNProtocols: [] })).toMatchObject({ status: 200 });
  });

  it('is told the DNS name it is reached by, and no IP address', async () => {
    const names: (string | false | null)[] = [];
    for (const name of ['registry.internal', '127.0.0.1', undefined]) {
      const server = await startServer(registry());
      const { peer } = await openSetting(server, {
        server: { ids: EXPECTED, ...(name === undefined ? {} : { name }) },
      });
      peer.request('GET', '/x');
      await peer.response();
      names.push(server.sockets[0]?.servername ?? null);
    }
    expect(names).toEqual(['registry.internal', false, false]);
  });

  it('TL-50 is proven in a full handshake each time, though it offers resumption', async () => {
    const { server, peer, proxy } = await openSetting(
      await startServer(registry(), (socket) => socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n')),
    );
    for (let i = 0; i < 3; i += 1) {
      peer.request('GET', '/x');
      await peer.until((text) => text.endsWith('0\r\n\r\n'));
      peer.received = '';
    }
    expect(proxy.recorder.requests.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(server.resumed).toEqual([false, false, false]);
  });

  it('carries one request after the other on one connection', async () => {
    const { server, peer } = await openSetting(await startServer(registry()));
    for (let i = 0; i < 3; i += 1) {
      peer.request('GET', `/${i}`);
      expect((await peer.response()).status).toBe(200);
    }
    expect(server.sockets).toHaveLength(1);
  });

  it('is read no faster than the peer reads, and its connection is used again after that', async () => {
    const piece = Buffer.alloc(256 * 1024, 'x');
    const pieces = 96;
    let sent = 0;
    let answered = 0;
    const { server, proxy, peer } = await openSetting(
      await startServer(registry(), (socket) => {
        answered += 1;
        if (answered > 1) return socket.write(OK);
        const more = (): void => {
          while (sent < pieces) {
            sent += 1;
            if (!socket.write(piece)) return;
          }
        };
        socket.on('drain', more);
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${pieces * piece.length}\r\n\r\n`);
        return more();
      }),
    );
    peer.socket.pause();
    peer.request('GET', '/big');
    await untilStill(() => sent);
    expect(sent).toBeLessThan(pieces);
    let receivedBytes = 0;
    peer.socket.removeAllListeners('data');
    await new Promise<void>((resolve) => {
      peer.socket.on('data', (bytes: Buffer) => {
        receivedBytes += bytes.length;
        if (receivedBytes > pieces * piece.length) resolve();
      });
      peer.socket.resume();
    });
    const again = await connectTraining(proxy);
    again.request('GET', '/small');
    expect((await again.response()).status).toBe(200);
    expect(server.sockets).toHaveLength(1);
  });
});

describe('a server that does not', () => {
  const root = createTestAuthority('ai.example');
  const other = createTestAuthority('other.example');
  const id = 'spiffe://ai.example/registry/server';
  const builder = selfSigned();
  const withoutEku = issueSvid(builder, id, {
    extensions: (usual) => usual.filter(({ oid }) => oid !== OID.extendedKeyUsage),
  });
  const clientOnly = issueSvid(builder, id, {
    extensions: (usual) => [
      ...usual.filter(({ oid }) => oid !== OID.extendedKeyUsage),
      extendedKeyUsage([OID.clientAuth]),
    ],
  });
  const serverOnly = issueSvid(builder, id, {
    extensions: (usual) => [
      ...usual.filter(({ oid }) => oid !== OID.extendedKeyUsage),
      extendedKeyUsage([OID.serverAuth]),
    ],
  });
  const twoIds = issueSvid(builder, id, { names: [uriName(id), uriName('spiffe://ai.example/registry/other')] });
  const toSvid = (leaf: typeof clientOnly): Parameters<typeof startServer>[0] => ({
    certificatePem: pemOf(leaf),
    privateKeyPem: leaf.privateKeyPem,
  });

  it.each<[string, Parameters<typeof startServer>[0], string]>([
    ['has another ID', root.issue('/registry/other'), 'unexpected-server-id'],
    ['has an ID that only begins like the expected one', root.issue('/registry/server/x'), 'unexpected-server-id'],
    ['CE-31 has the expected ID from the CA of another domain', other.issue('', { uris: [id] }), 'unknown-authority'],
    ['has the same path in another trust domain', other.issue('/registry/server'), 'unexpected-server-id'],
    ['CE-36 has expired', root.issue('/registry/server', expired()), 'expired'],
    ['CE-36 is not valid yet', root.issue('/registry/server', { notBeforeMs: Date.now() + 600_000 }), 'not-yet-valid'],
    ['has no SAN at all', root.issue('', { uris: [], commonName: id }), 'no-spiffe-id'],
    ['ID-4 has a DNS SAN only', root.issue('', { uris: [], dns: ['registry'], commonName: id }), 'no-spiffe-id'],
    ['ID-1 has two URI SANs', toSvid(twoIds), 'multiple-uri-names'],
    ['CE-29 is for clients only', toSvid(clientOnly), 'extended-key-usage'],
    ['CE-29 is for servers only', toSvid(serverOnly), 'extended-key-usage'],
    ['CE-26 is a CA', root.issue('/registry/server', { isCa: true }), 'leaf-is-ca'],
    ['CE-30 is an authority itself', root, 'leaf-is-authority'],
    ['is of an unknown CA', createTestAuthority('ai.example').issue('/registry/server'), 'unknown-authority'],
    [
      'is of an unknown trust domain',
      createTestAuthority('far.example').issue('/registry/server'),
      'unknown-trust-domain',
    ],
  ])('is sent nothing: it %s', async (_, credentials, reason) => {
    const server = await startServer(credentials);
    const { proxy, peer } = await openSetting(server, { authority: root });
    proxy.trust.swap(
      trusting({ 'ai.example': root.certificatePem + builder.pem, 'other.example': other.certificatePem }),
    );
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(502);
    expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual(['upstream-untrusted']);
    expect(proxy.faults.map((fault) => fault.reason)).toEqual([reason]);
    expect(server.received).toBe('');
  });

  it('is told apart in the log by what it presented and what was expected', async () => {
    const { proxy, peer } = await openSetting(await startServer(testAuthority().issue('/registry/other')));
    peer.request('GET', '/x');
    await peer.response();
    expect(proxy.faults).toMatchObject([
      { serverId: 'spiffe://ai.example/registry/other', expected: [{ text: EXPECTED[0] }, { text: EXPECTED[1] }] },
    ]);
  });

  it('is not asked for an extended key usage, which an SVID need not have', async () => {
    const server = await startServer(toSvid(withoutEku));
    const { proxy, peer } = await openSetting(server, { authority: root });
    proxy.trust.swap(trusting({ 'ai.example': root.certificatePem + builder.pem }));
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(200);
  });

  it('CE-46 is revoked', async () => {
    const server = await startServer(registry());
    const { proxy, peer } = await openSetting(server);
    proxy.revocations.swap(revoking('/registry/server'));
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(502);
    expect(proxy.faults.map(({ reason, serverId }) => [reason, serverId])).toEqual([
      ['revoked', 'spiffe://ai.example/registry/server'],
    ]);
    expect(server.received).toBe('');
  });

  it('TL-56 speaks only TLS 1.1', async () => {
    const outcome = await outcomeOf(
      registry(),
      {},
      { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' },
    );
    expect(outcome).toEqual({ status: 502, refusal: 'upstream-handshake-failed', reasons: ['version'], received: '' });
  });

  it('TL-56 has no cipher with forward secrecy', async () => {
    const outcome = await outcomeOf(registry(), {}, { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA:AES256-SHA' });
    expect(outcome).toMatchObject({ status: 502, refusal: 'upstream-handshake-failed', received: '' });
  });

  it('speaks another protocol than HTTP/1.1', async () => {
    const outcome = await outcomeOf(registry(), {}, { ALPNProtocols: ['h2'] });
    expect(outcome).toEqual({
      status: 502,
      refusal: 'upstream-handshake-failed',
      reasons: ['no-shared-protocol'],
      received: '',
    });
  });

  it.each<[string, (socket: Socket) => void, string]>([
    ['speaks plain HTTP', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), 'not-tls'],
    ['hangs up in the handshake', (socket) => socket.destroy(), 'peer-closed'],
  ])('TL-63 %s', async (_, answer, reason) => {
    const server = createPlainServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => answer(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const { proxy, peer } = await openSetting({ ...NO_SERVER, port: address.port });
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(502);
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-handshake-failed');
    expect(proxy.faults.map((fault) => fault.reason)).toEqual([reason]);
  });

  it('TL-61 never finishes its handshake, and has the time to connect for it', async () => {
    const held: Socket[] = [];
    const server = createPlainServer((socket) => held.push(socket.on('error', () => undefined).resume()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.close();
      for (const socket of held) socket.destroy();
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const { proxy, peer } = await openSetting(
      { ...NO_SERVER, port: address.port },
      { pool: { connectTimeoutMs: 300 } },
    );
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(504);
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-connect-timeout');
    await closed(held[0]);
  });

  it('is not asked again for a while after it has failed several times', async () => {
    const server = await startServer(testAuthority().issue('/registry/other'));
    const { proxy, peer } = await openSetting(server, { pool: { failuresToEject: 2, ejectMs: 60_000 } });
    for (let i = 0; i < 3; i += 1) {
      peer.request('GET', '/x');
      await peer.response();
    }
    expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual([
      'upstream-untrusted',
      'upstream-untrusted',
      'upstream-ejected',
    ]);
    expect(server.connections).toBe(2);
  });

  it('is not believed for what it says before it has proven itself', async () => {
    const server = await startServer(testAuthority().issue('/registry/other'));
    server.sockets.push = (...sockets: TLSSocket[]) => {
      for (const socket of sockets) socket.write(OK);
      return Array.prototype.push.apply(server.sockets, sockets);
    };
    const { proxy, peer } = await openSetting(server);
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(502);
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-untrusted');
  });
});

describe('a server that has proven itself and does so no longer', () => {
  const far = createTestAuthority('far.example');
  const withdraw = (proxy: ProxyFixture): void => {
    proxy.trust.swap(bundlesOf([testAuthority()]));
  };
  const CASES: readonly (readonly [string, TestAuthority, string, (proxy: ProxyFixture) => void])[] = [
    ['CE-46 is revoked', testAuthority(), 'revoked', (proxy) => proxy.revocations.swap(revoking('/registry/server'))],
    ['CE-47 has its bundle withdrawn', far, 'trust-changed', withdraw],
  ];

  /** Behind it a server that streams without end for `/stream`, answers nothing for `/wait`, and everything else. */
  async function openLapsing(authority: TestAuthority, options: ProxyOptions = {}): Promise<Setting> {
    const server = await startServer(authority.issue('/registry/server'), (socket) => {
      if (server.received.includes('GET /stream')) socket.write(CHUNKED_HEAD);
      else if (!server.received.includes('GET /wait')) socket.write(OK);
      server.received = '';
    });
    const bundles = authority === far ? [testAuthority(), far] : [testAuthority()];
    const ids = [`spiffe://${authority.trustDomain}/registry/server`];
    return openSetting(server, { bundles, server: { ids }, ...options });
  }

  it.each(CASES)('has its streams cut within a second: it %s', async (_, authority, reason, lapse) => {
    const { proxy, peer, server } = await openLapsing(authority);
    const other = await connectTraining(proxy);
    for (const each of [peer, other]) {
      each.request('GET', '/stream');
      await each.until((text) => text.includes('first'));
    }
    const startMs = performance.now();
    lapse(proxy);
    await Promise.all([peer.closed(), other.closed(), ...server.sockets.map(closed)]);
    expect(performance.now() - startMs).toBeLessThan(1_000);
    expect(proxy.recorder.terminations).toEqual(['upstream-untrusted', 'upstream-untrusted']);
    expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual(['upstream-untrusted', 'upstream-untrusted']);
    expect(proxy.faults.map((fault) => fault.reason)).toEqual([reason, reason]);
  });

  it.each(CASES)(
    'is not waited for, and the peer keeps its connection: it %s',
    async (_, authority, _reason, lapse) => {
      const { proxy, peer, server } = await openLapsing(authority);
      peer.request('GET', '/wait');
      await proxy.untilDecided(1);
      while (server.sockets.length === 0) await new Promise((resolve) => setImmediate(resolve));
      lapse(proxy);
      expect((await peer.response()).status).toBe(502);
      expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual(['upstream-untrusted']);
      expect(peer.ended).toBe(false);
    },
  );

  it.each(CASES)(
    'is not sent another request on the connection that was kept: it %s',
    async (_, authority, reason, lapse) => {
      const { proxy, peer, server } = await openLapsing(authority);
      peer.request('GET', '/x');
      await peer.response();
      lapse(proxy);
      peer.request('GET', '/y');
      expect((await peer.response()).status).toBe(502);
      expect(proxy.faults[0]?.reason).toBe(reason);
      expect(server.connections).toBe(2);
      expect(server.received).toBe('');
    },
  );

  it.each(CASES)(
    'has the connection that was kept closed without being asked: it %s',
    async (_, authority, _reason, lapse) => {
      const { proxy, peer, server } = await openLapsing(authority);
      peer.request('GET', '/x');
      await peer.response();
      lapse(proxy);
      await closed(server.sockets[0]);
    },
  );

  it('may finish within the grace where the terms drain', async () => {
    const { proxy, peer, server } = await openLapsing(testAuthority(), {
      leases: { graceMs: 60_000, onLapse: { revoked: 'drain' } },
    });
    peer.request('GET', '/stream');
    await peer.until((text) => text.includes('first'));
    proxy.revocations.swap(revoking('/registry/server'));
    server.sockets[0]?.write('4\r\nlast\r\n0\r\n\r\n');
    expect(await peer.until((text) => text.endsWith('0\r\n\r\n'))).toContain('last');
    await closed(server.sockets[0]);
  });

  it('is cut when the grace is over', async () => {
    const { proxy, peer } = await openLapsing(testAuthority(), {
      leases: { graceMs: 100, onLapse: { revoked: 'drain' } },
    });
    peer.request('GET', '/stream');
    await peer.until((text) => text.includes('first'));
    proxy.revocations.swap(revoking('/registry/server'));
    await peer.closed();
    expect(proxy.recorder.terminations).toEqual(['upstream-untrusted']);
  });

  it('leaves a stream alone when what changed is of others', async () => {
    const { proxy, peer, server } = await openLapsing(testAuthority());
    peer.request('GET', '/stream');
    await peer.until((text) => text.includes('first'));
    proxy.revocations.swap(revoking('/registry/other'));
    proxy.trust.swap(bundlesOf([testAuthority(), far]));
    server.sockets[0]?.write('4\r\nlast\r\n0\r\n\r\n');
    expect(await peer.until((text) => text.endsWith('0\r\n\r\n'))).toContain('last');
    expect(proxy.faults).toEqual([]);
  });

  it('CA-119 has its stream cut, and is sent nothing more, when its SVID expires', async () => {
    const clock = new ShiftedClock();
    const issued = testAuthority().issue('/registry/server', { notAfterMs: Date.now() + 600_000 });
    const server = await startServer(issued, (socket) => {
      socket.write(CHUNKED_HEAD);
    });
    const { proxy, peer } = await openSetting(server, { clock });
    peer.request('GET', '/stream');
    await peer.until((text) => text.includes('first'));
    clock.ahead(600_000);
    await peer.closed();
    expect(proxy.recorder.terminations).toEqual(['upstream-untrusted']);
    expect(proxy.faults.map(({ reason }) => reason)).toEqual(['svid-expired']);
    const again = await connectTraining(proxy);
    again.request('GET', '/x');
    expect((await again.response()).status).toBe(502);
    expect(proxy.faults.at(-1)?.reason).toBe('expired');
  });

  it('is not sent a request on a kept connection in the last second of its SVID', async () => {
    const clock = new ShiftedClock();
    const issued = testAuthority().issue('/registry/server', { notAfterMs: Date.now() + 600_000 });
    const server = await startServer(issued);
    const { peer } = await openSetting(server, { clock });
    peer.request('GET', '/x');
    await peer.response();
    clock.ahead(issued.notAfterMs - Date.now() - 500);
    peer.request('GET', '/y');
    expect((await peer.response()).status).toBe(200);
    expect(server.connections).toBe(2);
  });
});

describe('our own SVID', () => {
  const rotated = (path: string, options = {}): OwnIdentity =>
    identityOf(testAuthority(), testAuthority().issue(path, options));
  const END = 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok';

  it('is presented anew once it has been rotated, and connections of the one before are kept', async () => {
    const { proxy, peer, server } = await openSetting(await startServer(registry()));
    const ask = async (): Promise<void> => {
      peer.request('GET', '/x');
      expect((await peer.response()).status).toBe(200);
    };
    await ask();
    const next = rotated('/registry/proxy');
    proxy.identity.swap(next);
    await ask();
    expect(server.sockets).toHaveLength(1);
    server.sockets[0]?.destroy();
    await ask();
    const fingerprints = server.sockets.slice(1).map((socket) => socket.getPeerCertificate().fingerprint256);
    expect(fingerprints.map((text) => text.replaceAll(':', '').toLowerCase())).toEqual([next.svid.leafSha256]);
  });

  it('takes its connections with it when it names somebody else', async () => {
    const { proxy, peer, server } = await openSetting(await startServer(registry()));
    peer.request('GET', '/x');
    await peer.response();
    proxy.identity.swap(rotated('/registry/other-proxy'));
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(200);
    expect(server.presented.at(-1)).toBe('URI:spiffe://ai.example/registry/other-proxy');
    expect(server.presented).toHaveLength(2);
  });

  it('is not presented once it is withdrawn: the upstream is not tried, nor held against it', async () => {
    const { proxy, peer, server } = await openSetting(await startServer(registry(), (socket) => socket.end(END)), {
      pool: { failuresToEject: 1, ejectMs: 60_000 },
    });
    const own = proxy.identity.current.value;
    const waiter = new RecordedWaiter();
    proxy.identity.swap(null);
    proxy.pool.acquire(waiter);
    await waiter.called;
    expect(waiter.refusals).toEqual(['own-svid-withdrawn']);
    expect(server.connections).toBe(0);
    proxy.identity.swap(own);
    const again = await connectTraining(proxy);
    again.request('GET', '/x');
    expect((await again.response()).status).toBe(200);
    expect(peer.received).toBe('');
  });

  it('is not presented once it has expired', async () => {
    const { proxy, peer, server } = await openSetting(await startServer(registry()));
    proxy.identity.swap(rotated('/registry/proxy', expired()));
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(503);
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('own-svid-withdrawn');
    expect(server.connections).toBe(0);
  });

  it('is held against the server after the handshake: withdrawn meanwhile, nothing is sent', async () => {
    const server = await startServer(registry());
    const { proxy, peer } = await openSetting(server);
    const other = rotated('/registry/other-proxy');
    const reached = new Promise<void>((resolve) => {
      const look = (): void => (server.connections > 0 ? resolve() : void setImmediate(look));
      look();
    });
    peer.request('GET', '/x');
    await reached;
    proxy.identity.swap(other);
    expect((await peer.response()).status).toBe(503);
    expect(server.received).toBe('');
  });
});

/** Runs ahead of the system's by as much as it is told. */
class ShiftedClock implements Clock {
  #aheadMs = 0;

  ahead(ms: number): void {
    this.#aheadMs = ms;
  }

  wallMs(): number {
    return systemClock.wallMs() + this.#aheadMs;
  }

  monotonicMs(): number {
    return systemClock.monotonicMs() + this.#aheadMs;
  }
}

class RecordedWaiter implements UpstreamWaiter {
  readonly refusals: string[] = [];
  readonly called: Promise<void>;
  #resolve: () => void = () => undefined;

  constructor() {
    this.called = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  upstreamReady(): boolean {
    this.#resolve();
    return false;
  }

  upstreamRefused(refusal: string): void {
    this.refusals.push(refusal);
    this.#resolve();
  }
}
