import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { parseIdPattern } from '../../src/spiffe/id-pattern.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { compileRevocations, NO_REVOCATIONS, type Revocations } from '../../src/revocation/revocations.ts';
import type { Revocation } from '../../src/revocation/revocation.ts';
import {
  ARTICLE_POLICY,
  bundlesOf,
  compilePolicy,
  OK,
  type ProxyOptions,
  type RawPeer,
} from '../support/proxy-fixture.ts';
import { connectTraining, openSetting, type ProxySetting } from '../support/proxy-setting.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';

const CHUNKED_HEAD = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n';
const LAST_CHUNKS = '4\r\nlast\r\n0\r\n\r\n';
const NO_TRAINING = ARTICLE_POLICY.replace('    allow: [registry, feature-store]', '    allow: [feature-store]');
const DRAIN_ALL = {
  'svid-expired': 'drain',
  'trust-changed': 'drain',
  revoked: 'drain',
  'policy-changed': 'drain',
  'own-svid-withdrawn': 'drain',
} as const;

function revoking(...ids: readonly string[]): Revocations {
  const own = parseTrustDomain('ai.example');
  const entries: Revocation[] = ids.map((id) => ({
    target: { kind: 'id', pattern: parseIdPattern(id, own) },
    reason: 'key leaked',
    atMs: 0,
    expiresMs: null,
  }));
  return compileRevocations({ entries, crls: [] });
}

/** Streams of `training/job` and, beside it, of `inference/server`, both in flight; and an idle connection of the former. */
async function openStreams(
  options: ProxyOptions = {},
): Promise<ProxySetting & { readonly other: RawPeer; readonly idle: RawPeer; readonly finish: () => void }> {
  const setting = await openSetting((_head, socket) => socket.write(CHUNKED_HEAD), options);
  const { proxy, peer, upstream } = setting;
  const other = await proxy.connect(proxy.authority.issue('/inference/server'));
  const idle = await connectTraining(proxy);
  peer.request('GET', '/stream');
  other.request('GET', '/stream');
  await peer.until((text) => text.includes('first'));
  await other.until((text) => text.includes('first'));
  const finish = (): void => {
    for (const socket of upstream.sockets) socket.write(LAST_CHUNKS);
  };
  return { ...setting, other, idle, finish };
}

describe('a revocation', () => {
  it('CE-46 cuts the stream and the idle connection of who is revoked, and nobody else', async () => {
    const { proxy, peer, other, idle } = await openStreams();
    const start = performance.now();
    proxy.revocations.swap(revoking('/training/**'));
    await Promise.all([peer.closed(), idle.closed()]);
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(other.ended).toBe(false);
    expect(proxy.recorder.terminations).toEqual(['revoked', 'revoked']);
    expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual(['revoked']);
  });

  it('CE-46 refuses a new connection of who is revoked, and lets it in again when that is taken back', async () => {
    const { proxy } = await openSetting((_head, socket) => socket.write(OK));
    proxy.revocations.swap(revoking('/training/job'));
    const refused = await connectTraining(proxy);
    refused.request('GET', '/x');
    expect((await refused.response()).status).toBe(401);
    expect(new Set(proxy.anonymous)).toEqual(new Set(['revoked']));
    proxy.revocations.swap(NO_REVOCATIONS);
    const admitted = await connectTraining(proxy);
    admitted.request('GET', '/x');
    expect((await admitted.response()).status).toBe(200);
  });

  it('answers 401 to a request still waiting for its response', async () => {
    const { proxy, peer, upstream } = await openSetting(() => undefined);
    peer.request('GET', '/slow');
    await upstream.until(({ received }) => received.includes('/slow'));
    proxy.revocations.swap(revoking('/training/job'));
    const { status, head } = await peer.response();
    expect(status).toBe(401);
    expect(head).toContain('connection: close');
    await peer.closed();
  });

  it('leaves alone whom a longer list names no more than the one before', async () => {
    const { proxy, peer } = await openSetting((_head, socket) => socket.write(OK));
    proxy.revocations.swap(revoking('/training/other', '/inference/**'));
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(200);
  });
});

describe('drained', () => {
  it.each([
    ['revoked', (setting: ProxySetting) => setting.proxy.revocations.swap(revoking('/training/**'))],
    ['trust-changed', (setting: ProxySetting) => setting.proxy.trust.swap(bundlesOf([]))],
    ['own-svid-withdrawn', (setting: ProxySetting) => setting.proxy.identity.swap(null)],
    ['policy-changed', (setting: ProxySetting) => setting.proxy.policy.swap(compilePolicy(NO_TRAINING))],
  ] as const)('%s: a stream may finish, and nothing follows it', async (reason, lose) => {
    const setting = await openStreams({ leases: { graceMs: 60_000, onLapse: DRAIN_ALL } });
    const { proxy, peer, finish } = setting;
    lose(setting);
    peer.request('GET', '/next');
    finish();
    expect(await peer.until((text) => text.includes('0\r\n\r\n'))).toContain('last');
    const rest = await peer.until((text) => text.includes('HTTP/1.1 403') || peer.ended);
    // Whoever is denied by policy may ask on; whoever is not known any more may not.
    if (reason === 'policy-changed') expect(rest).toMatch(/HTTP\/1\.1 403 /);
    else {
      await peer.closed();
      expect(peer.received.match(/HTTP\/1\.1 /g)).toHaveLength(1);
      expect(proxy.recorder.terminations).toContain(reason);
    }
    expect(proxy.recorder.requests.find(({ path }) => path === '/stream')?.refusal).toBeNull();
  });

  it('is cut at the end of the grace', async () => {
    const { proxy, peer, other } = await openStreams({ leases: { graceMs: 100, onLapse: DRAIN_ALL } });
    proxy.revocations.swap(revoking('/training/**'));
    await peer.closed();
    expect(other.ended).toBe(false);
    expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual(['revoked']);
  });

  it('is cut at once when a graver reason comes, whose terms are to reset', async () => {
    const { proxy, peer } = await openStreams({
      leases: { graceMs: 60_000, onLapse: { ...DRAIN_ALL, revoked: 'reset' } },
    });
    proxy.trust.swap(bundlesOf([]));
    proxy.revocations.swap(revoking('/training/**'));
    await peer.closed();
    expect(proxy.recorder.requests.find(({ principal }) => principal?.includes('training'))?.refusal).toBe('revoked');
  });

  it('takes no request that has not been sent on', async () => {
    const { proxy, peer, upstream } = await openSetting(() => undefined, {
      pool: { maxConnections: 1 },
      leases: { graceMs: 60_000, onLapse: DRAIN_ALL },
    });
    const inference = await proxy.connect(proxy.authority.issue('/inference/server'));
    inference.request('GET', '/first');
    await upstream.until(({ received }) => received.includes('/first'));
    peer.request('GET', '/waiting');
    await proxy.untilDecided(2);
    proxy.policy.swap(compilePolicy(NO_TRAINING));
    expect((await peer.response()).status).toBe(403);
    upstream.sockets[0]?.write(OK);
    expect((await inference.response()).status).toBe(200);
    expect(upstream.received).not.toContain('/waiting');
  });

  it('refuses what is asked by somebody whose SVID has expired in the middle of a head', async () => {
    let offsetMs = 0;
    const clock = { wallMs: () => Date.now() + offsetMs, monotonicMs: () => systemClock.monotonicMs() };
    const { proxy, peer, upstream } = await openSetting((_head, socket) => socket.write(OK), {
      clock,
      leases: { onLapse: DRAIN_ALL },
    });
    peer.send('GET /x HTTP/1.1\r\nhost: reg');
    const witness = await proxy.connect(
      proxy.authority.issue('/inference/server', { notAfterMs: Date.now() + 86_400_000 }),
    );
    witness.request('GET', '/y');
    await witness.response();
    offsetMs = 2 * 3_600_000;
    peer.send('istry\r\n\r\n');
    expect((await peer.response()).status).toBe(401);
    await peer.closed();
    expect(upstream.received).not.toContain('/x');
    expect(proxy.recorder.requests.at(-1)).toMatchObject({ refusal: 'svid-expired', path: '/x' });
  });
});

describe('the end of a lease', () => {
  it('is announced to a busy connection a moment before', async () => {
    const { proxy } = await openSetting((_head, socket) => socket.write(OK));
    const peer = await proxy.connect(proxy.authority.issue('/training/job', { notAfterMs: Date.now() + 3_000 }));
    for (;;) {
      peer.request('GET', '/x');
      const { status, head } = await peer.response();
      expect(status).toBe(200);
      if (head.includes('connection: close')) break;
    }
    await peer.closed();
    expect(proxy.recorder.terminations).toEqual(['svid-expired']);
  });

  it('comes with the maximum age of a connection for a stream as well, after the grace', async () => {
    const { proxy, peer } = await openStreams({ limits: { maxConnectionAgeMs: 300 }, leases: { graceMs: 100 } });
    await peer.closed();
    expect(proxy.recorder.requests[0]?.refusal).toBe('maximum-age');
  });

  it('is noticed at once after a suspend, when wall time has jumped and monotonic time has not', async () => {
    let offsetMs = 0;
    const clock = { wallMs: () => Date.now() + offsetMs, monotonicMs: () => systemClock.monotonicMs() };
    const { proxy, peer } = await openStreams({ clock });
    offsetMs = 2 * 3_600_000;
    await peer.closed();
    expect(proxy.recorder.terminations).toContain('svid-expired');
  });

  it('is that of the authority when the leaf would live longer', async () => {
    const { proxy } = await openSetting((_head, socket) => socket.write(CHUNKED_HEAD), {
      authority: createTestAuthority('ai.example', { notAfterMs: Date.now() + 3_000 }),
    });
    const peer = await connectTraining(proxy);
    peer.request('GET', '/stream');
    await peer.closed();
    expect(proxy.recorder.terminations).toContain('svid-expired');
  });
});

describe('without an SVID of our own', () => {
  it('fails every handshake, cuts what is open, and serves again with the next one', async () => {
    const { proxy, peer } = await openSetting((_head, socket) => socket.write(OK));
    const own = proxy.identity.current.value;
    proxy.identity.swap(null);
    await peer.closed();
    expect(proxy.recorder.terminations).toEqual(['own-svid-withdrawn']);
    await expect(connectTraining(proxy)).rejects.toThrow();
    proxy.identity.swap(own);
    const next = await connectTraining(proxy);
    next.request('GET', '/x');
    expect((await next.response()).status).toBe(200);
  });
});
