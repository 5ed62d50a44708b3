// Asks every question of the demo for real, and compares what came of it with what has to.

import { createHash } from 'node:crypto';
import type { SpiffeId } from '../../spiffe/spiffe-id.ts';
import type { Observation } from './decision-tap.ts';
import { IDENTITIES, type IdentityName, WORKLOADS } from './identities.ts';
import { GRPC_LISTENER } from './listeners.ts';
import type { PeerAnswer, PeerClient, PeerRequest } from './peer-client.ts';
import type { Scenario, ScenarioGroup } from './scenarios.ts';
import type { Stage } from './stage.ts';

/** `complaint`: what is not as expected, in words; null when everything is. */
export interface Outcome {
  readonly scenario: Scenario;
  readonly actual: Observation | { readonly effect: 'fail'; readonly reason: string };
  readonly complaint: string | null;
}

export interface OutcomeGroup {
  readonly title: string;
  readonly outcomes: readonly Outcome[];
}

type Scene = Pick<Stage, 'clientFor' | 'callerFor' | 'egress' | 'services' | 'tap' | 'tokenOf'>;

/** One request after another, in order: later ones read what earlier ones wrote. Stops in between when told to. */
export async function runScenarios(
  groups: readonly ScenarioGroup[],
  scene: Scene,
  stop: AbortSignal,
): Promise<readonly OutcomeGroup[]> {
  const ran: OutcomeGroup[] = [];
  for (const { title, scenarios } of groups) {
    const outcomes: Outcome[] = [];
    for (const scenario of scenarios) {
      if (stop.aborted) return ran;
      outcomes.push(await runScenario(scenario, scene));
    }
    ran.push({ title, outcomes });
  }
  return ran;
}

async function runScenario(scenario: Scenario, scene: Scene): Promise<Outcome> {
  const { services, egress } = scene;
  const request = await withToken(scenario, scene);
  const service = services[scenario.to];
  const before = service.requests;
  let answer: PeerAnswer;
  try {
    answer = await askerFor(scenario, scene).ask(request);
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    return { scenario, actual: { effect: 'fail', reason: 'no-answer' }, complaint: `there was no answer: ${why}` };
  }
  // What a program's own sidecar denies goes no further; what it lets through is told by the other one.
  const tap = scenario.through === 'egress' && answer.caller === null ? egress.tap : scene.tap;
  const observation = tap.find(answer.decisionId ?? answer.caller?.decisionId ?? '');
  if (observation === undefined) {
    const complaint = `the sidecar recorded no decision for the answer ${answer.status}`;
    return { scenario, actual: { effect: 'fail', reason: 'no-record' }, complaint };
  }
  const reached = service.requests - before;
  // What is recorded of a denied call is what it would be in HTTP; its peer has the status of gRPC.
  const actual = scenario.to === GRPC_LISTENER ? { ...observation, status: answer.status } : observation;
  return { scenario, actual, complaint: findComplaint(scenario, { answer, observation, reached }) };
}

function askerFor({ as, to, through }: Scenario, { clientFor, callerFor, egress }: Scene): Pick<PeerClient, 'ask'> {
  if (through === 'egress') return egress.client;
  return to === GRPC_LISTENER ? callerFor(as) : clientFor(as, to);
}

async function withToken(scenario: Scenario, { tokenOf }: Scene): Promise<PeerRequest> {
  if (scenario.token === null) return scenario;
  const authorization = `Bearer ${await tokenOf(WORKLOADS[scenario.token].id)}`;
  return { ...scenario, fields: { ...scenario.fields, authorization } };
}

interface Happened {
  readonly answer: PeerAnswer;
  readonly observation: Observation;
  /** Requests that came to the service meanwhile. */
  readonly reached: number;
}

function findComplaint({ expected, as, token }: Scenario, { answer, observation, reached }: Happened): string | null {
  if (answer.status !== expected.status) return `the status is ${answer.status}, not ${expected.status}`;
  if (observation.effect !== expected.effect) return `the effect is ${observation.effect}, not ${expected.effect}`;
  if (observation.reason !== expected.reason) return `the reason is ${observation.reason}, not ${expected.reason}`;
  if (expected.effect !== 'allow') return reached === 0 ? null : 'the request reached the service all the same';
  if (reached !== 1) return `the request reached the service ${reached} times`;
  const id = token === null ? idOf(as) : WORKLOADS[token].id;
  const told = answer.caller?.spiffeId ?? null;
  if (told === null || told !== id) return `the service was told that ${told ?? 'nobody'} is calling`;
  const { sha256 } = expected;
  const isWhole = sha256 === undefined || createHash('sha256').update(answer.body).digest('hex') === sha256;
  return isWhole ? null : 'the bytes that came back are not those that were stored';
}

function idOf(name: IdentityName | null): SpiffeId | null {
  return name === null ? null : IDENTITIES[name].id;
}
