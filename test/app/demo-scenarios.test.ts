import { describe, expect, it } from 'vitest';
import { DecisionTap, type Observation } from '../../src/app/demo/decision-tap.ts';
import { measureOverhead } from '../../src/app/demo/overhead.ts';
import type { PeerAnswer, PeerClient, PeerRequest } from '../../src/app/demo/peer-client.ts';
import { runScenarios } from '../../src/app/demo/run-scenarios.ts';
import { MODEL, type Scenario, SCENARIOS } from '../../src/app/demo/scenarios.ts';
import type { Service } from '../../src/app/demo/services/service.ts';
import type { RequestRecord } from '../../src/telemetry/recorder.ts';
import { decision, denied, record } from '../telemetry/request-record.ts';

const TRAINING = 'spiffe://ai.example/training/job-1';
const all = SCENARIOS.flatMap(({ scenarios }) => scenarios);
const read = find('training', 'GET');
const write = find('inference', 'PUT');
const stranger = find('no certificate', 'GET');
const NEVER = new AbortController().signal;

function find(who: string, method: string, shown?: string): Scenario {
  const scenario = all.find(
    (candidate) =>
      candidate.who === who && candidate.method === method && (shown ?? candidate.shown) === candidate.shown,
  );
  if (scenario === undefined) throw new Error(`there is no ${who} ${method}`);
  return scenario;
}

const NO_STREAM = (): Promise<never> => Promise.reject(new Error('nobody follows a stream here'));

/** What happens when the one request is asked. */
interface Script {
  readonly answer?: Partial<PeerAnswer> | Error;
  readonly record?: Partial<RequestRecord> | null;
  readonly reached?: number;
}

const CALLER = { spiffeId: TRAINING, component: 'training', decisionId: 'd' };
const ALLOWED: Script = {
  answer: { caller: CALLER, body: MODEL },
  record: { decision: decision() },
  reached: 1,
};
const DENIED: Script = {
  answer: { status: 403, decisionId: 'd' },
  record: { decision: denied({ reason: 'not-granted' }), status: 403 },
};
const REFUSED: Script = {
  answer: { status: 401, decisionId: 'd' },
  record: { refusal: 'no-identity', status: 401 },
};

function play(script: Script) {
  const tap = new DecisionTap(() => ({ reason: 'no-certificate', detail: '' }));
  const requests: PeerRequest[] = [];
  const service = { requests: 0 };
  const client: PeerClient = {
    ask: async (request) => {
      requests.push(request);
      service.requests += script.reached ?? 0;
      if (script.record !== null) tap.request(record({ decisionId: 'd', ...script.record }));
      if (script.answer instanceof Error) throw script.answer;
      return { status: 200, body: Buffer.alloc(0), decisionId: null, caller: null, ...script.answer };
    },
    follow: NO_STREAM,
    close: async () => undefined,
  };
  const real: Service = {
    port: 0,
    get requests() {
      return service.requests;
    },
    close: async () => undefined,
  };
  const services = { registry: real, inference: real, 'inference-grpc': real, 'feature-store': real };
  const tokenOf = async (id: string): Promise<string> => `token of ${id}`;
  return {
    tap,
    services,
    clientFor: () => client,
    callerFor: () => client,
    egress: { client, tap, origin: '' },
    tokenOf,
    requests,
  };
}

async function complaintOf(scenario: Scenario, script: Script): Promise<string | null | undefined> {
  const groups = await runScenarios([{ title: '', scenarios: [scenario] }], play(script), NEVER);
  return groups[0]?.outcomes[0]?.complaint;
}

describe('the outcome of a scenario', () => {
  it.each<[string, Scenario, Script]>([
    ['an allowed request', read, ALLOWED],
    ['a denied one', write, DENIED],
    ['a refused one', stranger, REFUSED],
  ])('is as expected for %s', async (_name, scenario, script) => {
    expect(await complaintOf(scenario, script)).toBeNull();
  });

  it.each<[string, Scenario, Script, string]>([
    ['is allowed instead of denied', write, ALLOWED, 'the status is 200, not 403'],
    ['is denied instead of allowed', read, DENIED, 'the status is 403, not 200'],
    [
      'is forwarded because of shadow mode',
      read,
      { ...ALLOWED, record: { decision: decision({ effect: 'would-deny' }) } },
      'the effect is would-deny, not allow',
    ],
    [
      'is denied for another reason',
      write,
      { ...DENIED, record: { decision: denied(), status: 403 } },
      'the reason is denied-by-rule, not not-granted',
    ],
    [
      'is refused before it is decided',
      write,
      { ...DENIED, record: { refusal: 'no-route' } },
      'the effect is refuse, not deny',
    ],
    [
      'reaches the service although denied',
      write,
      { ...DENIED, reached: 1 },
      'the request reached the service all the same',
    ],
    ['reaches the service twice', read, { ...ALLOWED, reached: 2 }, 'the request reached the service 2 times'],
    [
      'comes to the service in the name of another',
      read,
      {
        ...ALLOWED,
        answer: { caller: { ...CALLER, spiffeId: 'spiffe://ai.example/x' } },
      },
      'the service was told that spiffe://ai.example/x is calling',
    ],
    [
      'comes to the service in nobody’s name',
      read,
      { ...ALLOWED, answer: { caller: { ...CALLER, spiffeId: null } } },
      'the service was told that nobody is calling',
    ],
    [
      'brings back other bytes',
      read,
      { ...ALLOWED, answer: { caller: CALLER, body: MODEL.subarray(1) } },
      'the bytes that came back are not those that were stored',
    ],
    ['is not recorded', read, { ...ALLOWED, record: null }, 'the sidecar recorded no decision for the answer 200'],
    [
      'gets no answer',
      read,
      { answer: Object.assign(new Error('gone'), { code: 'ECONNRESET' }) },
      'there was no answer: ECONNRESET',
    ],
  ])('is not as expected when the request %s', async (_name, scenario, script, complaint) => {
    expect(await complaintOf(scenario, script)).toBe(complaint);
  });

  it('has the status of gRPC where it is a call', async () => {
    const call = find('training', 'POST', 'gRPC ModelInfer');
    const toldSeven = {
      ...DENIED,
      answer: { status: 7, decisionId: 'd' },
      record: { decision: denied(), status: 403 },
    };
    expect(await complaintOf(call, toldSeven)).toBeNull();
    expect(await complaintOf(call, { ...toldSeven, answer: { status: 0, decisionId: 'd' } })).toBe(
      'the status is 0, not 7',
    );
    const [group] = await runScenarios([{ title: '', scenarios: [call] }], play(toldSeven), NEVER);
    expect(group?.outcomes[0]?.actual).toMatchObject({ effect: 'deny', status: 7 });
  });

  it('brings the token, and is then expected in the name of its subject', async () => {
    const scenario = all.find(({ token, as }) => token !== null && as === null);
    if (scenario === undefined) throw new Error('nobody brings a token without a certificate');
    const subject = 'spiffe://ai.example/training/job-2';
    const stage = play({ ...ALLOWED, answer: { caller: { ...CALLER, spiffeId: subject } } });
    const groups = await runScenarios([{ title: '', scenarios: [scenario] }], stage, NEVER);
    expect(groups[0]?.outcomes[0]?.complaint).toBeNull();
    expect(stage.requests[0]?.fields).toEqual({ authorization: `Bearer token of ${subject}` });
    expect(await complaintOf(scenario, ALLOWED)).toBe(`the service was told that ${TRAINING} is calling`);
  });

  it('brings no token where none is meant', async () => {
    const stage = play(ALLOWED);
    await runScenarios([{ title: '', scenarios: [read] }], stage, NEVER);
    expect(stage.requests[0]?.fields).toBeUndefined();
  });

  it('is asked for no more once the demo is to stop', async () => {
    const stop = new AbortController();
    const stage = play(REFUSED);
    stage.tap.listen(() => stop.abort());
    const groups = [{ title: '', scenarios: [stranger, stranger] }];
    await runScenarios(groups, stage, stop.signal);
    expect(await runScenarios(groups, stage, stop.signal)).toEqual([]);
  });
});

describe('the overhead', () => {
  it('is the median and 99th percentile of allowed requests only', async () => {
    const tap = new DecisionTap(() => ({ reason: '', detail: '' }));
    let asked = 0;
    const client: PeerClient = {
      ask: async () => {
        asked += 1;
        const isDenied = asked > 100;
        tap.request(record({ decision: isDenied ? denied() : decision(), overheadSeconds: (101 - asked) / 1e6 }));
        tap.request(record({ decision: decision(), refusal: 'peer-aborted', overheadSeconds: 1 }));
        return { status: 200, body: Buffer.alloc(0), decisionId: null, caller: null };
      },
      follow: NO_STREAM,
      close: async () => undefined,
    };
    const overhead = await measureOverhead(client, { method: 'GET', path: '/' }, { tap, times: 150 });
    expect(overhead).toEqual({ requests: 100, medianSeconds: 50e-6, p99Seconds: 99e-6 });
    tap.request(record({ decision: decision() }));
    expect(overhead?.requests).toBe(100);
  });

  it('is unknown when nothing was allowed', async () => {
    const { tap, clientFor } = play({ record: { decision: denied() } });
    expect(await measureOverhead(clientFor(), { method: 'GET', path: '/' }, { tap, times: 3 })).toBeNull();
  });
});

describe('the tap', () => {
  const observe = (more: Partial<RequestRecord>): Observation | undefined => {
    const tap = new DecisionTap(() => ({ reason: 'revoked', detail: '`spiffe://ai.example/x` is revoked: stolen' }));
    tap.request(record({ decisionId: 'd', ...more }));
    return tap.find('d');
  };

  it.each<[string, Partial<RequestRecord>, Partial<Observation>]>([
    ['an answer', { decision: decision() }, { effect: 'allow', reason: 'allowed-by-rule' }],
    ['a denial', { decision: denied(), status: 403 }, { effect: 'deny', reason: 'denied-by-rule' }],
    ['a stream that is cut', { decision: decision(), refusal: 'revoked' }, { effect: 'cut', reason: 'revoked' }],
    ['a peer that goes away', { decision: decision(), refusal: 'peer-aborted' }, { effect: 'allow' }],
    [
      'a service that does not answer',
      { decision: decision(), refusal: 'upstream-unreachable', status: 502 },
      { effect: 'allow', status: 502 },
    ],
    ['a refused token', { refusal: 'foreign-token', status: 401 }, { effect: 'refuse', reason: 'foreign-token' }],
    [
      'a peer without identity',
      { refusal: 'no-identity', status: 401, principal: null },
      { effect: 'refuse', reason: 'revoked', detail: '`spiffe://ai.example/x` is revoked: stolen' },
    ],
  ])('tells %s from the others', (_name, of, observation) => {
    expect(observe(of)).toMatchObject(observation);
  });

  it('forgets the oldest of many requests', () => {
    const tap = new DecisionTap(() => ({ reason: '', detail: '' }));
    for (let at = 0; at <= 64; at += 1) tap.request(record({ decisionId: `d${at}`, decision: decision() }));
    expect(tap.find('d0')).toBeUndefined();
    expect(tap.find('d1')).toMatchObject({ effect: 'allow' });
  });
});
