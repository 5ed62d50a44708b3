// One request as the decision log tells it: a line of JSON with names a reader can search for and lengths a peer cannot choose.

import { escapeJson, quoteJson } from '../core/ascii-json.ts';
import type { Decision, Effect } from '../policy/decision.ts';
import type { LineGatherer } from './line-batch.ts';
import { ABANDONED, type RequestRecord } from './recorder.ts';

const MAX_PATH = 512;
const MAX_AUTHORITY = 261;
const MAX_METHOD = 32;
const DECISION_ID = /^[0-9a-f]{32}$/;
/** Where the trace id is. */
const TRACE_ID_AT = 3;
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;

const MESSAGES: Readonly<Record<Effect, string>> = {
  allow: 'request allowed',
  deny: 'request denied',
  'would-deny': 'request would be denied',
};

/** Up to here a number of nanoseconds is written in whole microseconds and thousandths as JSON writes their sum: 15 digits are exact. */
const EXACT_NANOS = 1e15;
/** More than the numbers of a line and all its constant names take. */
const NUMBERS_BYTES = 512;
/** Without what JSON escapes, and where a query or fragment begins. */
const PLAIN_PATH = /^[ !$->@-[\]-~]*$/;
const NOTHING = Buffer.alloc(0);
const END_OF_UNDECIDED = ascii(`,"policyDigest":null,"msg":"${MESSAGES.deny}"}`);
const NAMES = {
  decision: ascii(',"decisionMicros":'),
  overhead: ascii(',"overheadMicros":'),
  duration: ascii(',"durationMicros":'),
  upstream: ascii(',"upstreamMicros":'),
  requestBytes: ascii(',"requestBytes":'),
  responseBytes: ascii(',"responseBytes":'),
  traceId: ascii(',"traceId":'),
};
/** Principals of whom it is remembered what their lines have in common; beyond that all are forgotten. */
const MAX_REMEMBERED = 256;

/** What a line says by the decision alone: decisions are interned, so it is written once. */
interface DecisionText {
  readonly answer: string;
  readonly end: Buffer;
}

type Repeated = Pick<RequestRecord, 'listener' | 'actor' | 'refusal' | 'method' | 'authority' | 'upgrade' | 'status'>;

/** What lines of one principal mostly have in common, around the path, and of what it was made; longer than a line shows, it is never the same. */
interface RepeatedText extends Repeated {
  /** Of the decision, which is not to be kept for longer than its policy. */
  readonly answer: string;
  readonly before: Buffer;
  readonly behind: Buffer;
}

/** Lines written piece by piece: JSON.stringify(), of an object made for it, takes twice as long as everything here. */
export class DecisionLines {
  readonly #texts = new WeakMap<Decision, DecisionText>();
  readonly #repeated = new Map<string | null, RepeatedText>();
  #time: string | null = null;
  #start: Buffer = NOTHING;

  /**
   * In printable ASCII. null is "there is none"; a duration that was not measured is left out. `time` is when it was over, in RFC 3339.
   * @returns false when there is no room for it in `to`.
   */
  write(request: RequestRecord, time: string, to: LineGatherer): boolean {
    if (time !== this.#time) {
      this.#time = time;
      this.#start = ascii(`{"level":"info","log":"decision","time":${quoteJson(time)},"decisionId":`);
    }
    const { decision } = request;
    const { answer, end } = decision === null ? textOfUndecided(request) : this.#textOf(decision);
    const { before, behind } = this.#repeatedOf(request, answer);
    const path = pathText(request.path);
    const isOurId = DECISION_ID.test(request.decisionId);
    const id = isOurId ? `"${request.decisionId}"` : quoteJson(request.decisionId);
    const trace = traceText(request, isOurId);
    const fixedBytes = this.#start.length + before.length + behind.length + end.length + NUMBERS_BYTES;
    if (!to.begin(fixedBytes + id.length + path.length + trace.length)) return false;
    to.bytes(this.#start);
    to.text(id);
    to.bytes(before);
    to.text(path);
    to.bytes(behind);
    writeMicros(to, NAMES.decision, request.decisionSeconds);
    writeMicros(to, NAMES.overhead, request.overheadSeconds);
    writeMicros(to, NAMES.duration, request.durationSeconds);
    writeMicros(to, NAMES.upstream, request.upstreamSeconds);
    to.bytes(NAMES.requestBytes);
    to.whole(request.requestBytes);
    to.bytes(NAMES.responseBytes);
    to.whole(request.responseBytes);
    to.bytes(NAMES.traceId);
    to.text(trace);
    to.bytes(end);
    to.endLine();
    return true;
  }

  #repeatedOf(request: RequestRecord, answer: string): RepeatedText {
    const known = this.#repeated.get(request.principal);
    if (known?.answer === answer && saysTheSame(known, request)) return known;
    const { listener, principal, actor, refusal, method, authority, upgrade, status } = request;
    const before =
      `,"listener":${quoteJson(listener)},"principal":${orNull(principal)}` +
      (actor === null ? '' : `,"actor":${quoteJson(actor)}`) +
      `${answer},"refusal":${orNull(refusal)},"method":${quoteJson(method.slice(0, MAX_METHOD))},"path":`;
    const behind =
      `,"authority":${quoteJson(authority.slice(0, MAX_AUTHORITY))}` +
      (upgrade === null ? '' : `,"upgrade":${quoteJson(upgrade.slice(0, MAX_METHOD))}`) +
      `,"status":${status}`;
    const asked = {
      method: copyOf(method),
      authority: copyOf(authority),
      upgrade: upgrade === null ? null : copyOf(upgrade),
    };
    const text = { listener, actor, refusal, status, ...asked, answer, before: ascii(before), behind: ascii(behind) };
    if (this.#repeated.size >= MAX_REMEMBERED) this.#repeated.clear();
    this.#repeated.set(principal, text);
    return text;
  }

  #textOf(decision: Decision): DecisionText {
    const known = this.#texts.get(decision);
    if (known !== undefined) return known;
    const { component, target, verb, effect, reason, rule, policyDigest } = decision;
    const text = {
      answer: answerText({ component, target, verb, effect, reason, rule: rule && `${rule.file}:${rule.line}` }),
      end: ascii(`,"policyDigest":${quoteJson(policyDigest)},"msg":"${MESSAGES[effect]}"}`),
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
    end: END_OF_UNDECIDED,
  };
}

function saysTheSame(known: Repeated, request: Repeated): boolean {
  return (
    known.status === request.status &&
    known.method === request.method &&
    known.authority === request.authority &&
    known.listener === request.listener &&
    known.refusal === request.refusal &&
    known.actor === request.actor &&
    known.upgrade === request.upgrade
  );
}

/** A string of its own, and a short one: what was cut from a head would keep all of it in memory, credentials included. */
function copyOf(text: string): string {
  const short = text.slice(0, MAX_AUTHORITY);
  const copy = Buffer.from(short, 'latin1').toString('latin1');
  // Heads are latin1; of anything else a copy would be something else.
  return copy === short ? copy : short;
}

function answerText(answer: Readonly<Record<string, string | null>>): string {
  return `,${escapeJson(JSON.stringify(answer)).slice(1, -1)}`;
}

function orNull(text: string | null): string {
  return text === null ? 'null' : quoteJson(text);
}

/** What the upstream was sent is well formed, and a trace that begins here has the name of the decision: to see that takes less time. */
function traceText({ traceparent, decisionId }: RequestRecord, isOurId: boolean): string {
  if (isOurId && traceparent.startsWith(decisionId, TRACE_ID_AT)) return `"${decisionId}"`;
  return TRACEPARENT.test(traceparent) ? `"${traceparent.slice(TRACE_ID_AT, TRACE_ID_AT + 32)}"` : 'null';
}

function pathText(path: string): string {
  if (path.length <= MAX_PATH && PLAIN_PATH.test(path)) return '"' + path + '"';
  const asked = withoutQuery(path);
  return quoteJson(asked.slice(0, MAX_PATH)) + (asked.length > MAX_PATH ? `,"pathLength":${asked.length}` : '');
}

/** The target of a request that was refused as ambiguous is logged as it came, and may still have its query. */
function withoutQuery(path: string): string {
  const query = path.search(/[?#]/);
  return query === -1 ? path : path.slice(0, query);
}

/** Nothing for what was not measured. */
function writeMicros(to: LineGatherer, name: Buffer, seconds: number): void {
  if (!Number.isFinite(seconds)) return;
  to.bytes(name);
  const nanos = Math.round(seconds * 1e9);
  if (nanos >= 0 && nanos < EXACT_NANOS) to.thousandths(nanos);
  else to.text(JSON.stringify(nanos / 1e3));
}

function ascii(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
