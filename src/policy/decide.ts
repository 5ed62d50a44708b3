// The one decide: from a verified principal and a request to the matrix's answer. Pure, never throws, starts from deny.

import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { VERBS, type Decision } from './decision.ts';
import { findOwner } from './id-table.ts';
import { buildRow, judge, rowForUpgrade, type CompiledPolicy, type Principal, type Row } from './matrix.ts';
import { resolveRoute, type FurtherPermission } from './protocol.ts';
import { RequestPath } from './request-path.ts';

/** An HTTP request, or what `toConnect` makes: a connection, which has neither method nor path. */
export interface AuthzRequest {
  /** From a verified SVID only. */
  readonly principal: SpiffeId;
  /** The component that is asked for something. */
  readonly target: string;
  /** Compared exactly. */
  readonly method: string;
  /** As received, beginning with `/`; the caller has refused every path that is not canonical. */
  readonly path: string;
  /** Without `?`. */
  readonly query: string | null;
  /** The protocol the peer asks to switch to, lower case; null for a request that asks for no other. */
  readonly upgrade: string | null;
}

/** The question of a TCP connection. No request is mistaken for it: none has an empty method. */
export function toConnect(principal: SpiffeId, target: string): AuthzRequest {
  return { principal, target, method: '', path: '', query: null, upgrade: null };
}

export function isConnect({ method, path }: Pick<AuthzRequest, 'method' | 'path'>): boolean {
  return method === '' && path === '';
}

export function decide(policy: CompiledPolicy, request: AuthzRequest): Decision {
  return decideFor(policy, classify(policy, request.principal), request);
}

/** What the policy knows about a SPIFFE ID; constant as long as `policy` is, so a connection asks once. */
export function classify(policy: CompiledPolicy, id: SpiffeId): Principal {
  return findOwner(policy.ids, id) ?? policy.stranger;
}

/** `decide` for a principal already classified under the same policy. */
export function decideFor(policy: CompiledPolicy, principal: Principal, request: AuthzRequest): Decision {
  const plain = principal.rows.get(request.target) ?? createRow(policy, principal, request.target);
  if (plain === null) return principal.unknownTarget;
  if (principal.component === null) return plain.refusals['unknown-principal'];
  const row = request.upgrade === null ? plain : rowForUpgrade(plain, request.upgrade);
  const path = new RequestPath(request.path);
  if (isConnect(request)) return judgeVerb(row, CONNECT, request.method, path);
  const resolution = resolveRoute(row.protocol, request, path);
  if (resolution.kind === 'refused') return row.refusals[resolution.reason];
  const decision = judgeVerb(row, resolution.route.verb, request.method, path);
  return resolution.further.length === 0 ? decision : withFurther(row, decision, resolution.further);
}

/** Its index in `VERBS`. */
const CONNECT = VERBS.indexOf('connect');

/** The answer about one verb of one row. */
function judgeVerb(row: Row, verb: number, method: string, path: RequestPath): Decision {
  const cell = row.cells[verb];
  // A verb is an index in VERBS and a row has a cell for each; were it not so, the answer is no.
  return cell === undefined ? row.refusals['unknown-route'] : judge(cell, method, path);
}

/** All permissions are needed, so the most severe answer stands; of equals, the first. */
function withFurther(row: Row, first: Decision, further: readonly FurtherPermission[]): Decision {
  let decision = first;
  for (const { verb, method, path } of further) {
    const next = judgeVerb(row, verb, method, path);
    if (SEVERITY[next.effect] > SEVERITY[decision.effect]) decision = next;
  }
  return decision;
}

const SEVERITY = { allow: 0, 'would-deny': 1, deny: 2 } as const;

/** The row of a target that no rule of the principal names, kept so that its decisions are interned too. Null when the policy has no such target. */
function createRow(policy: CompiledPolicy, principal: Principal, target: string): Row | null {
  const protocol = policy.protocolOf.get(target);
  if (protocol === undefined) return null;
  const { component } = principal;
  const row = buildRow([], protocol, { component, target, mode: policy.mode, digest: policy.digest });
  principal.rows.set(target, row);
  return row;
}
