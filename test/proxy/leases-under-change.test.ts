// What becomes of a lease when a second thing changes before the first has run its course.

import { describe, expect, it } from 'vitest';
import { spkiSha256 as spkiSha256Of } from '../../src/pki/key-fingerprint.ts';
import { compileRevocations } from '../../src/revocation/revocations.ts';
import type { Revocations } from '../../src/revocation/revocations.ts';
import { parseIdPattern } from '../../src/spiffe/id-pattern.ts';
import { parseTrustDomain, type TrustDomain } from '../../src/spiffe/spiffe-id.ts';
import type { TrustBundle } from '../../src/spiffe/trust-bundle.ts';
import { ARTICLE_POLICY, bundlesOf, compilePolicy, OK } from '../support/proxy-fixture.ts';
import { connectTraining, openSetting } from '../support/proxy-setting.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';

const NO_TRAINING = ARTICLE_POLICY.replace('    allow: [registry, feature-store]', '    allow: [feature-store]');
const CHUNKED_HEAD = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n';

/** `endMs`: when the entry stops to count. */
function revokingTraining(endMs: number | null = null): Revocations {
  const pattern = parseIdPattern('/training/**', parseTrustDomain('ai.example'));
  const entry = { target: { kind: 'id' as const, pattern }, reason: 'key leaked', atMs: 0, expiresMs: endMs };
  return compileRevocations({ entries: [entry], crls: [] });
}

/** A clock that a test sets; both times stand still otherwise. */
function steppedClock(): {
  wallMs: () => number;
  monotonicMs: () => number;
  step: (wallMs: number, monotonicMs: number) => void;
} {
  const startMs = Date.now();
  let wall = 0;
  let monotonic = 0;
  return {
    wallMs: () => startMs + wall,
    monotonicMs: () => monotonic,
    step: (wallMs, monotonicMs) => {
      wall += wallMs;
      monotonic += monotonicMs;
    },
  };
}

describe('a request that is drained', () => {
  it.each([
    ['policy', { leases: { graceMs: 60_000, onLapse: { 'policy-changed': 'drain' } } }, 403],
    ['the age of its connection', { leases: { graceMs: 60_000 }, limits: { maxConnectionAgeMs: 500 } }, 503],
  ] as const)('is not sent a second time because of %s', async (what, options, status) => {
    const { proxy, peer, upstream } = await openSetting((head, socket) => {
      if (head.includes('/warm')) socket.write(OK);
    }, options);
    peer.request('GET', '/warm');
    await peer.response();
    peer.request('GET', '/slow');
    await upstream.until(({ received }) => received.includes('/slow'));
    if (what === 'policy') proxy.policy.swap(compilePolicy(NO_TRAINING));
    else await new Promise((resolve) => setTimeout(resolve, 1_000));
    // It died idle, for all the exchange knows: the request is one that may be tried again.
    upstream.sockets[0]?.destroy();
    expect((await peer.response()).status).toBe(status);
    expect(upstream.received.match(/\/slow/g)).toHaveLength(1);
  });

  it('for policy and then for the end of the SVID is not given more time by a policy that allows it again', async () => {
    const clock = steppedClock();
    const { proxy } = await openSetting((_head, socket) => socket.write(CHUNKED_HEAD), {
      clock,
      deadlines: { bodyIdleTimeoutMs: 60_000 },
      leases: { graceMs: 10_000, onLapse: { 'policy-changed': 'drain', 'svid-expired': 'drain' } },
    });
    const peer = await proxy.connect(proxy.authority.issue('/training/job', { notAfterMs: Date.now() + 60_000 }));
    peer.request('GET', '/stream');
    await peer.until((text) => text.includes('first'));
    proxy.policy.swap(compilePolicy(NO_TRAINING));
    clock.step(61_000, 1_000);
    proxy.listener.reverify();
    proxy.policy.swap(compilePolicy(ARTICLE_POLICY));
    clock.step(9_500, 9_500);
    proxy.listener.reverify();
    await peer.closed();
    expect(proxy.recorder.requests[0]?.refusal).toBe('svid-expired');
  });
});

describe('a peer whose bundle is gone', () => {
  it('is not verified again and again while it drains', async () => {
    let reads = 0;
    class CountedBundles extends Map<TrustDomain, TrustBundle> {
      override get(key: TrustDomain): TrustBundle | undefined {
        reads += 1;
        return super.get(key);
      }
    }
    const { proxy, peer } = await openSetting((_head, socket) => socket.write(CHUNKED_HEAD), {
      leases: { graceMs: 60_000, onLapse: { 'trust-changed': 'drain' } },
    });
    peer.request('GET', '/stream');
    await peer.until((text) => text.includes('first'));
    proxy.trust.swap(new CountedBundles());
    expect(reads).toBe(1);
    for (let round = 0; round < 5; round += 1) proxy.listener.reverify();
    expect(reads).toBe(1);
    expect(peer.ended).toBe(false);
  });
});

describe('a revocation', () => {
  it('cuts who is drained because our own SVID was withdrawn', async () => {
    const { proxy, peer } = await openSetting((_head, socket) => socket.write(CHUNKED_HEAD), {
      leases: { graceMs: 600_000, onLapse: { 'own-svid-withdrawn': 'drain' } },
    });
    peer.request('GET', '/stream');
    await peer.until((text) => text.includes('first'));
    proxy.identity.swap(null);
    proxy.revocations.swap(revokingTraining());
    await peer.closed();
    expect(proxy.recorder.requests[0]?.refusal).toBe('revoked');
  });

  it('counts for the path by which a peer is trusted now, not for that by which it came', async () => {
    const root = createTestAuthority('ai.example');
    const intermediate = root.intermediate();
    const { proxy } = await openSetting((_head, socket) => socket.write(OK));
    proxy.trust.swap(bundlesOf([intermediate]));
    const [rootBundle] = bundlesOf([root]).values();
    const [authority] = rootBundle?.authorities ?? [];
    if (authority === undefined) throw new Error('no authority');
    const spkiSha256 = spkiSha256Of(authority.publicKey);
    const entry = { target: { kind: 'key' as const, spkiSha256 }, reason: 'stolen', atMs: 0, expiresMs: null };
    proxy.revocations.swap(compileRevocations({ entries: [entry], crls: [] }));
    const peer = await proxy.connect(intermediate.issue('/training/job'));
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(200);
    proxy.trust.swap(bundlesOf([root]));
    await peer.closed();
    expect(proxy.recorder.terminations.at(-1)).toBe('revoked');
  });

  it('CA-122 that seemed to have ended counts for open connections when the clock is put right', async () => {
    const clock = steppedClock();
    const { proxy } = await openSetting((_head, socket) => socket.write(OK), { clock });
    clock.step(1_800_000, 0);
    proxy.revocations.swap(revokingTraining(Date.now() + 900_000));
    const peer = await connectTraining(proxy);
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(200);
    clock.step(-1_800_000, 0);
    proxy.listener.reverify();
    await peer.closed();
    expect(proxy.recorder.terminations.at(-1)).toBe('revoked');
  });
});
