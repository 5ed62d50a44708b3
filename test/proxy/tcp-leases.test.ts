import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { compileRevocations } from '../../src/revocation/revocations.ts';
import { parseIdPattern } from '../../src/spiffe/id-pattern.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { bundlesOf, compilePolicy } from '../support/proxy-fixture.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';
import { CONNECT_POLICY, openTcp } from '../support/tcp-setting.ts';

const GRANT = 'allow: [{ registry: [connect] }]';
const WITHOUT = CONNECT_POLICY.replace(GRANT, 'allow: []');
const UNRELATED = CONNECT_POLICY.replace(
  'inference:\n    deny: [registry]',
  'inference:\n    deny: [registry, training]',
);
const LONG_LIVED = { notAfterMs: Date.now() + 72_000_000 };
const OWN = parseTrustDomain('ai.example');
const REVOKED = compileRevocations({
  entries: [
    {
      target: { kind: 'id', pattern: parseIdPattern('/training/job', OWN) },
      reason: 'leaked',
      atMs: 0,
      expiresMs: null,
    },
  ],
  crls: [],
});

describe('an open TCP connection', () => {
  it.each<readonly [string, string, (proxy: Awaited<ReturnType<typeof openTcp>>['proxy']) => void]>([
    ['policy turns against it', 'policy-changed', ({ policy }) => policy.swap(compilePolicy(WITHOUT))],
    ['its peer is revoked', 'revoked', ({ revocations }) => revocations.swap(REVOKED)],
    [
      'its trust bundle is another',
      'trust-changed',
      ({ trust }) => trust.swap(bundlesOf([createTestAuthority('ai.example')])),
    ],
    ['our own SVID is withdrawn', 'own-svid-withdrawn', ({ identity }) => identity.swap(null)],
  ])('is cut within a second at both ends when %s', async (_, reason, change) => {
    const { proxy, open } = await openTcp();
    const { peer, served } = await open();
    peer.socket.write('a');
    await served.has('a');
    served.socket.write('b');
    await peer.has('b');
    const start = performance.now();
    change(proxy);
    await Promise.all([peer.ended(), served.closed()]);
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(served.error).toBe('ECONNRESET');
    expect(proxy.recorder.terminations).toEqual([reason]);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: reason, requestBytes: 2, responseBytes: 1 }]);
  });

  it('survives a policy that changes elsewhere, and is decided by it', async () => {
    const { proxy, open } = await openTcp();
    const { peer, served } = await open();
    const unrelated = compilePolicy(UNRELATED);
    proxy.policy.swap(unrelated);
    proxy.policy.swap(compilePolicy(CONNECT_POLICY));
    proxy.policy.swap(unrelated);
    await proxy.untilDecided(4);
    peer.socket.write('still');
    await served.has('still');
    peer.socket.end();
    served.socket.end();
    await proxy.untilClosed();
    expect(proxy.recorder.requests).toMatchObject([{ refusal: null, decision: { policyDigest: unrelated.digest } }]);
  });

  it('is denied from the start under the policy that turned, and allowed again when it turns back', async () => {
    const { proxy, open, connect, server } = await openTcp();
    proxy.policy.swap(compilePolicy(WITHOUT));
    const refused = await connect(proxy.authority.issue('/training/job'));
    await refused.ended();
    expect(server.ends).toEqual([]);
    proxy.policy.swap(compilePolicy(CONNECT_POLICY));
    const { peer, served } = await open();
    peer.socket.write('in');
    await served.has('in');
  });

  it('has the grace that the terms grant, and is cut after it', async () => {
    const { proxy, open } = await openTcp({ leases: { graceMs: 500, onLapse: { 'policy-changed': 'drain' } } });
    const { peer, served } = await open();
    proxy.policy.swap(compilePolicy(WITHOUT));
    peer.socket.write('more');
    await served.has('more');
    await peer.ended();
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'policy-changed' }]);
  });

  it('is not cut when policy turns back within the grace', async () => {
    const { proxy, open } = await openTcp({ leases: { graceMs: 600, onLapse: { 'policy-changed': 'drain' } } });
    const { peer, served } = await open();
    proxy.policy.swap(compilePolicy(WITHOUT));
    proxy.policy.swap(compilePolicy(CONNECT_POLICY));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    peer.socket.write('still');
    await served.has('still');
  });

  it('ends with its SVID', async () => {
    const { proxy, server, connect } = await openTcp();
    const peer = await connect(proxy.authority.issue('/training/job', { notAfterMs: Date.now() + 2_000 }));
    const served = await server.accepted();
    await Promise.all([peer.ended(), served.closed()]);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'svid-expired' }]);
  });

  it('ends when it is as old as it may be', async () => {
    const { proxy, open } = await openTcp({ limits: { maxConnectionAgeMs: 300 }, leases: { graceMs: 0 } });
    const { peer, served } = await open();
    await Promise.all([peer.ended(), served.closed()]);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'maximum-age' }]);
  });

  it('ends when nothing has moved either way for as long as it may stand still', async () => {
    let skippedMs = 0;
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + skippedMs };
    const { proxy, open } = await openTcp({
      clock,
      limits: { tunnelIdleTimeoutMs: 3_600_000, maxConnectionAgeMs: 1e9 },
    });
    const { peer, served } = await open(proxy.authority.issue('/training/job', LONG_LIVED));
    skippedMs = 3_500_000;
    served.socket.write('tick');
    await peer.has('tick');
    skippedMs += 3_500_000;
    peer.socket.write('tock');
    await served.has('tock');
    skippedMs += 3_600_000;
    await Promise.all([peer.ended(), served.closed()]);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'idle-timeout' }]);
  });
});

describe('draining', () => {
  it('lets open connections go on until they end, and takes no new ones', async () => {
    const { proxy, open, connect } = await openTcp();
    const { peer, served } = await open();
    const drained = proxy.listener.drain(10_000);
    await expect(connect(proxy.authority.issue('/training/job'))).rejects.toThrow();
    peer.socket.write('on');
    await served.has('on');
    peer.socket.end();
    served.socket.end();
    await drained;
    expect(proxy.recorder.requests).toMatchObject([{ refusal: null }]);
  });

  it('cuts what is left at its deadline', async () => {
    const { proxy, open } = await openTcp();
    const { peer, served } = await open();
    await proxy.listener.drain(200);
    await Promise.all([peer.ended(), served.closed()]);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'drain-deadline' }]);
  });
});
