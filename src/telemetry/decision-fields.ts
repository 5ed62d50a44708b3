// One request as the decision log tells it: a line of JSON with names a reader can search for and lengths a peer cannot choose.

import type { Effect } from '../policy/decision.ts';
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

/** null is "there is none"; a duration that was not measured is left out. `time` is when it was over, in RFC 3339. */
export function decisionLine(request: RequestRecord, time: string): string {
  const { decision } = request;
  const path = withoutQuery(request.path);
  const effect = effectOf(request);
  return JSON.stringify({
    level: 'info',
    log: 'decision',
    time,
    decisionId: request.decisionId,
    listener: request.listener,
    principal: request.principal,
    actor: request.actor ?? undefined,
    component: decision?.component ?? null,
    target: decision?.target ?? request.target,
    verb: decision?.verb ?? null,
    effect,
    reason: decision?.reason ?? request.refusal ?? ABANDONED,
    rule: decision?.rule ? `${decision.rule.file}:${decision.rule.line}` : null,
    refusal: request.refusal,
    method: request.method.slice(0, MAX_METHOD),
    path: path.slice(0, MAX_PATH),
    pathLength: path.length > MAX_PATH ? path.length : undefined,
    authority: request.authority.slice(0, MAX_AUTHORITY),
    upgrade: request.upgrade?.slice(0, MAX_METHOD),
    status: request.status,
    decisionMicros: toMicros(request.decisionSeconds),
    overheadMicros: toMicros(request.overheadSeconds),
    durationMicros: toMicros(request.durationSeconds),
    upstreamMicros: toMicros(request.upstreamSeconds),
    requestBytes: request.requestBytes,
    responseBytes: request.responseBytes,
    traceId: TRACEPARENT.exec(request.traceparent)?.[1] ?? null,
    policyDigest: decision?.policyDigest ?? null,
    msg: MESSAGES[effect],
  });
}

function effectOf(request: RequestRecord): Effect {
  return request.decision === null ? 'deny' : request.decision.effect;
}

/** The target of a request that was refused as ambiguous is logged as it came, and may still have its query. */
function withoutQuery(path: string): string {
  const query = path.search(/[?#]/);
  return query === -1 ? path : path.slice(0, query);
}

function toMicros(seconds: number): number | undefined {
  return Number.isFinite(seconds) ? Math.round(seconds * 1e9) / 1e3 : undefined;
}
