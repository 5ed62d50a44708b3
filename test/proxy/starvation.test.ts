// How long one turn of the event loop may take, however many connections there are and whatever peers send.

import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { bundlesOf, ScriptedUpstream, startProxy } from '../support/proxy-fixture.ts';

describe('a change of trust under many connections', () => {
  it('verifies no more of them in one turn because a sweep falls into it', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const upstream = await ScriptedUpstream.start(() => undefined);
    onTestFinished(() => upstream.close());
    const proxy = await startProxy(upstream.port, { limits: { maxConnectionsPerPrincipal: 1_000 } });
    onTestFinished(() => proxy.close());
    const svid = proxy.authority.issue('/training/job');
    const peers = await Promise.all(Array.from({ length: 150 }, async () => proxy.connect(svid)));
    await proxy.recorder.open.until((open) => open === peers.length);
    proxy.trust.swap(bundlesOf([]));
    const inFirstTurn = proxy.recorder.terminations.length;
    vi.advanceTimersByTime(250);
    vi.advanceTimersByTime(250);
    expect(inFirstTurn).toBeLessThan(75);
    expect(proxy.recorder.terminations.length).toBeLessThanOrEqual(2 * inFirstTurn);
    await Promise.all(peers.map(async (peer) => peer.closed()));
    expect(proxy.recorder.terminations).toEqual(peers.map(() => 'trust-changed'));
  });
});
