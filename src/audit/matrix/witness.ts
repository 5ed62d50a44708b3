// Somebody who gets through, or does not: from which pod to which, at which port, and by which rule of which policy.

import type { Json } from '../finding.ts';
import { connectionsTo, formatConnections, intersect, isNone } from '../network/connection-set.ts';
import type { Connectivity } from '../network/connectivity.ts';
import { formatReason, type Effect, type Reason } from '../network/reason.ts';
import type { Workload } from '../workload.ts';
import type { CellPort } from './cell.ts';
import type { EdgeCase, PortVerdict } from './edge.ts';
import { admittedTo, LAYER_NAMES, type LayerOpinion } from './layers.ts';

export interface Witness {
  readonly from: Workload;
  readonly to: Workload;
  readonly verdict: PortVerdict;
  /** Of the network, about this port. */
  readonly reasons: readonly Reason[];
}

/** Null where all that was kept of the sources is the target itself. */
export function findWitness(
  found: Connectivity,
  { sources }: EdgeCase,
  { to, verdict }: { readonly to: Workload; readonly verdict: PortVerdict },
): Witness | null {
  const from = sources.find(({ object }) => object !== to.object);
  if (from === undefined) return null;
  const { why } = found.between(from, to);
  return { from, to, verdict, reasons: why.flatMap((reason) => narrow(reason, verdict.port)) };
}

const OPENING: ReadonlySet<Effect> = new Set(['open', 'allows', 'beyond-policy', 'not-enforced']);
const CLOSING: ReadonlySet<Effect> = new Set(['denies', 'isolates']);

/** Why it gets through the network: through policy P, rule R, or because none isolates the target. */
export function explainOpening(witness: Witness): readonly string[] {
  return toTexts(witness, ({ effect }) => OPENING.has(effect));
}

export function explainClosing(witness: Witness): readonly string[] {
  return toTexts(witness, ({ effect }) => CLOSING.has(effect));
}

export function explainDoubt(witness: Witness): readonly string[] {
  return toTexts(witness, ({ doubt }) => doubt !== null);
}

/** `ml/train[Job] → ml/api[Deployment] : TCP 8080`. */
export function formatPassage({ from, to, verdict }: Witness): string {
  return `${from.ref} → ${to.ref} : ${formatPort(verdict.port)}`;
}

export function formatPort({ number, besides, protocol }: CellPort): string {
  if (number !== null) return `${protocol} ${number}`;
  return besides === null ? 'any port' : 'undeclared ports';
}

export function witnessToJson(witness: Witness, through: readonly string[]): Json {
  const { from, to, verdict } = witness;
  return {
    from: from.ref,
    to: to.ref,
    port: formatPort(verdict.port),
    through,
    layers: Object.fromEntries([
      ['network', verdict.network],
      ...verdict.guards.map(({ layer, answer }) => [layer, answer] as const),
    ]),
  };
}

/** A layer beside the network, and why it answers so. */
export function explainLayer({ layer, detail }: LayerOpinion): string {
  return `${LAYER_NAMES[layer]}: ${detail}`;
}

function toTexts({ from, to, reasons }: Witness, isWanted: (reason: Reason) => boolean): readonly string[] {
  const texts = reasons.filter(isWanted).map((reason) => {
    if (reason.effect !== 'open' || reason.doubt !== null) return formatReason(reason);
    const { ref } = reason.direction === 'egress' ? from : to;
    return `${reason.direction ?? 'both'}: no policy isolates ${ref}`;
  });
  return [...new Set(texts)];
}

function narrow(reason: Reason, port: CellPort): readonly Reason[] {
  const { number, protocol } = port;
  if (reason.connections === null) return [reason];
  const connections =
    number === null
      ? admittedTo(reason.connections, port)
      : intersect(reason.connections, connectionsTo(protocol, number, number));
  return isNone(connections) ? [] : [{ ...reason, connections }];
}

/** What of any port gets through: of a target that declares none. */
export function formatAdmitted({ bounds }: EdgeCase, { port }: PortVerdict): string {
  if (port.number !== null) return formatPort(port);
  const admitted = formatConnections(admittedTo(bounds.certain, port));
  return port.besides === null ? admitted : `undeclared ${admitted}`;
}
