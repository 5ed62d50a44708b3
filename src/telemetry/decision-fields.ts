// One request as the decision log tells it: a line of JSON with names a reader can search for and lengths a peer cannot choose.

import { escapeJson, quoteJson } from '../core/ascii-json.ts';
import type { Decision, Effect } from '../policy/decision.ts';
import { ABANDONED, type RequestRecord } from './recorder.ts';

const MAX_PATH = 512;
const MAX_AUTHORITY = 261;
const MAX_METHOD = 32;
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;

const MESSAGES: Readonly<Record<Effect, string>> = {
  allow: 'request allowed',
  deny: 'request denied',
  'would-deny': 'request would be denied',
};

/** What comes of a number of thousandths behind the whole of it. */
const THOUSANDTHS = Array.from({ length: 1_000 }, (_, rest) => String(rest / 1_000).slice(1));
/** Up to here a number of nanoseconds is written in whole microseconds and thousandths as JSON writes their sum: 15 digits are exact. */
const EXACT_NANOS = 1e15;

/** What a line says by the decision alone: decisions are interned, so it is written once. */
interface DecisionText {
  readonly answer: string;
  readonly end: string;
}

/** Lines written piece by piece: JSON.stringify(), of an object made for it, takes twice as long as everything here. */
export class DecisionLines {
  readonly #texts = new WeakMap<Decision, DecisionText>();
  #time = '';
  #start = '';

  /**
   * In printable ASCII and without the line feed. null is "there is none"; a duration that was not measured is left out. `time` is when it
   * was over, in RFC 3339.
   */
  line(request: RequestRecord, time: string): string {
    if (time !== this.#time) {
      this.#time = time;
      this.#start = `{"level":"info","log":"decision","time":${quoteJson(time)},"decisionId":`;
    }
    const { decision, principal, actor, refusal, upgrade } = request;
    const { answer, end } = decision === null ? textOfUndecided(request) : this.#textOf(decision);
    const path = withoutQuery(request.path);
    const trace = TRACEPARENT.test(request.traceparent) ? `"${request.traceparent.slice(3, 35)}"` : 'null';
    return (
      `${this.#start}${quoteJson(request.decisionId)},"listener":${quoteJson(request.listener)},"principal":${orNull(principal)}` +
      (actor === null ? '' : `,"actor":${quoteJson(actor)}`) +
      `${answer},"refusal":${orNull(refusal)},"method":${quoteJson(request.method.slice(0, MAX_METHOD))}` +
      `,"path":${quoteJson(path.slice(0, MAX_PATH))}${path.length > MAX_PATH ? `,"pathLength":${path.length}` : ''}` +
      `,"authority":${quoteJson(request.authority.slice(0, MAX_AUTHORITY))}` +
      (upgrade === null ? '' : `,"upgrade":${quoteJson(upgrade.slice(0, MAX_METHOD))}`) +
      `,"status":${request.status}` +
      micros('decisionMicros', request.decisionSeconds) +
      micros('overheadMicros', request.overheadSeconds) +
      micros('durationMicros', request.durationSeconds) +
      micros('upstreamMicros', request.upstreamSeconds) +
      `,"requestBytes":${request.requestBytes},"responseBytes":${request.responseBytes},"traceId":${trace}${end}`
    );
  }

  #textOf(decision: Decision): DecisionText {
    const known = this.#texts.get(decision);
    if (known !== undefined) return known;
    const { component, target, verb, effect, reason, rule, policyDigest } = decision;
    const text = {
      answer: answerText({ component, target, verb, effect, reason, rule: rule && `${rule.file}:${rule.line}` }),
      end: `,"policyDigest":${quoteJson(policyDigest)},"msg":"${MESSAGES[effect]}"}`,
    };
    this.#texts.set(decision, text);
    return text;
  }
}

/** Nothing let it through, so it was denied. */
function textOfUndecided({ target, refusal }: RequestRecord): DecisionText {
  const reason = refusal ?? ABANDONED;
  return {
    answer: answerText({ component: null, target, verb: null, effect: 'deny', reason, rule: null }),
    end: `,"policyDigest":null,"msg":"${MESSAGES.deny}"}`,
  };
}

function answerText(answer: Readonly<Record<string, string | null>>): string {
  return `,${escapeJson(JSON.stringify(answer)).slice(1, -1)}`;
}

function orNull(text: string | null): string {
  return text === null ? 'null' : quoteJson(text);
}

/** The target of a request that was refused as ambiguous is logged as it came, and may still have its query. */
function withoutQuery(path: string): string {
  const query = path.search(/[?#]/);
  return query === -1 ? path : path.slice(0, query);
}

/** As JSON writes the quotient; nothing for what was not measured. */
function micros(name: string, seconds: number): string {
  if (!Number.isFinite(seconds)) return '';
  const nanos = Math.round(seconds * 1e9);
  if (!(nanos >= 0 && nanos < EXACT_NANOS)) return `,"${name}":${JSON.stringify(nanos / 1e3)}`;
  const whole = Math.floor(nanos / 1e3);
  return `,"${name}":${whole}${THOUSANDTHS[nanos - whole * 1e3] ?? ''}`;
}
