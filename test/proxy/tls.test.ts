import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { hasOpenssl } from '../devca/openssl.ts';
import {
  bundlesOf,
  connectPeer,
  identityOf,
  OK,
  type ProxyFixture,
  ScriptedUpstream,
  startProxy,
} from '../support/proxy-fixture.ts';
import { createTestAuthority, expired, type TestSvid, writeSvidFiles } from '../support/svid-fixtures.ts';

let upstream: ScriptedUpstream;
let proxy: ProxyFixture;

beforeAll(async () => {
  upstream = await ScriptedUpstream.start((_head, socket) => socket.write(OK));
  proxy = await startProxy(upstream.port, { limits: { handshakeTimeoutMs: 400 } });
});

afterAll(async () => {
  await proxy.close();
  upstream.close();
});

function options(svid: TestSvid | null, more: ConnectionOptions = {}): ConnectionOptions {
  const credentials = svid === null ? {} : { cert: svid.certificatePem, key: svid.privateKeyPem };
  return {
    host: '127.0.0.1',
    port: proxy.port,
    ca: proxy.authority.certificatePem,
    checkServerIdentity: () => undefined,
    ...credentials,
    ...more,
  };
}

/** The error of a handshake that must fail, on either side. */
async function handshakeError(more: ConnectionOptions): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectTls(options(proxy.authority.issue('/training/job'), more));
    // In TLS 1.3 the client may be done before the server refuses.
    socket.on('secureConnect', () => socket.write('GET /x HTTP/1.1\r\nhost: x\r\n\r\n'));
    socket.on('data', (bytes: Buffer) => resolve(`answered: ${bytes.toString('latin1').slice(0, 12)}`));
    socket.on('error', (error) => resolve('code' in error ? String(error.code) : error.message));
    socket.on('close', () => resolve('closed'));
  });
}

async function serves(): Promise<void> {
  const peer = await proxy.connect(proxy.authority.issue('/training/job'));
  peer.request('GET', '/x');
  expect((await peer.response()).status).toBe(200);
}

/** What a peer with these credentials is told. */
async function answerTo(svid: TestSvid | null, more: ConnectionOptions = {}): Promise<string> {
  const seen = upstream.received;
  const peer = await connectPeer(proxy.port, svid, { ca: proxy.authority.certificatePem, ...more });
  peer.request('GET', '/secret');
  const received = await peer.closed();
  expect(upstream.received).toBe(seen);
  return received;
}

describe('peers without a usable identity', () => {
  it('TL-54 answers no certificate with 401, unread and unforwarded', async () => {
    const received = await answerTo(null);
    expect(received).toMatch(/^HTTP\/1\.1 401 /);
    expect(received).toContain('www-authenticate: mTLS\r\n');
    expect(received).toContain('application/problem+json');
    expect(received).not.toContain('secret');
    expect(proxy.anonymous.at(-1)).toBe('no-certificate');
    expect(proxy.recorder.requests.at(-1)).toMatchObject({ refusal: 'no-identity', path: '', principal: null });
  });

  it('ID-2 and CE-31 refuses an SVID of domain A signed by domain B, both bundles loaded', async () => {
    const other = createTestAuthority('other.example');
    const federated = await startProxy(upstream.port, { bundles: [proxy.authority, other] });
    const forged = other.issue('/training/job', { uris: ['spiffe://ai.example/training/job'] });
    const peer = await federated.connect(forged);
    peer.request('GET', '/x');
    expect(await peer.closed()).toMatch(/^HTTP\/1\.1 401 /);
    expect(federated.anonymous).toHaveLength(1);
    await federated.close();
  });

  it('ID-24 keeps the same path of another trust domain a separate principal', async () => {
    const other = createTestAuthority('other.example');
    const federated = await startProxy(upstream.port, { bundles: [proxy.authority, other] });
    const peer = await federated.connect(other.issue('/training/job'));
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(403);
    await federated.close();
  });

  it.each<[string, () => TestSvid]>([
    [
      'ID-1 two URI SANs',
      () =>
        proxy.authority.issue('/training/job', { uris: ['spiffe://ai.example/training/job', 'spiffe://ai.example/a'] }),
    ],
    [
      'ID-4 a DNS SAN and a SPIFFE ID as common name',
      () => proxy.authority.issue('/x', { uris: [], dns: ['a'], commonName: 'spiffe://ai.example/training/job' }),
    ],
    ['ID-25 a SPIFFE ID without a path', () => proxy.authority.issue('', {})],
    ['CE-26 a leaf that is a CA', () => proxy.authority.issue('/training/job', { isCa: true })],
    [
      'CE-27 a leaf that may sign certificates',
      () => proxy.authority.issue('/training/job', { keyUsage: ['digitalSignature', 'keyCertSign'] }),
    ],
    ['CE-28 a leaf without KeyUsage', () => proxy.authority.issue('/training/job', { keyUsage: null })],
    ['CE-31 an unknown trust domain', () => createTestAuthority('stranger.example').issue('/training/job')],
    ['CE-31 an impostor authority of the same name', () => createTestAuthority('ai.example').issue('/training/job')],
    ['CE-36 an expired leaf', () => proxy.authority.issue('/training/job', expired())],
    [
      'CE-36 a leaf that is not yet valid',
      () =>
        proxy.authority.issue('/training/job', { notBeforeMs: Date.now() + 600_000, notAfterMs: Date.now() + 900_000 }),
    ],
  ])('%s is answered with 401', async (_name, issue) => {
    expect(await answerTo(issue())).toMatch(/^HTTP\/1\.1 401 /);
  });

  it('CE-45 refuses a chain through an intermediate whose root has left the bundle', async () => {
    const root = createTestAuthority('ai.example');
    const intermediate = root.intermediate();
    const rotating = await startProxy(upstream.port, { authority: root });
    const svid = intermediate.issue('/training/job');
    const before = await rotating.connect(svid);
    before.request('GET', '/x');
    expect((await before.response()).status).toBe(200);
    rotating.trust.swap(bundlesOf([createTestAuthority('ai.example')]));
    const after = await rotating.connect(svid);
    after.request('GET', '/x');
    expect(await after.closed()).toMatch(/^HTTP\/1\.1 401 /);
    await rotating.close();
  });

  it('CE-48 refuses everyone of a domain whose bundle is gone', async () => {
    const emptied = await startProxy(upstream.port);
    emptied.trust.swap(new Map());
    const peer = await emptied.connect(emptied.authority.issue('/training/job'));
    peer.request('GET', '/x');
    expect(await peer.closed()).toMatch(/^HTTP\/1\.1 401 /);
    await emptied.close();
  });

  it('TL-55 refuses a certificate whose key the peer does not hold', () => {
    const svid = proxy.authority.issue('/training/job');
    const other = proxy.authority.issue('/training/job');
    // Node itself refuses a context with a key that is not the certificate's, so no client of ours gets to try.
    expect(() => connectTls({ ...options(null), cert: svid.certificatePem, key: other.privateKeyPem })).toThrow(
      /key values mismatch/i,
    );
  });
});

describe('TLS', () => {
  const resume = async (version: 'TLSv1.2' | 'TLSv1.3'): Promise<boolean> => {
    const svid = proxy.authority.issue('/training/job');
    const first = connectTls(options(svid, { minVersion: version, maxVersion: version }));
    let session: Buffer | undefined;
    first.on('session', (offered: Buffer) => {
      session = offered;
    });
    await new Promise<void>((resolve) => first.once('secureConnect', resolve));
    first.write('GET /x HTTP/1.1\r\nhost: x\r\n\r\n');
    await new Promise<void>((resolve) => first.once('data', () => resolve()));
    session ??= first.getSession();
    first.destroy();
    const second = connectTls(
      options(svid, { minVersion: version, maxVersion: version, ...(session === undefined ? {} : { session }) }),
    );
    await new Promise<void>((resolve) => second.once('secureConnect', resolve));
    const reused = second.isSessionReused();
    second.destroy();
    return reused;
  };

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('TL-50 TL-51 TL-52 never resumes a session in %s', async (version) => {
    expect(await resume(version)).toBe(false);
  });

  it.each<[string, ConnectionOptions]>([
    ['TL-56 TLS 1.0', { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }],
    ['TL-56 TLS 1.1', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }],
    ['TL-56 CBC', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA' }],
    ['TL-56 static RSA', { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' }],
    ['TL-60 only an unknown ALPN protocol', { ALPNProtocols: ['acme'] }],
    ['TL-60 only http/1.0', { ALPNProtocols: ['http/1.0'] }],
    ['TL-60 only h2c', { ALPNProtocols: ['h2c'] }],
  ])('%s fails the handshake', async (_name, more) => {
    const error = await handshakeError(more);
    expect(error).not.toContain('answered');
    await serves();
  });

  it('TL-60 serves HTTP/1.1 to a peer without ALPN and to one that offers it among what nobody speaks', async () => {
    expect(await handshakeError({})).toBe('answered: HTTP/1.1 200');
    expect(await handshakeError({ ALPNProtocols: ['acme', 'http/1.1'] })).toBe('answered: HTTP/1.1 200');
  });

  it.each([[['h2']], [['h2', 'http/1.1']], [['http/1.1', 'h2']]])(
    'TL-60 speaks HTTP/2 with a peer that offers %s',
    async (offered) => {
      const svid = proxy.authority.issue('/training/job');
      const socket: TLSSocket = connectTls(options(svid, { ALPNProtocols: offered }));
      await new Promise<void>((resolve) => socket.once('secureConnect', resolve));
      expect(socket.alpnProtocol).toBe('h2');
      // RFC 9113 §3.4: the server's preface is a SETTINGS frame.
      const first = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
      expect(first[3]).toBe(4);
      socket.destroy();
    },
  );

  it('TL-60 does not offer HTTP/2 where a listener is not told to', async () => {
    const without = await startProxy(1, { speaksHttp2: false });
    onTestFinished(() => without.close());
    const svid = without.authority.issue('/training/job');
    const negotiated = async (ALPNProtocols: string[]): Promise<unknown> => {
      const peer = await without.connect(svid, { ALPNProtocols });
      return peer.socket.alpnProtocol;
    };
    expect(await negotiated(['h2', 'http/1.1'])).toBe('http/1.1');
    await expect(negotiated(['h2'])).rejects.toThrow();
  });

  it('TL-60 ends a connection that negotiated h2 and speaks HTTP/1.1', async () => {
    expect(await handshakeError({ ALPNProtocols: ['h2'] })).not.toContain('HTTP/1.1');
    await serves();
  });

  it('TL-57 refuses renegotiation', async () => {
    const svid = proxy.authority.issue('/training/job');
    const socket: TLSSocket = connectTls(options(svid, { maxVersion: 'TLSv1.2' }));
    await new Promise<void>((resolve) => socket.once('secureConnect', resolve));
    const outcome = await new Promise<string>((resolve) => {
      socket.on('error', () => resolve('refused'));
      socket.on('close', () => resolve('refused'));
      socket.renegotiate({}, (error) => resolve(error === null ? 'renegotiated' : 'refused'));
    });
    expect(outcome).toBe('refused');
    socket.destroy();
    await serves();
  });

  it.each(['a'.repeat(300), '__proto__', 'constructor', 'registry', 'x..y', '\u00e9.example'])(
    'TL-58 survives the server name %s',
    async (servername) => {
      const error = await handshakeError({ servername });
      expect(error).toBeTypeOf('string');
      await serves();
    },
  );

  it('TL-59 answers 421 when the Host is not the name the connection was opened for', async () => {
    const routed = await startProxy(upstream.port, {
      routes: [
        { host: 'registry', pathPrefix: null, component: 'registry' },
        { host: 'feature-store', pathPrefix: null, component: 'feature-store' },
      ],
    });
    const svid = routed.authority.issue('/inference/server');
    const peer = await routed.connect(svid, { servername: 'registry' });
    peer.send('GET /x HTTP/1.1\r\nhost: feature-store\r\n\r\n');
    expect((await peer.response()).status).toBe(421);
    peer.send('GET /x HTTP/1.1\r\nhost: registry\r\n\r\n');
    expect((await peer.response()).status).toBe(200);
    const unnamed = await routed.connect(svid);
    unnamed.send('GET /x HTTP/1.1\r\nhost: feature-store\r\n\r\n');
    expect((await unnamed.response()).status).toBe(403);
    unnamed.send('GET /x HTTP/1.1\r\nhost: elsewhere\r\n\r\n');
    expect((await unnamed.response()).status).toBe(404);
    await routed.close();
  });

  it('TL-61 ends a handshake that does not come and keeps accepting', async () => {
    const silent = connectTcp(proxy.port, '127.0.0.1');
    silent.on('error', () => undefined);
    silent.on('data', () => undefined);
    await new Promise<void>((resolve) => silent.once('close', () => resolve()));
    expect(proxy.recorder.handshakes).toContain('refused: timeout');
    await serves();
  });

  it.each([
    ['TL-63 plain HTTP', 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'],
    ['TL-62 a PROXY header', 'PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\n\r\n'],
    ['garbage', '\u0000\u0001\u0002\u0003garbage'],
  ])('%s to the TLS port is closed without an answer in clear', async (_name, bytes) => {
    const socket = connectTcp(proxy.port, '127.0.0.1', () => socket.write(bytes, 'latin1'));
    let received = '';
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    expect(received).not.toContain('HTTP/');
    await serves();
  });

  it('TL-64 serves new handshakes with a rotated SVID, never a mixed pair, and keeps old connections', async () => {
    const rotating = await startProxy(upstream.port);
    const svid = rotating.authority.issue('/training/job');
    const old = await rotating.connect(svid);
    const seen = new Set<string>();
    for (let round = 0; round < 20; round += 1) {
      const own = rotating.authority.issue(`/registry/r${round}`);
      rotating.identity.swap(identityOf(rotating.authority, own));
      const peers = await Promise.all([rotating.connect(svid), rotating.connect(svid)]);
      for (const peer of peers) {
        seen.add(peer.socket.getPeerCertificate().subjectaltname ?? '');
        peer.socket.destroy();
      }
    }
    expect(seen).toContain('URI:spiffe://ai.example/registry/r19');
    expect(seen.size).toBe(20);
    old.request('GET', '/x');
    expect((await old.response()).status).toBe(200);
    await rotating.close();
  });

  it.skipIf(!hasOpenssl)(
    'says close_notify after a body that lasts until the connection ends, and not after one that was cut short',
    async () => {
      const files = writeSvidFiles(proxy.authority, { peer: proxy.authority.issue('/training/job') });
      onTestFinished(() => files.remove());
      const alertsAfter = async (end: (socket: Socket) => void): Promise<string> => {
        const ending = await ScriptedUpstream.start((_head, socket) => {
          socket.write('HTTP/1.1 200 OK\r\n\r\nbody', () => end(socket));
        });
        const fixture = await startProxy(ending.port);
        const credentials = `-cert ${files.directory}/peer.pem -key ${files.directory}/peer.key`;
        const args = `s_client -quiet -ign_eof -msg -connect 127.0.0.1:${fixture.port} ${credentials}`;
        const client = spawn('openssl', args.split(' '));
        let output = '';
        for (const stream of [client.stdout, client.stderr]) {
          stream.on('data', (bytes: Buffer) => {
            output += bytes.toString('latin1');
          });
        }
        client.stdin.write('GET /x HTTP/1.0\r\nhost: registry\r\n\r\n');
        await once(client, 'close');
        await fixture.close();
        ending.close();
        expect(output).toContain('\r\n\r\nbody');
        return output
          .split('\n')
          .filter((line) => line.startsWith('<<<') && line.includes('Alert'))
          .join();
      };
      expect(await alertsAfter((socket) => socket.end())).toContain('close_notify');
      expect(await alertsAfter((socket) => setTimeout(() => socket.resetAndDestroy(), 100))).toBe('');
    },
  );

  it('limits the connections of one principal and of all', async () => {
    const limited = await startProxy(upstream.port, { limits: { maxConnectionsPerPrincipal: 2, maxConnections: 4 } });
    const svid = limited.authority.issue('/training/job');
    await limited.connect(svid);
    await limited.connect(svid);
    const third = await limited.connect(svid);
    third.request('GET', '/x');
    expect(await third.closed()).toMatch(/^HTTP\/1\.1 503 /);
    const other = await limited.connect(limited.authority.issue('/inference/server'));
    other.request('GET', '/x');
    expect((await other.response()).status).toBe(200);
    await limited.close();
  });
});
