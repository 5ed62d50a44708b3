import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import type { WorkloadReport } from '../../src/workload-api/agent-stream.ts';
import { ANSWER_TIMEOUT_MS } from '../../src/workload-api/client.ts';
import type { EndpointAddress } from '../../src/workload-api/endpoint-address.ts';
import { FETCH_JWT_BUNDLES, FETCH_X509_SVID } from '../../src/workload-api/messages.ts';
import {
  WorkloadApiSource,
  type WorkloadApiSourceOptions,
  type WorkloadMaterials,
  type WorkloadState,
} from '../../src/workload-api/source.ts';
import { issueSvid } from '../support/certificate-builder.ts';
import { jwks, jwtResponse, partnerRoot, pkcs8, root, svidMessage, x509Response } from './agent-messages.ts';
import { type AgentCall, FakeAgent, socketDirectory, STATUS } from './fake-agent.ts';
import { FakeTime } from './fake-time.ts';

const ID = 'spiffe://ai.example/registry';
const OTHER_ID = 'spiffe://ai.example/other';
const X509 = FETCH_X509_SVID.path;
const JWT = FETCH_JWT_BUNDLES.path;
const DAY_MS = 24 * 3_600_000;

let directory: ReturnType<typeof socketDirectory>;
let address: EndpointAddress;
let time: FakeTime;
let agent: FakeAgent | null = null;
let followed: Followed[] = [];

beforeEach(() => {
  directory = socketDirectory();
  address = { kind: 'unix', path: join(directory.path, 'agent.sock') };
  time = new FakeTime();
});

afterEach(async () => {
  for (const { source } of followed) source.close();
  followed = [];
  await agent?.close();
  agent = null;
  directory.remove();
});

/** A source under test, and everything it has told. */
class Followed {
  readonly source: WorkloadApiSource;
  readonly reports: WorkloadReport[] = [];
  readonly #states: WorkloadState[] = [];
  #arrival: (() => void) | null = null;

  constructor(options: Partial<WorkloadApiSourceOptions>) {
    this.source = new WorkloadApiSource({
      address,
      trustDomain: parseTrustDomain('ai.example'),
      select: { spiffeId: null, hint: null },
      jwtBundles: false,
      clock: time.clock,
      schedule: time.schedule,
      random: () => 1,
      ...options,
    });
    this.source.subscribe((state) => {
      this.#states.push(state);
      this.#arrival?.();
    });
    this.source.subscribeReports((report) => {
      this.reports.push(report);
      this.#arrival?.();
    });
  }

  /** States that nobody has taken. */
  get told(): readonly string[] {
    return this.#states.map(({ kind }) => kind);
  }

  /** The next state that it tells, or told and nobody has taken. */
  async next(): Promise<WorkloadState> {
    await this.#until(() => this.#states.length > 0);
    const [state] = this.#states.splice(0, 1);
    if (state === undefined) throw new Error('no state');
    return state;
  }

  /** Takes states up to the one that is wanted. */
  async reach<Kind extends WorkloadState['kind']>(kind: Kind): Promise<Extract<WorkloadState, { kind: Kind }>> {
    for (;;) {
      const state = await this.next();
      if (isOf(kind, state)) return state;
    }
  }

  async reported(count: number): Promise<readonly WorkloadReport[]> {
    await this.#until(() => this.reports.length >= count);
    return this.reports;
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        this.#arrival = resolve;
      });
    }
  }
}

function isOf<Kind extends WorkloadState['kind']>(
  kind: Kind,
  state: WorkloadState,
): state is Extract<WorkloadState, { kind: Kind }> {
  return state.kind === kind;
}

function follow(options: Partial<WorkloadApiSourceOptions> = {}): Followed {
  const one = new Followed(options);
  followed.push(one);
  one.source.start();
  return one;
}

async function listen(): Promise<FakeAgent> {
  agent = await FakeAgent.listen(address);
  return agent;
}

async function stopAgent(): Promise<void> {
  await agent?.close();
  agent = null;
}

/** The delay until the only thing that is planned. */
function plannedMs(): number {
  const [delayMs, ...others] = time.delaysMs;
  if (delayMs === undefined || others.length > 0) throw new Error(`planned: ${time.delaysMs.join(', ')}`);
  return delayMs;
}

/** Resolves when it is so, for what nobody is told of. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** Whether the last attempt has ended and the next one is planned. */
const isPlanned = (): boolean => time.delaysMs.length === 1 && !time.delaysMs.includes(ANSWER_TIMEOUT_MS);

/** Lets the next attempt happen and takes it up. */
async function retry(from: FakeAgent, path = X509): Promise<AgentCall> {
  time.advance(plannedMs());
  return from.nextCall(path);
}

const idOf = ({ identity }: WorkloadMaterials): string => identity.svid.id;
const domainsOf = ({ bundles }: WorkloadMaterials): readonly string[] => [...bundles.keys()];
const keysOf = ({ bundles }: WorkloadMaterials): unknown =>
  [...bundles].map(([name, { jwtAuthorities }]) => [name, [...jwtAuthorities.keys()]]);

/** A source that has its first SVID, and the stream that it came on. */
async function followCurrent(
  options: Partial<WorkloadApiSourceOptions> = {},
  message = x509Response([svidMessage(ID)]),
): Promise<{ readonly one: Followed; readonly call: AgentCall; readonly from: FakeAgent }> {
  const from = await listen();
  const one = follow(options);
  const call = await from.nextCall(X509);
  call.send(message);
  await one.reach('current');
  return { one, call, from };
}

describe('source: the usual course', () => {
  it('waits, with a reason, and then has what the agent gives', async () => {
    const from = await listen();
    const one = follow();
    expect(one.source.state).toEqual({
      kind: 'waiting',
      reason: `nothing has come yet from the agent at \`unix://${directory.path}/agent.sock\``,
      sinceMs: 1_000,
    });
    const call = await from.nextCall(X509);
    time.advance(5);
    call.send(x509Response([svidMessage(ID)], { federated: { 'spiffe://partner.example': partnerRoot.der } }));
    const state = await one.reach('current');
    expect(one.source.state).toBe(state);
    expect([idOf(state.materials), domainsOf(state.materials), state.receivedMs, state.materials.jwtBundles]).toEqual([
      ID,
      ['ai.example', 'partner.example'],
      1_005,
      null,
    ]);
    expect(from.pendingCalls(JWT)).toBe(0);
  });

  it('takes every message for the full state', async () => {
    const { one, call } = await followCurrent();
    for (const leaf of [issueSvid(root, ID), issueSvid(root, ID)]) {
      call.send(x509Response([svidMessage(ID, { chain: leaf.der, privateKey: pkcs8(leaf) })]));
      expect((await one.reach('current')).materials.identity.svid.leafSha256).toBe(leaf.sha256);
    }
  });

  it('WA-154 keeps what it has when the agent says nothing for a day, and hears it after that', async () => {
    const { one, call } = await followCurrent();
    expect(time.delaysMs).toEqual([]);
    time.advance(DAY_MS);
    expect([one.source.state.kind, one.told]).toEqual(['current', []]);
    call.send(x509Response([svidMessage(ID)]));
    expect((await one.reach('current')).receivedMs).toBe(1_000 + DAY_MS);
  });

  it('WA-162 puts an SVID that has expired in the place of one that has not: a message is the full state', async () => {
    const { one, call } = await followCurrent();
    const past = { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2020-01-02T00:00:00Z') };
    call.send(x509Response([svidMessage(ID, {}, past)]));
    const { materials } = await one.reach('current');
    expect(materials.identity.svid.notAfterMs).toBe(past.notAfter.getTime());
  });

  it('tells nobody who has unsubscribed', async () => {
    const { one, call } = await followCurrent();
    const heard: string[] = [];
    const unsubscribe = one.source.subscribe(({ kind }) => heard.push(kind));
    const unsubscribeReports = one.source.subscribeReports(({ kind }) => heard.push(kind));
    unsubscribe();
    unsubscribeReports();
    call.send(Buffer.from('x'));
    call.send(x509Response([svidMessage(ID)]));
    await one.reach('current');
    expect(heard).toEqual([]);
  });
});

describe('source: messages', () => {
  it('WA-157 discards a broken message whole, keeps the one before it, counts and reports it', async () => {
    const { one, call } = await followCurrent(
      {},
      x509Response([svidMessage(ID)], { federated: { 'td.example': root.der } }),
    );
    const before = one.source.state;
    const broken = [
      x509Response([]),
      x509Response([svidMessage(ID, { privateKey: pkcs8(issueSvid(root, ID)) })]),
      x509Response([svidMessage(ID, { bundle: root.der.subarray(1) })], { federated: { 'new.example': root.der } }),
      Buffer.from('x'),
    ];
    for (const message of broken) call.send(message);
    await one.reported(broken.length);
    expect(one.source.state).toBe(before);
    expect(one.source.discardedMessages).toBe(broken.length);
    expect(one.reports.map((report) => [report.kind, report.method])).toEqual(
      broken.map(() => ['message-discarded', X509]),
    );
    call.send(x509Response([svidMessage(OTHER_ID)]));
    expect(idOf((await one.reach('current')).materials)).toBe(OTHER_ID);
  });

  it('WA-157 keeps waiting, and says why, when the first message is broken', async () => {
    const from = await listen();
    const one = follow();
    const call = await from.nextCall(X509);
    call.send(x509Response([]));
    expect(await one.next()).toEqual({
      kind: 'waiting',
      reason: 'a message of the agent was discarded: the message has no SVID',
      sinceMs: 1_000,
    });
    // The stream stands, and its first message has come: nothing is planned.
    expect(time.delaysMs).toEqual([]);
    call.send(x509Response([svidMessage(ID)]));
    await one.reach('current');
  });

  it('WA-158 has no bundle of a trust domain that the last message does not have', async () => {
    const federated = { 'spiffe://partner.example': partnerRoot.der, 'spiffe://second.example': partnerRoot.der };
    const { one, call } = await followCurrent({}, x509Response([svidMessage(ID)], { federated }));
    call.send(x509Response([svidMessage(ID)], { federated: { 'spiffe://second.example': partnerRoot.der } }));
    expect(domainsOf((await one.reach('current')).materials)).toEqual(['ai.example', 'second.example']);
    call.send(x509Response([svidMessage(ID)]));
    expect(domainsOf((await one.reach('current')).materials)).toEqual(['ai.example']);
  });

  it('WA-159 never takes a second bundle for our own trust domain, and reports what it did not take', async () => {
    const federated = { 'spiffe://ai.example': partnerRoot.der, 'spiffe://partner.example/x': partnerRoot.der };
    const { one } = await followCurrent({}, x509Response([svidMessage(ID)], { federated }));
    const { state } = one.source;
    if (state.kind !== 'current') throw new Error(state.kind);
    expect([...state.materials.bundles.values()].map(({ authorities }) => authorities[0]?.sha256)).toEqual([
      root.sha256,
    ]);
    expect(one.reports).toMatchObject([
      { kind: 'bundle-rejected', method: X509, rejected: { key: 'spiffe://ai.example', trustDomain: 'ai.example' } },
      { kind: 'bundle-rejected', method: X509, rejected: { key: 'spiffe://partner.example/x', trustDomain: null } },
    ]);
    expect([one.source.rejectedBundles, one.source.discardedMessages]).toEqual([2, 0]);
  });

  it('WA-160 takes the first of two SVIDs with the same hint, and the first of all without one', async () => {
    const svids = [
      svidMessage(OTHER_ID, { hint: 'b' }),
      svidMessage(ID, { hint: 'a' }),
      svidMessage(OTHER_ID, { hint: 'a' }),
    ];
    const { one, from } = await followCurrent({ select: { spiffeId: null, hint: 'a' } }, x509Response(svids));
    const { state } = one.source;
    expect(state.kind === 'current' ? [idOf(state.materials), state.materials.hint] : state).toEqual([ID, 'a']);
    const byDefault = follow();
    (await from.nextCall(X509)).send(x509Response(svids));
    expect(idOf((await byDefault.reach('current')).materials)).toBe(OTHER_ID);
  });

  it('WA-161 loses nothing over a response of 50 MB, and asks again', async () => {
    const { one, call, from } = await followCurrent();
    call.send(Buffer.alloc(50 * 1024 * 1024));
    const state = await one.reach('stale');
    expect(state.reason).toContain('sends more than is read');
    (await retry(from)).send(x509Response([svidMessage(ID)]));
    await one.reach('current');
  });

  it('WA-161 discards a message with ten thousand bundles', async () => {
    const { one, call } = await followCurrent();
    const federated = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`td-${n}`, Buffer.from('x')]));
    call.send(x509Response([svidMessage(ID)], { federated }));
    await one.reported(1);
    expect([one.source.state.kind, one.source.discardedMessages]).toEqual(['current', 1]);
  });
});

describe('source: withdrawal', () => {
  it('WA-156 gives up everything with PermissionDenied, asks again, and takes what comes then', async () => {
    const { one, call, from } = await followCurrent();
    call.end(STATUS.permissionDenied, 'no identity issued');
    const state = await one.reach('withdrawn');
    expect(state).toMatchObject({ sinceMs: 1_000, nextAttemptMs: 1_100 });
    expect(state.reason).toContain('has nothing for this workload');
    expect('materials' in state).toBe(false);
    (await retry(from)).end(STATUS.permissionDenied, 'no identity issued');
    expect(await one.reach('withdrawn')).toMatchObject({ sinceMs: 1_000, nextAttemptMs: 1_300 });
    (await retry(from)).send(x509Response([svidMessage(ID)]));
    await one.reach('current');
  });

  it('WA-156 asks an agent that denies us ever more seldom: it has to find out each time who we are', async () => {
    const { one, call, from } = await followCurrent();
    const delays: number[] = [];
    let stream = call;
    for (let attempt = 0; attempt < 11; attempt += 1) {
      stream.end(STATUS.permissionDenied);
      await one.reach('withdrawn');
      delays.push(plannedMs());
      stream = await retry(from);
    }
    expect(delays).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
  });

  it('WA-156 does not come to life again because the agent goes away after PermissionDenied', async () => {
    const { one, call } = await followCurrent();
    call.end(STATUS.permissionDenied);
    const { reason } = await one.reach('withdrawn');
    await stopAgent();
    time.advance(plannedMs());
    expect(await one.next()).toMatchObject({ kind: 'withdrawn', reason, sinceMs: 1_000 });
  });

  it('WA-158 gives up everything when our SVID is not in the message, and takes it back with a later one', async () => {
    const select = { spiffeId: parseSpiffeId(ID), hint: null };
    const { one, call } = await followCurrent({ select });
    call.send(x509Response([svidMessage(OTHER_ID)]));
    expect(await one.next()).toEqual({
      kind: 'withdrawn',
      reason: `the agent gives no SVID for \`${ID}\`; it gives \`${OTHER_ID}\``,
      sinceMs: 1_000,
      nextAttemptMs: null,
    });
    expect(time.delaysMs).toEqual([]);
    call.send(x509Response([svidMessage(OTHER_ID), svidMessage(ID)]));
    expect(idOf((await one.reach('current')).materials)).toBe(ID);
  });

  it('refuses an SVID of another trust domain, and says so', async () => {
    const from = await listen();
    const one = follow();
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
    const from = await listen();
    const early = follow();
    (await from.nextCall(X509)).end(status, 'no');
    expect(await early.next()).toMatchObject({ kind: 'stopped' });
    const late = follow();
    const call = await from.nextCall(X509);
    call.send(x509Response([svidMessage(ID)]));
    await late.reach('current');
    call.end(status, 'no');
    expect(await late.next()).toMatchObject({ kind: 'stale', nextAttemptMs: null });
    expect(time.delaysMs).toEqual([]);
    time.advance(DAY_MS);
    expect([early.told, late.told, from.pendingCalls(X509)]).toEqual([[], [], 0]);
  });
});

describe('source: an agent that goes away', () => {
  it('says where it looks for a socket that is not there, and finds it when it comes', async () => {
    const one = follow();
    expect(await one.next()).toEqual({
      kind: 'waiting',
      reason: `there is no socket at \`unix://${directory.path}/agent.sock\`; is the agent running, and is its socket directory mounted here?`,
      sinceMs: 1_000,
    });
    const from = await listen();
    (await retry(from)).send(x509Response([svidMessage(ID)]));
    await one.reach('current');
  });

  it('looks at least every second for an agent that is not there yet', async () => {
    const one = follow();
    await one.next();
    const delays: number[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1) {
      delays.push(plannedMs());
      // It ends for the same reason as the one before, of which nobody is told twice.
      time.advance(plannedMs());
      await until(isPlanned);
    }
    expect(delays).toEqual([100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000]);
    expect(one.told).toEqual([]);
  });

  it('holds what it had while the agent is away, and says since when and until when', async () => {
    const { one, call } = await followCurrent();
    const { state: before } = one.source;
    time.advance(60_000);
    call.end(STATUS.unavailable, 'shutting down');
    const state = await one.reach('stale');
    expect(state.materials).toEqual(before.kind === 'current' ? before.materials : null);
    expect(state).toMatchObject({ receivedMs: 1_000, sinceMs: 61_000, nextAttemptMs: 61_100 });
    expect(state.reason).toContain('UNAVAILABLE `shutting down`');
    await stopAgent();
    time.advance(plannedMs());
    const later = await one.reach('stale');
    expect(later).toMatchObject({ receivedMs: 1_000, sinceMs: 61_000, nextAttemptMs: 61_300 });
    expect(later.reason).toContain('there is no socket at');
  });

  it('finds the agent again after every restart, also when its socket file is another, and never lacks an identity', async () => {
    const { one } = await followCurrent();
    for (let restart = 0; restart < 4; restart += 1) {
      time.advance(15_000);
      await stopAgent();
      expect((await one.next()).kind).toBe('stale');
      // While it is away, a file may lie where its socket was.
      if (restart === 2) {
        writeFileSync(join(directory.path, 'agent.sock'), '');
        time.advance(plannedMs());
        expect(await one.reach('stale')).toMatchObject({
          reason: expect.stringContaining('nobody listens at') as string,
        });
        rmSync(join(directory.path, 'agent.sock'));
      }
      const from = await listen();
      const call = await retry(from);
      for (const leaf of [issueSvid(root, ID), issueSvid(root, ID), issueSvid(root, ID)]) {
        call.send(x509Response([svidMessage(ID, { chain: leaf.der, privateKey: pkcs8(leaf) })]));
        const state = await one.next();
        expect(state.kind === 'current' ? state.materials.identity.svid.leafSha256 : state).toBe(leaf.sha256);
        time.advance(5_000);
      }
      // It has proven itself: the wait begins anew.
      expect(time.delaysMs).toEqual([]);
    }
  });

  it('goes on when an agent takes the connection and says nothing', async () => {
    const server = createServer();
    const connected = new Promise<Socket>((resolve) => {
      server.once('connection', resolve);
    });
    await new Promise<void>((resolve) => {
      server.listen(join(directory.path, 'agent.sock'), resolve);
    });
    const one = follow();
    const socket = await connected;
    const closed = new Promise((resolve) => {
      socket.once('close', resolve);
    });
    time.advance(ANSWER_TIMEOUT_MS);
    expect(await one.next()).toMatchObject({
      kind: 'waiting',
      reason: expect.stringContaining('sent nothing within 10 s') as string,
    });
    await closed;
    await new Promise((resolve) => {
      server.close(resolve);
    });
    const from = await listen();
    (await retry(from)).send(x509Response([svidMessage(ID)]));
    await one.reach('current');
  });

  it('WA-155 waits ever longer for an agent that hangs up 10 ms after each message', async () => {
    const { one, call, from } = await followCurrent();
    const delays: number[] = [];
    let stream = call;
    for (let attempt = 0; attempt < 12; attempt += 1) {
      time.advance(10);
      stream.end(STATUS.ok);
      await one.reach('stale');
      delays.push(plannedMs());
      stream = await retry(from);
      stream.send(x509Response([svidMessage(ID)]));
      await one.reach('current');
    }
    expect(delays).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000]);
  });

  it('WA-155 waits as at first again after a stream that lasted', async () => {
    const { one, call, from } = await followCurrent();
    let stream = call;
    const delays: number[] = [];
    for (const lastedMs of [10, 10, 4_999, 5_000, 10]) {
      time.advance(lastedMs);
      stream.end(STATUS.ok);
      await one.reach('stale');
      delays.push(plannedMs());
      stream = await retry(from);
      stream.send(x509Response([svidMessage(ID)]));
      await one.reach('current');
    }
    expect(delays).toEqual([100, 200, 400, 100, 200]);
  });

  it('WA-155 does not take for proven a stream that lasted and brought nothing of use', async () => {
    const from = await listen();
    const one = follow();
    const delays: number[] = [];
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const call = attempt === 0 ? await from.nextCall(X509) : await retry(from);
      call.send(x509Response([]));
      await one.reported(attempt + 1);
      time.advance(60_000);
      call.end(STATUS.ok);
      await until(isPlanned);
      delays.push(plannedMs());
    }
    expect(delays).toEqual([100, 200, 400]);
  });

  it('WA-155 spreads its attempts by chance', async () => {
    const numbers = [0.5, 0.25, 0];
    const { one, call, from } = await followCurrent({ random: () => numbers.shift() ?? 1 });
    call.end(STATUS.ok);
    expect(await one.reach('stale')).toMatchObject({ nextAttemptMs: 1_050 });
    (await retry(from)).end(STATUS.ok);
    expect(await one.reach('stale')).toMatchObject({ nextAttemptMs: 1_100 });
    (await retry(from)).end(STATUS.ok);
    expect(await one.reach('stale')).toMatchObject({ nextAttemptMs: 1_100 });
  });

  it.each<[string, number, number]>([
    ['a quarter of what our SVID has left', 40_000, 10_000],
    ['a second when it has expired', -60_000, 1_000],
  ])('waits at most %s', async (_name, leftMs, expectedMs) => {
    const notAfterMs = Math.floor((time.clock.wallMs() + leftMs) / 1000) * 1000;
    const spec = { notBefore: new Date(notAfterMs - 3_600_000), notAfter: new Date(notAfterMs) };
    const { one } = await followCurrent({}, x509Response([svidMessage(ID, {}, spec)]));
    await stopAgent();
    await one.reach('stale');
    // The wall clock stands still, so that what is left stays what it was.
    for (let attempt = 0; attempt < 9; attempt += 1) {
      const delayMs = plannedMs();
      time.advance(delayMs);
      time.wallOffsetMs -= delayMs;
      await one.reach('stale');
    }
    expect(plannedMs()).toBeGreaterThan(expectedMs - 1_000);
    expect(plannedMs()).toBeLessThanOrEqual(expectedMs);
  });
});

describe('source: JWT bundles', () => {
  const both = { 'spiffe://ai.example': jwks('a'), 'spiffe://partner.example': jwks('b') };

  async function followBoth(): Promise<{
    readonly one: Followed;
    readonly x509: AgentCall;
    readonly jwt: AgentCall;
    readonly from: FakeAgent;
  }> {
    const { one, call, from } = await followCurrent({ jwtBundles: true });
    const jwt = await from.nextCall(JWT);
    jwt.send(jwtResponse(both));
    await one.reach('current');
    return { one, x509: call, jwt, from };
  }

  it('joins them to the X.509 bundles of the same trust domain, and stands for itself where there is none', async () => {
    const { one } = await followBoth();
    const { state } = one.source;
    if (state.kind !== 'current') throw new Error(state.kind);
    expect(keysOf(state.materials)).toEqual([
      ['ai.example', ['a']],
      ['partner.example', ['b']],
    ]);
    const bundles = [...state.materials.bundles.values()];
    expect(bundles.map(({ authorities }) => authorities.length)).toEqual([1, 0]);
    expect(state.materials.jwtBundles?.kind).toBe('current');
  });

  it('tells of no JWT bundles while there is no SVID', async () => {
    const from = await listen();
    const one = follow({ jwtBundles: true });
    const x509 = await from.nextCall(X509);
    (await from.nextCall(JWT)).send(jwtResponse(both));
    await until(() => time.delaysMs.length === 1);
    x509.end(STATUS.permissionDenied);
    expect((await one.next()).kind).toBe('withdrawn');
    (await retry(from)).send(x509Response([svidMessage(ID)]));
    const { materials } = await one.reach('current');
    expect(keysOf(materials)).toEqual([
      ['ai.example', ['a']],
      ['partner.example', ['b']],
    ]);
  });

  it('WA-158 has no keys that the last message does not have', async () => {
    const { one, jwt } = await followBoth();
    jwt.send(jwtResponse({ 'spiffe://partner.example': jwks('c') }));
    expect(keysOf((await one.reach('current')).materials)).toEqual([
      ['ai.example', []],
      ['partner.example', ['c']],
    ]);
  });

  it('WA-156 gives up the keys alone when the agent denies them', async () => {
    const { one, jwt, from } = await followBoth();
    jwt.end(STATUS.permissionDenied, 'no');
    const { materials } = await one.reach('current');
    expect(keysOf(materials)).toEqual([['ai.example', []]]);
    expect(materials.jwtBundles).toMatchObject({ kind: 'withdrawn', nextAttemptMs: 1_100 });
    (await retry(from, JWT)).send(jwtResponse(both));
    expect(keysOf((await one.reach('current')).materials)).toEqual([
      ['ai.example', ['a']],
      ['partner.example', ['b']],
    ]);
  });

  it('WA-156 serves X.509 with an agent that has no JWT bundles, and asks it no more', async () => {
    const { one, call, from } = await followCurrent({ jwtBundles: true });
    (await from.nextCall(JWT)).end(STATUS.unimplemented, 'unknown method');
    const { materials } = await one.reach('current');
    expect(materials.jwtBundles).toMatchObject({
      kind: 'stopped',
      reason: expect.stringContaining('FetchJWTBundles') as string,
    });
    expect(keysOf(materials)).toEqual([['ai.example', []]]);
    expect(time.delaysMs).toEqual([]);
    call.send(x509Response([svidMessage(OTHER_ID)]));
    expect(idOf((await one.reach('current')).materials)).toBe(OTHER_ID);
  });

  it('keeps the keys while the stream is away, as it keeps the SVID', async () => {
    const { one, jwt } = await followBoth();
    jwt.end(STATUS.unavailable);
    const { materials } = await one.reach('current');
    expect(keysOf(materials)).toEqual([
      ['ai.example', ['a']],
      ['partner.example', ['b']],
    ]);
    expect(materials.jwtBundles?.kind).toBe('stale');
  });

  it('WA-157 counts a broken message of either stream, and keeps what it had', async () => {
    const { one, x509, jwt } = await followBoth();
    const before = one.source.state;
    jwt.send(jwtResponse({ 'spiffe://ai.example': '{' }));
    x509.send(x509Response([]));
    await one.reported(2);
    expect(one.source.state).toBe(before);
    expect(one.source.discardedMessages).toBe(2);
    expect(new Set(one.reports.map(({ method }) => method))).toEqual(new Set([JWT, X509]));
  });

  it('gives up the keys with the SVID', async () => {
    const { one, x509 } = await followBoth();
    x509.end(STATUS.permissionDenied);
    expect('materials' in (await one.reach('withdrawn'))).toBe(false);
  });
});

describe('source: the end', () => {
  it('hears nothing after it is closed, plans nothing, and leaves no connection', async () => {
    const { one, call, from } = await followCurrent({ jwtBundles: true });
    const jwt = await from.nextCall(JWT);
    one.source.close();
    await Promise.all([call.closed, jwt.closed]);
    expect([one.told, time.delaysMs, one.source.state.kind]).toEqual([[], [], 'current']);
  });

  it.each<[string, 'none' | 'silent' | 'speaking']>([
    ['there is no agent', 'none'],
    ['the agent takes the connection and says nothing', 'silent'],
    ['the agent has sent an SVID', 'speaking'],
  ])('leaves nothing that keeps a process from ending when %s', async (_name, kind) => {
    const silent = createServer();
    if (kind === 'silent') {
      await new Promise<void>((resolve) => {
        silent.listen(join(directory.path, 'agent.sock'), resolve);
      });
    }
    const from = kind === 'speaking' ? await listen() : null;
    const program = fileURLToPath(new URL('close-source.ts', import.meta.url));
    const child = spawn(process.execPath, [program, join(directory.path, 'agent.sock'), kind], { stdio: 'pipe' });
    void from?.nextCall(X509).then((call) => call.send(x509Response([svidMessage(ID)])));
    if (kind === 'silent') silent.once('connection', (socket) => socket.once('data', () => child.stdin.end()));
    const output: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
    const code = await new Promise((resolve) => {
      child.once('close', resolve);
    });
    silent.close();
    expect([Buffer.concat(output).toString(), code]).toEqual(['closed\n', 0]);
  });

  it('plans nothing when it is closed while it waits for the next attempt', async () => {
    const one = follow();
    await one.next();
    one.source.close();
    expect(time.delaysMs).toEqual([]);
  });

  it('plans nothing when it is closed while it is told of a failure', async () => {
    const { one, call } = await followCurrent();
    one.source.subscribe(() => one.source.close());
    call.end(STATUS.unavailable);
    await one.reach('stale');
    expect(time.delaysMs).toEqual([]);
  });
});
