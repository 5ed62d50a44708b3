import { describe, expect, it } from 'vitest';
import {
  ARTICLE_POLICY,
  bundlesOf,
  compilePolicy,
  OK,
  type ProxyOptions,
  type RawPeer,
} from '../support/proxy-fixture.ts';
import { openSetting, type ProxySetting } from '../support/proxy-setting.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';

const NO_TRAINING = ARTICLE_POLICY.replace('    allow: [registry, feature-store]', '    allow: [feature-store]');
const chunkedHead = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n';

async function setUp(
  answer: Parameters<typeof openSetting>[0],
  options: ProxyOptions = {},
): Promise<Omit<ProxySetting, 'peer'> & { readonly training: RawPeer; readonly inference: RawPeer }> {
  const { upstream, proxy, peer } = await openSetting(answer, options);
  const inference = await proxy.connect(proxy.authority.issue('/inference/server'));
  return { upstream, proxy, training: peer, inference };
}

async function withinOneSecond(work: Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work;
  return performance.now() - start;
}

describe('when policy changes', () => {
  it('CA-113 denies the first request after the reload on an open connection', async () => {
    const { proxy, training } = await setUp((_head, socket) => socket.write(OK));
    training.request('GET', '/x');
    expect((await training.response()).status).toBe(200);
    proxy.policy.swap(compilePolicy(NO_TRAINING));
    training.request('GET', '/x');
    expect((await training.response()).status).toBe(403);
  });

  it('CA-121 lifts a cached denial with the next policy', async () => {
    const { proxy, training } = await setUp((_head, socket) => socket.write(OK), { policy: NO_TRAINING });
    training.request('GET', '/x');
    expect((await training.response()).status).toBe(403);
    proxy.policy.swap(compilePolicy(ARTICLE_POLICY));
    training.request('GET', '/x');
    expect((await training.response()).status).toBe(200);
  });

  it('cuts a stream that is no longer allowed, and only that one', async () => {
    const { proxy, training, inference } = await setUp((_head, socket) => socket.write(chunkedHead));
    training.request('GET', '/stream');
    inference.request('GET', '/stream');
    await training.until((text) => text.includes('first'));
    await inference.until((text) => text.includes('first'));
    const cut = training.closed();
    proxy.policy.swap(compilePolicy(NO_TRAINING));
    expect(await withinOneSecond(cut)).toBeLessThan(1000);
    expect(inference.ended).toBe(false);
    expect(proxy.recorder.terminations).toEqual(['policy-changed']);
  });

  it('leaves a stream alone that the new policy allows as well', async () => {
    const { proxy, upstream, inference } = await setUp((_head, socket) => socket.write(chunkedHead));
    inference.request('GET', '/stream');
    await inference.until((text) => text.includes('first'));
    proxy.policy.swap(compilePolicy(NO_TRAINING));
    upstream.sockets[0]?.write('6\r\nsecond\r\n0\r\n\r\n');
    expect(await inference.until((text) => text.endsWith('0\r\n\r\n'))).toContain('second');
  });

  it('keeps server-sent events coming through a change for others, and cuts them when it is for their peer', async () => {
    const events =
      'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\nd\r\ndata: first\n\n\r\n';
    const { proxy, upstream, training } = await setUp((_head, socket) => socket.write(events));
    training.request('GET', '/events', 'accept: text/event-stream\r\n');
    await training.until((text) => text.includes('data: first\n\n'));
    proxy.policy.swap(compilePolicy(ARTICLE_POLICY.replace('registry: [read]', 'registry: [read, write]')));
    upstream.sockets[0]?.write('e\r\ndata: second\n\n\r\n');
    await training.until((text) => text.includes('data: second\n\n'));
    const cut = training.closed();
    proxy.policy.swap(compilePolicy(NO_TRAINING));
    expect(await withinOneSecond(cut)).toBeLessThan(1000);
    // The peer can tell that this is not the end of it.
    expect(training.received).not.toContain('\r\n0\r\n');
    expect(proxy.recorder.requests).toEqual([expect.objectContaining({ status: 200, refusal: 'policy-changed' })]);
  });

  it('answers 403 to a request still waiting for its response', async () => {
    const { proxy, upstream, training } = await setUp(() => undefined);
    training.request('GET', '/slow');
    await upstream.until(({ received }) => received.includes('/slow'));
    proxy.policy.swap(compilePolicy(NO_TRAINING));
    expect((await training.response()).status).toBe(403);
  });

  it('cuts an upload in flight', async () => {
    const { proxy, upstream, training } = await setUp(() => undefined);
    training.send('PUT /x HTTP/1.1\r\nhost: registry\r\ncontent-length: 100\r\n\r\npart');
    await upstream.until(({ received }) => received.endsWith('part'));
    const upstreamClosed = new Promise<void>((resolve) => upstream.sockets[0]?.once('close', () => resolve()));
    proxy.policy.swap(compilePolicy(NO_TRAINING));
    expect(await training.closed()).toMatch(/^HTTP\/1\.1 403 /);
    await upstreamClosed;
  });

  it('forwards under shadow what it would deny, and records it so', async () => {
    const { proxy, training } = await setUp((_head, socket) => socket.write(OK));
    proxy.policy.swap(compilePolicy(NO_TRAINING, 'shadow'));
    training.request('GET', '/x');
    expect((await training.response()).status).toBe(200);
    expect(proxy.recorder.requests.at(-1)?.decision?.effect).toBe('would-deny');
  });
});

describe('when trust changes', () => {
  it('CE-47 cuts streams and idle connections of a domain whose bundle is gone, and no others', async () => {
    const other = createTestAuthority('other.example');
    const policy = ARTICLE_POLICY.replace(
      'training: {}',
      'training: { ids: [spiffe://ai.example/training/**, spiffe://other.example/training/**] }',
    );
    const authority = createTestAuthority('ai.example');
    const { proxy, inference } = await setUp((_head, socket) => socket.write(chunkedHead), {
      authority,
      bundles: [authority, other],
      policy,
    });
    const streaming = await proxy.connect(other.issue('/training/job'));
    const idle = await proxy.connect(other.issue('/training/job'));
    streaming.request('GET', '/stream');
    inference.request('GET', '/stream');
    await streaming.until((text) => text.includes('first'));
    await inference.until((text) => text.includes('first'));
    const cut = Promise.all([streaming.closed(), idle.closed()]);
    proxy.trust.swap(bundlesOf([authority]));
    expect(await withinOneSecond(cut)).toBeLessThan(1000);
    expect(inference.ended).toBe(false);
    expect(proxy.recorder.terminations).toEqual(['trust-changed', 'trust-changed']);
  });

  it('keeps connections whose authority is still in the bundle', async () => {
    const { proxy, training } = await setUp((_head, socket) => socket.write(OK));
    proxy.trust.swap(bundlesOf([proxy.authority, createTestAuthority('new.example')]));
    training.request('GET', '/x');
    expect((await training.response()).status).toBe(200);
  });
});

describe('when the SVID of a peer expires', () => {
  it('CA-119 closes its connection, mid-stream and idle alike', async () => {
    const { proxy } = await setUp((_head, socket) => socket.write(chunkedHead));
    const shortLived = proxy.authority.issue('/training/job', { notAfterMs: Date.now() + 2_000 });
    const streaming = await proxy.connect(shortLived);
    const idle = await proxy.connect(shortLived);
    streaming.request('GET', '/stream');
    await streaming.until((text) => text.includes('first'));
    await Promise.all([streaming.closed(), idle.closed()]);
    expect(Date.now()).toBeGreaterThanOrEqual(shortLived.notAfterMs);
    expect(Date.now()).toBeLessThan(shortLived.notAfterMs + 1_000);
    expect(proxy.recorder.terminations).toEqual(['svid-expired', 'svid-expired']);
  });

  it('CA-122 is not undone by a clock that goes back', async () => {
    let offsetMs = 0;
    const clock = { wallMs: () => Date.now() + offsetMs, monotonicMs: () => performance.now() };
    const { proxy } = await setUp((_head, socket) => socket.write(OK), { clock });
    const shortLived = proxy.authority.issue('/training/job', { notAfterMs: Date.now() + 2_000 });
    const peer = await proxy.connect(shortLived);
    peer.request('GET', '/x');
    await peer.response();
    offsetMs = -3_600_000;
    await peer.closed();
    expect(proxy.recorder.terminations).toEqual(['svid-expired']);
  });
});

describe('draining', () => {
  it('finishes what is in flight with Connection: close, refuses new connections, and ends', async () => {
    const { proxy, upstream, training } = await setUp(() => undefined);
    training.request('GET', '/slow');
    await upstream.until(({ received }) => received.includes('/slow'));
    const drained = proxy.listener.drain(10_000);
    await expect(proxy.connect(proxy.authority.issue('/training/job'))).rejects.toThrow();
    upstream.sockets[0]?.write(OK);
    expect((await training.response()).head).toContain('connection: close');
    await drained;
  });

  it('cuts what is not finished at the deadline', async () => {
    const { proxy, upstream, training } = await setUp(() => undefined);
    training.request('GET', '/slow');
    await upstream.until(({ received }) => received.includes('/slow'));
    await proxy.listener.drain(200);
    await training.closed();
    expect(proxy.recorder.terminations).toContain('drain-deadline');
  });

  it('answers one more request of an idle connection before it closes it', async () => {
    const { proxy, training, inference } = await setUp((_head, socket) => socket.write(OK));
    const drained = proxy.listener.drain(10_000);
    training.request('GET', '/x');
    expect((await training.response()).head).toContain('connection: close');
    await drained;
    expect(inference.ended).toBe(true);
  });
});
