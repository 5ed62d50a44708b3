// Every ordered pair of workloads, and of workloads and the outside, with the connections between them.

import type { Cluster } from '../cluster.ts';
import type { CniName } from './cni.ts';
import { formatBounds } from './bounds.ts';
import { connectivity, type Connectivity, type PlacedConnection } from './connectivity.ts';
import type { EnforcementTerms } from './enforcement.ts';
import { groupOutside } from './outside-groups.ts';
import { formatReason } from './reason.ts';

export interface ConnectionRow {
  /** `namespace/name[Kind]`, `outside` or `outside[10.0.0.0/8]`. */
  readonly src: string;
  readonly dst: string;
  /** `All`, `None`, `Unknown`, `TCP 80,443`, `TCP 8000-9000, UDP 53`. */
  readonly connections: string;
  readonly why: readonly string[];
}

/**
 * Among files, where the CNI seldom is, policies count as enforced unless something shows that they are not; every row says so. A cluster
 * that was read and shows no CNI leaves open what its policies deny.
 */
export function listingTerms(cluster: Cluster, cni: CniName | null): EnforcementTerms {
  return { cni, undetected: cluster.inventory.completeKinds === 'as-given' ? 'assumed' : 'unknown' };
}

/** In the order of sources, then of targets; pods of one workload among themselves are left out. As large as the square of the workloads. */
export function* listConnections(cluster: Cluster, cni: CniName | null = null): Iterable<ConnectionRow> {
  const found = connectivity(cluster, listingTerms(cluster, cni));
  const reasons = new ReasonTexts(found);
  for (const from of cluster.workloads) {
    for (const to of cluster.workloads) {
      if (from !== to) yield toRow(from.ref, to.ref, { connection: found.between(from, to), reasons });
    }
    for (const { ref, connection } of groupOutside(found.outside, (part) => found.between(from, part))) {
      yield toRow(from.ref, ref, { connection, reasons });
    }
  }
  for (const to of cluster.workloads) {
    for (const { ref, connection } of groupOutside(found.outside, (part) => found.between(part, to))) {
      yield toRow(ref, to.ref, { connection, reasons });
    }
  }
}

interface RowContext {
  readonly connection: PlacedConnection;
  readonly reasons: ReasonTexts;
}

function toRow(src: string, dst: string, { connection, reasons }: RowContext): ConnectionRow {
  return { src, dst, connections: formatBounds(connection.bounds), why: reasons.of(connection) };
}

const MAX_REMEMBERED = 20_000;

/** Most of the many rows have reasons in common with others near them. */
class ReasonTexts {
  readonly #byKey = new Map<string, readonly string[]>();
  readonly #assumption: readonly string[];

  constructor({ enforcement }: Connectivity) {
    this.#assumption = enforcement.basis === 'assumed' ? [assumptionOf(enforcement.detail)] : [];
  }

  of(connection: PlacedConnection): readonly string[] {
    const known = this.#byKey.get(connection.key);
    if (known !== undefined) return known;
    const texts = [...connection.why.map(formatReason), ...this.#assumption];
    if (this.#byKey.size === MAX_REMEMBERED) this.#byKey.clear();
    this.#byKey.set(connection.key, texts);
    return texts;
  }
}

export function assumptionOf(detail: string): string {
  return `policies count as enforced: ${detail}`;
}
