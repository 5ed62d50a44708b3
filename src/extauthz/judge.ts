// One check from what is told to what is answered: who asks, for what, the one decide, and the record of it.

import { enforce } from '../proxy/enforce.ts';
import { toAuthzRequest } from '../proxy/authz-request.ts';
import { type Refusal, statusOfRefusal } from '../proxy/refusal.ts';
import type { Decision } from '../policy/decision.ts';
import type { AuthzRequest } from '../policy/decide.ts';
import type { CachePartition } from '../policy/decision-cache.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { type AskedRequest, readAskedRequest, type ToldRequest } from './asked-request.ts';
import { Prover, type ToldPeer } from './prover.ts';
import type { ServedComponents, ServiceContext } from './service.ts';

export interface Question {
  readonly peer: ToldPeer;
  /** Null when the data plane names none. */
  readonly component: string | null;
  readonly request: ToldRequest;
  /** Why it is not answered whoever asks; found while it was read. */
  readonly flaw: Refusal | null;
}

/** In monotonic time. */
export interface Timing {
  readonly receivedMs: number;
  /** From then on nobody waits for the answer; infinite where nobody says. */
  readonly deadlineMs: number;
}

export type Ruling =
  | {
      readonly kind: 'permitted';
      readonly decisionId: string;
      readonly principal: SpiffeId;
      /** The principal's. */
      readonly component: string;
    }
  | { readonly kind: 'refused'; readonly decisionId: string; readonly refusal: Refusal };

/** What is known of a check by the time it is answered. */
interface Findings {
  principal: SpiffeId | null;
  target: string | null;
  asked: Extract<AskedRequest, { kind: 'asked' }> | null;
  decision: Decision | null;
  decisionSeconds: number;
}

const STATUS_OK = 200;

export class Judge {
  readonly #context: ServiceContext;
  readonly #prover: Prover;

  constructor(context: ServiceContext) {
    this.#context = context;
    this.#prover = new Prover(context.sources, context.authorizer, context.onNoIdentity);
  }

  /** Answers and records; each question once. */
  judge(question: Question, timing: Timing): Ruling {
    const { served, decisionIds, sources } = this.#context;
    const decisionId = decisionIds.next();
    const target = served.kind === 'one' ? served.component : null;
    const found: Findings = { principal: null, target, asked: null, decision: null, decisionSeconds: Number.NaN };
    let refusal = this.#consider(question, found);
    // Also when it has been an allow: whoever asked has given up, and must not find a permission in a late answer.
    if (sources.clock.monotonicMs() >= timing.deadlineMs) refusal = 'decision-late';
    this.#record(decisionId, found, refusal, timing.receivedMs);
    if (refusal !== null) return { kind: 'refused', decisionId, refusal };
    if (found.principal === null || found.decision === null) throw new TypeError('permitted without a decision');
    return {
      kind: 'permitted',
      decisionId,
      principal: found.principal,
      component: found.decision.component ?? 'unknown',
    };
  }

  /** Null only where a decision permits. */
  #consider(question: Question, found: Findings): Refusal | null {
    const proof = this.#prover.prove(question.peer);
    if (proof.kind === 'refused') return proof.refusal;
    const { svid, partition } = proof;
    found.principal = svid.id;
    const asked = question.flaw === null ? readAskedRequest(question.request) : null;
    if (asked === null) return question.flaw;
    if (asked.kind === 'refused') return asked.refusal;
    found.asked = asked;
    const component = chooseComponent(this.#context.served, question.component);
    if (component === null) return 'no-route';
    found.target = component;
    found.decision = this.#decide(partition, toAuthzRequest(svid.id, asked, { component }), found);
    return enforce(found.decision).effect === 'deny' ? 'denied' : null;
  }

  #decide(partition: CachePartition, request: AuthzRequest, found: Findings): Decision {
    const { authorizer, timedDecisions, sources } = this.#context;
    if (!timedDecisions.take()) return authorizer.decide(partition, request);
    const startMs = sources.clock.monotonicMs();
    const decision = authorizer.decide(partition, request);
    found.decisionSeconds = (sources.clock.monotonicMs() - startMs) / 1000;
    return decision;
  }

  #record(decisionId: string, found: Findings, refusal: Refusal | null, receivedMs: number): void {
    const { name, recorder, sources } = this.#context;
    const { principal, target, asked, decision, decisionSeconds } = found;
    const durationSeconds = (sources.clock.monotonicMs() - receivedMs) / 1000;
    recorder.request({
      listener: name,
      decision,
      target,
      refusal,
      decisionId,
      principal,
      actor: null,
      method: asked?.method ?? '',
      path: asked?.path ?? '',
      authority: asked?.authority ?? '',
      upgrade: asked?.upgrade ?? null,
      status: refusal === null ? STATUS_OK : statusOfRefusal(refusal),
      traceparent: '',
      decisionSeconds,
      overheadSeconds: durationSeconds,
      durationSeconds,
      upstreamSeconds: Number.NaN,
      requestBytes: 0,
      responseBytes: 0,
    });
  }
}

/** Null for one that is not served here, and where one has to be named and is not. */
function chooseComponent(served: ServedComponents, named: string | null): string | null {
  switch (served.kind) {
    case 'one':
      return named === null || named === served.component ? served.component : null;
    case 'named':
      return named !== null && served.components.has(named) ? named : null;
  }
}
