import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';
import { ANSWER_TIMEOUT_MS } from '../../src/workload-api/client.ts';
import { issueSvid } from '../support/certificate-builder.ts';
import { pkcs8, root, svidMessage, x509Response } from './agent-messages.ts';
import { STATUS } from './fake-agent.ts';
import { DAY_MS, ID, idOf, OTHER_ID, SourceSetting, until, X509 } from './source-setting.ts';

let setting: SourceSetting;

beforeEach(() => {
  setting = new SourceSetting();
});

afterEach(() => setting.close());

describe('source: withdrawal', () => {
  it('WA-156 gives up everything with PermissionDenied, asks again, and takes what comes then', async () => {
    const { one, call, from } = await setting.followCurrent();
    call.end(STATUS.permissionDenied, 'no identity issued');
    const state = await one.reach('withdrawn');
    expect(state).toMatchObject({ sinceMs: 1_000, nextAttemptMs: 1_100 });
    expect(state.reason).toContain('has nothing for this workload');
    expect('materials' in state).toBe(false);
    (await setting.retry(from)).end(STATUS.permissionDenied, 'no identity issued');
    expect(await one.reach('withdrawn')).toMatchObject({ sinceMs: 1_000, nextAttemptMs: 1_300 });
    (await setting.retry(from)).send(x509Response([svidMessage(ID)]));
    await one.reach('current');
  });

  it('WA-156 asks an agent that denies us ever more seldom: it has to find out each time who we are', async () => {
    const { one, call, from } = await setting.followCurrent();
    const delays: number[] = [];
    let stream = call;
    for (let attempt = 0; attempt < 11; attempt += 1) {
      stream.end(STATUS.permissionDenied);
      await one.reach('withdrawn');
      delays.push(setting.plannedMs());
      stream = await setting.retry(from);
    }
    expect(delays).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
  });

  it('WA-156 does not come to life again because the agent goes away after PermissionDenied', async () => {
    const { one, call } = await setting.followCurrent();
    call.end(STATUS.permissionDenied);
    const { reason } = await one.reach('withdrawn');
    await setting.stopAgent();
    setting.time.advance(setting.plannedMs());
    expect(await one.next()).toMatchObject({ kind: 'withdrawn', reason, sinceMs: 1_000 });
  });

  it('WA-158 gives up everything when our SVID is not in the message, and takes it back with a later one', async () => {
    const select = { spiffeId: parseSpiffeId(ID), hint: null };
    const { one, call } = await setting.followCurrent({ select });
    call.send(x509Response([svidMessage(OTHER_ID)]));
    expect(await one.next()).toEqual({
      kind: 'withdrawn',
      reason: `the agent gives no SVID for \`${ID}\`; it gives \`${OTHER_ID}\``,
      sinceMs: 1_000,
      nextAttemptMs: null,
    });
    expect(setting.time.delaysMs).toEqual([]);
    call.send(x509Response([svidMessage(OTHER_ID), svidMessage(ID)]));
    expect(idOf((await one.reach('current')).materials)).toBe(ID);
  });

  it('refuses an SVID of another trust domain, and says so', async () => {
    const from = await setting.listen();
    const one = setting.follow();
    (await from.nextCall(X509)).send(x509Response([svidMessage('spiffe://other.example/x')]));
    expect(await one.next()).toMatchObject({
      kind: 'withdrawn',
      reason: 'the SVID that the agent gives, `spiffe://other.example/x`, is not of our trust domain `ai.example`',
    });
  });
});

describe('source: an agent that refuses for good', () => {
  it.each<[string, number]>([
    ['InvalidArgument', STATUS.invalidArgument],
    ['Unimplemented', STATUS.unimplemented],
  ])('WA-156 stops after %s, before the first message and after it', async (_name, status) => {
    const from = await setting.listen();
    const early = setting.follow();
    (await from.nextCall(X509)).end(status, 'no');
    expect(await early.next()).toMatchObject({ kind: 'stopped' });
    const late = setting.follow();
    const call = await from.nextCall(X509);
    call.send(x509Response([svidMessage(ID)]));
    await late.reach('current');
    call.end(status, 'no');
    expect(await late.next()).toMatchObject({ kind: 'stale', nextAttemptMs: null });
    expect(setting.time.delaysMs).toEqual([]);
    setting.time.advance(DAY_MS);
    expect([early.told, late.told, from.pendingCalls(X509)]).toEqual([[], [], 0]);
  });
});

describe('source: an agent that goes away', () => {
  it('says where it looks for a socket that is not there, and finds it when it comes', async () => {
    const one = setting.follow();
    expect(await one.next()).toEqual({
      kind: 'waiting',
      reason: `there is no socket at \`unix://${setting.socketPath}\`; is the agent running, and is its socket directory mounted here?`,
      sinceMs: 1_000,
    });
    const from = await setting.listen();
    (await setting.retry(from)).send(x509Response([svidMessage(ID)]));
    await one.reach('current');
  });

  it('looks at least every second for an agent that is not there yet', async () => {
    const one = setting.follow();
    await one.next();
    const delays: number[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1) {
      delays.push(setting.plannedMs());
      // It ends for the same reason as the one before, of which nobody is told twice.
      setting.time.advance(setting.plannedMs());
      await until(() => setting.isPlanned());
    }
    expect(delays).toEqual([100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000]);
    expect(one.told).toEqual([]);
  });

  it('holds what it had while the agent is away, and says since when and until when', async () => {
    const { one, call } = await setting.followCurrent();
    const { state: before } = one.source;
    setting.time.advance(60_000);
    call.end(STATUS.unavailable, 'shutting down');
    const state = await one.reach('stale');
    expect(state.materials).toEqual(before.kind === 'current' ? before.materials : null);
    expect(state).toMatchObject({ receivedMs: 1_000, sinceMs: 61_000, nextAttemptMs: 61_100 });
    expect(state.reason).toContain('UNAVAILABLE `shutting down`');
    await setting.stopAgent();
    setting.time.advance(setting.plannedMs());
    const later = await one.reach('stale');
    expect(later).toMatchObject({ receivedMs: 1_000, sinceMs: 61_000, nextAttemptMs: 61_300 });
    expect(later.reason).toContain('there is no socket at');
  });

  it('finds the agent again after every restart, also when its socket file is another, and never lacks an identity', async () => {
    const { one } = await setting.followCurrent();
    for (let restart = 0; restart < 4; restart += 1) {
      setting.time.advance(15_000);
      await setting.stopAgent();
      expect((await one.next()).kind).toBe('stale');
      // While it is away, a file may lie where its socket was.
      if (restart === 2) {
        writeFileSync(setting.socketPath, '');
        setting.time.advance(setting.plannedMs());
        expect(await one.reach('stale')).toMatchObject({
          reason: expect.stringContaining('nobody listens at') as string,
        });
        rmSync(setting.socketPath);
      }
      const from = await setting.listen();
      const call = await setting.retry(from);
      for (const leaf of [issueSvid(root, ID), issueSvid(root, ID), issueSvid(root, ID)]) {
        call.send(x509Response([svidMessage(ID, { chain: leaf.der, privateKey: pkcs8(leaf) })]));
        const state = await one.next();
        expect(state.kind === 'current' ? state.materials.identity.svid.leafSha256 : state).toBe(leaf.sha256);
        setting.time.advance(5_000);
      }
      // It has proven itself: the wait begins anew.
      expect(setting.time.delaysMs).toEqual([]);
    }
  });

  it('goes on when an agent takes the connection and says nothing', async () => {
    const server = createServer();
    const connected = new Promise<Socket>((resolve) => {
      server.once('connection', resolve);
    });
    await new Promise<void>((resolve) => {
      server.listen(setting.socketPath, resolve);
    });
    const one = setting.follow();
    const socket = await connected;
    const closed = new Promise((resolve) => {
      socket.once('close', resolve);
    });
    setting.time.advance(ANSWER_TIMEOUT_MS);
    expect(await one.next()).toMatchObject({
      kind: 'waiting',
      reason: expect.stringContaining('sent nothing within 10 s') as string,
    });
    await closed;
    await new Promise((resolve) => {
      server.close(resolve);
    });
    const from = await setting.listen();
    (await setting.retry(from)).send(x509Response([svidMessage(ID)]));
    await one.reach('current');
  });

  it('WA-155 waits ever longer for an agent that hangs up 10 ms after each message', async () => {
    const { one, call, from } = await setting.followCurrent();
    const delays: number[] = [];
    let stream = call;
    for (let attempt = 0; attempt < 12; attempt += 1) {
      setting.time.advance(10);
      stream.end(STATUS.ok);
      await one.reach('stale');
      delays.push(setting.plannedMs());
      stream = await setting.retry(from);
      stream.send(x509Response([svidMessage(ID)]));
      await one.reach('current');
    }
    expect(delays).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000]);
  });

  it('WA-155 waits as at first again after a stream that lasted', async () => {
    const { one, call, from } = await setting.followCurrent();
    let stream = call;
    const delays: number[] = [];
    for (const lastedMs of [10, 10, 4_999, 5_000, 10]) {
      setting.time.advance(lastedMs);
      stream.end(STATUS.ok);
      await one.reach('stale');
      delays.push(setting.plannedMs());
      stream = await setting.retry(from);
      stream.send(x509Response([svidMessage(ID)]));
      await one.reach('current');
    }
    expect(delays).toEqual([100, 200, 400, 100, 200]);
  });

  it('WA-155 does not take for proven a stream that lasted and brought nothing of use', async () => {
    const from = await setting.listen();
    const one = setting.follow();
    const delays: number[] = [];
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const call = attempt === 0 ? await from.nextCall(X509) : await setting.retry(from);
      call.send(x509Response([]));
      await one.reported(attempt + 1);
      setting.time.advance(60_000);
      call.end(STATUS.ok);
      await until(() => setting.isPlanned());
      delays.push(setting.plannedMs());
    }
    expect(delays).toEqual([100, 200, 400]);
  });

  it('WA-155 spreads its attempts by chance', async () => {
    const numbers = [0.5, 0.25, 0];
    const { one, call, from } = await setting.followCurrent({ random: () => numbers.shift() ?? 1 });
    call.end(STATUS.ok);
    expect(await one.reach('stale')).toMatchObject({ nextAttemptMs: 1_050 });
    (await setting.retry(from)).end(STATUS.ok);
    expect(await one.reach('stale')).toMatchObject({ nextAttemptMs: 1_100 });
    (await setting.retry(from)).end(STATUS.ok);
    expect(await one.reach('stale')).toMatchObject({ nextAttemptMs: 1_100 });
  });

  it.each<[string, number, number]>([
    ['a quarter of what our SVID has left', 40_000, 10_000],
    ['a second when it has expired', -60_000, 1_000],
  ])('waits at most %s', async (_name, leftMs, expectedMs) => {
    const notAfterMs = Math.floor((setting.time.clock.wallMs() + leftMs) / 1000) * 1000;
    const spec = { notBefore: new Date(notAfterMs - 3_600_000), notAfter: new Date(notAfterMs) };
    const { one } = await setting.followCurrent({}, x509Response([svidMessage(ID, {}, spec)]));
    await setting.stopAgent();
    await one.reach('stale');
    // The wall clock stands still, so that what is left stays what it was.
    for (let attempt = 0; attempt < 9; attempt += 1) {
      const delayMs = setting.plannedMs();
      setting.time.advance(delayMs);
      setting.time.wallOffsetMs -= delayMs;
      await one.reach('stale');
    }
    expect(setting.plannedMs()).toBeGreaterThan(expectedMs - 1_000);
    expect(setting.plannedMs()).toBeLessThanOrEqual(expectedMs);
  });
});
