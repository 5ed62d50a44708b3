import { describe, expect, it } from 'vitest';
import { compileRevocations } from '../../src/revocation/revocations.ts';
import { parseIdPattern } from '../../src/spiffe/id-pattern.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import type { ProxyFixture, ProxyOptions } from '../support/proxy-fixture.ts';
import { connectEnd, CONNECT_POLICY, type End, openTcp, startTcp, TcpServer } from '../support/tcp-setting.ts';

const BOTH = CONNECT_POLICY.replace(
  '  inference:\n    deny',
  '  registry:\n    allow: [{ registry: [connect] }]\n  inference:\n    deny',
);
const OWN = parseTrustDomain('ai.example');

interface Chain {
  readonly near: ProxyFixture;
  readonly far: ProxyFixture;
  readonly server: TcpServer;
  readonly open: () => Promise<{ readonly peer: End; readonly served: End }>;
}

/** A listener whose upstream is another one, over mTLS; both are `/registry/proxy`. */
async function chain(ids: readonly string[] = ['/registry/proxy'], options: ProxyOptions = {}): Promise<Chain> {
  const server = await TcpServer.start();
  const far = await startTcp(server.port, { policy: BOTH });
  const near = await startTcp(far.port, { policy: BOTH, server: { ids }, ...options });
  return {
    near,
    far,
    server,
    open: async () => {
      const peer = await connectEnd(near, near.authority.issue('/training/job'));
      peer.socket.write('!');
      const served = await server.accepted();
      await served.has('!');
      return { peer, served };
    },
  };
}

describe('an upstream over mTLS', () => {
  it('is decided about at both ends, and brings bytes and both ends of them', async () => {
    const { near, far, open } = await chain();
    const { peer, served } = await open();
    const much = Buffer.alloc(2_000_000, 'y');
    peer.socket.end(much);
    await served.ended();
    expect(served.received).toBe(1 + much.length);
    served.socket.end(much);
    await peer.ended();
    expect(peer.received).toBe(much.length);
    await Promise.all([near.untilClosed(), far.untilClosed()]);
    expect(near.recorder.requests).toMatchObject([{ principal: 'spiffe://ai.example/training/job', refusal: null }]);
    expect(far.recorder.requests).toMatchObject([{ principal: 'spiffe://ai.example/registry/proxy', refusal: null }]);
  });

  it('that is another server than the configuration expects gets nothing', async () => {
    const { near, server } = await chain(['/registry/other']);
    const peer = await connectEnd(near, near.authority.issue('/training/job'));
    peer.socket.write('secret');
    await peer.ended();
    expect(near.recorder.requests).toMatchObject([{ refusal: 'upstream-untrusted', requestBytes: 0 }]);
    expect(server.ends).toEqual([]);
  });

  it('whose server is revoked is cut within a second', async () => {
    const { near, open } = await chain();
    const { peer, served } = await open();
    const target = { kind: 'id' as const, pattern: parseIdPattern('/registry/proxy', OWN) };
    const start = performance.now();
    near.revocations.swap(
      compileRevocations({ entries: [{ target, reason: 'leaked', atMs: 0, expiresMs: null }], crls: [] }),
    );
    await Promise.all([peer.ended(), served.ended()]);
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(near.recorder.requests).toMatchObject([{ refusal: 'upstream-untrusted' }]);
    expect(near.recorder.terminations).toEqual(['upstream-untrusted']);
  });

  it('whose server denies us ends the connection', async () => {
    const server = await TcpServer.start();
    const far = await startTcp(server.port);
    const near = await startTcp(far.port, { server: { ids: ['/registry/proxy'] } });
    const peer = await connectEnd(near, near.authority.issue('/training/job'));
    await peer.ended();
    expect(far.recorder.requests).toMatchObject([{ refusal: 'denied', decision: { reason: 'not-granted' } }]);
    expect(peer.text).toBe('');
  });
});

describe('ALPN on a TCP listener', () => {
  it.each<readonly [readonly string[], string | false]>([
    [['postgresql'], 'postgresql'],
    [['h2', 'http/1.1'], 'http/1.1'],
    [['h2'], 'h2'],
    [['something', 'else'], 'something'],
    [[], false],
  ])('offered %j is answered with %j', async (offered, expected) => {
    const { proxy, server } = await openTcp();
    const { socket } = await proxy.connect(
      proxy.authority.issue('/training/job'),
      offered.length === 0 ? {} : { ALPNProtocols: [...offered] },
    );
    expect(socket.alpnProtocol).toBe(expected);
    socket.write('GET / HTTP/1.1\r\n\r\n');
    const served = await server.accepted();
    await served.has('GET / HTTP/1.1\r\n\r\n');
  });
});
