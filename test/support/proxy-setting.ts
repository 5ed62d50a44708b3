// The setting of most data plane tests: a scripted upstream, a proxy in front of it and a peer that may use it, all closed
// when the test has finished.

import { onTestFinished } from 'vitest';
import { type ProxyFixture, type ProxyOptions, type RawPeer, ScriptedUpstream, startProxy } from './proxy-fixture.ts';

export interface ProxySetting {
  readonly upstream: ScriptedUpstream;
  readonly proxy: ProxyFixture;
  /** `spiffe://ai.example/training/job`, which may do everything to the registry. */
  readonly peer: RawPeer;
}

export async function openSetting(
  answer: Parameters<typeof ScriptedUpstream.start>[0],
  options: ProxyOptions = {},
): Promise<ProxySetting> {
  const upstream = await ScriptedUpstream.start(answer);
  onTestFinished(() => upstream.close());
  const proxy = await startProxy(upstream.port, options);
  onTestFinished(() => proxy.close());
  return { upstream, proxy, peer: await connectTraining(proxy) };
}

export async function connectTraining(proxy: ProxyFixture): Promise<RawPeer> {
  return proxy.connect(proxy.authority.issue('/training/job'));
}

/** Waits until the figure has stopped moving: whatever the kernel's buffers hold, backpressure brings a flow to a stop. */
export async function untilStill(read: () => number): Promise<void> {
  for (let before = -1; before !== read() || before <= 0; ) {
    before = read();
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}
