import { createSecureServer, type ServerHttp2Session } from 'node:http2';
import type { Server } from 'node:net';
import { createServer } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Revocation } from '../../src/revocation/revocation.ts';
import { compileRevocations, type Revocations } from '../../src/revocation/revocations.ts';
import { parseIdPattern } from '../../src/spiffe/id-pattern.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { type ProxyFixture, type RawPeer, startProxy } from '../support/proxy-fixture.ts';
import { connectTraining } from '../support/proxy-setting.ts';
import { type TestSvid, testAuthority } from '../support/svid-fixtures.ts';

interface TlsSetting {
  readonly proxy: ProxyFixture;
  readonly peer: RawPeer;
  readonly sessions: readonly ServerHttp2Session[];
  /** The scheme of each request. */
  readonly schemes: readonly unknown[];
}

async function openH2(svid: TestSvid): Promise<TlsSetting> {
  const sessions: ServerHttp2Session[] = [];
  const schemes: unknown[] = [];
  const server = createSecureServer({
    cert: svid.certificatePem,
    key: svid.privateKeyPem,
    ca: testAuthority().certificatePem,
    requestCert: true,
    rejectUnauthorized: true,
  });
  server.on('session', (session) => sessions.push(session));
  server.on('sessionError', () => undefined);
  server.on('stream', (stream, fields) => {
    stream.on('error', () => undefined);
    schemes.push(fields[':scheme']);
    stream.respond({ ':status': 200, 'content-length': 2 });
    if (fields[':path'] === '/held') stream.write('o');
    else stream.end('ok');
  });
  const port = await listen(server);
  onTestFinished(() => {
    server.close();
    for (const session of sessions) session.destroy();
  });
  const proxy = await startProxy(port, { speaks: 'http/2', server: { ids: ['/registry/server'] } });
  onTestFinished(() => proxy.close());
  return { proxy, peer: await connectTraining(proxy), sessions, schemes };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function revoking(id: string): Revocations {
  const pattern = parseIdPattern(id, parseTrustDomain('ai.example'));
  const entries: Revocation[] = [{ target: { kind: 'id', pattern }, reason: 'leaked', atMs: 0, expiresMs: null }];
  return compileRevocations({ entries, crls: [] });
}

describe('HTTP/2 over mTLS to an upstream', () => {
  it('carries requests to a server that proves its SPIFFE ID, all on one connection', async () => {
    const { peer, sessions, schemes } = await openH2(testAuthority().issue('/registry/server'));
    for (let i = 0; i < 2; i += 1) {
      peer.request('GET', '/x');
      expect(await peer.response()).toMatchObject({ status: 200, body: 'ok' });
    }
    expect(sessions).toHaveLength(1);
    expect(schemes).toEqual(['https', 'https']);
  });

  it('sends nothing to a server that proves another', async () => {
    const { proxy, peer, sessions, schemes } = await openH2(testAuthority().issue('/registry/other'));
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(502);
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-untrusted');
    expect([sessions.length, schemes.length]).toEqual([0, 0]);
  });

  it('sends nothing to a server that speaks HTTP/1.1 alone', async () => {
    const { certificatePem, privateKeyPem } = testAuthority().issue('/registry/server');
    let received = 0;
    const server = createServer({ cert: certificatePem, key: privateKeyPem, ALPNProtocols: ['http/1.1'] }, (socket) => {
      socket.on('error', () => undefined);
      socket.on('data', ({ length }: Buffer) => {
        received += length;
      });
    });
    server.on('tlsClientError', () => undefined);
    const port = await listen(server);
    const proxy = await startProxy(port, { speaks: 'http/2', server: { ids: ['/registry/server'] } });
    onTestFinished(async () => {
      await proxy.close();
      server.close();
    });
    const peer = await connectTraining(proxy);
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(502);
    expect(proxy.recorder.requests.at(-1)?.refusal).toMatch(/^upstream-(?:untrusted|handshake-failed)$/);
    expect(received).toBe(0);
  });

  it('CE-46 is cut, with every exchange on it, when the server is revoked, and not used again', async () => {
    const { proxy, peer, sessions, schemes } = await openH2(testAuthority().issue('/registry/server'));
    const second = await connectTraining(proxy);
    for (const each of [peer, second]) each.request('GET', '/held');
    await Promise.all([peer, second].map(async (each) => each.until((text) => text.endsWith('o'))));
    proxy.revocations.swap(revoking('/registry/server'));
    await Promise.all([peer.closed(), second.closed()]);
    expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual(['upstream-untrusted', 'upstream-untrusted']);
    const third = await connectTraining(proxy);
    third.request('GET', '/x');
    expect((await third.response()).status).toBe(502);
    expect(schemes).toHaveLength(2);
    expect(sessions).toHaveLength(1);
  });
});

it('a session with a server that proves itself goes on after frames by the thousand', async () => {
  const { peer, sessions } = await openH2(testAuthority().issue('/registry/server'));
  for (let asked = 0; asked < 1_100; asked += 1) {
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(200);
  }
  expect(sessions).toHaveLength(1);
});
