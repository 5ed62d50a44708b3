// Every ordered pair of workloads, and of workloads and the outside, with the connections between them.

import type { Cluster } from '../cluster.ts';
import type { CniName } from './cni.ts';
import { formatBounds } from './bounds.ts';
import { connectivity, type Connectivity, type PlacedConnection } from './connectivity.ts';
import type { EnforcementTerms } from './enforcement.ts';
import { groupOutside } from './outside-groups.ts';
import { formatReason } from './reason.ts';

/**
 * Among files, where the CNI seldom is, policies count as enforced unless something shows that they are not; every row says so. A cluster
 * that was read and shows no CNI leaves open what its policies deny.
 */
export function listingTerms(cluster: Cluster, cni: CniName | null): EnforcementTerms {
  return { cni, undetected: cluster.inventory.completeKinds === 'as-given' ? 'assumed' : 'unknown' };
}

/**
 * `[{"src","dst","connections","why"}]`, a row a line: `connections` is `All`, `None`, `Unknown`, `TCP 80,443`, or `TCP 8000-9000, UDP 53`. In
 * the order of sources, then of targets; pods of one workload among themselves are left out. As large as the square of the workloads, and
 * therefore given in pieces.
 */
export function* formatConnections(cluster: Cluster, { cni, isKept }: ConnectionTerms): Iterable<string> {
  const found = connectivity(cluster, listingTerms(cluster, cni));
  const endings = new Endings(found);
  const targets = cluster.workloads.map((workload) => ({
    workload,
    dst: JSON.stringify(workload.ref),
    isWanted: isKept(workload.ref),
  }));
  const rows = new Rows();
  for (const { workload: from, dst: src, isWanted } of targets) {
    const beginning = `{"src":${src},"dst":`;
    for (const { workload: to, dst, isWanted: isTargetWanted } of targets) {
      if (from === to || !(isWanted || isTargetWanted)) continue;
      rows.add(beginning + dst + endings.of(found.between(from, to)));
      if (rows.isFull) yield rows.take();
    }
    if (!isWanted) continue;
    for (const { ref, connection } of groupOutside(found.outside, (part) => found.between(from, part))) {
      rows.add(beginning + JSON.stringify(ref) + endings.of(connection));
    }
  }
  for (const { workload: to, dst, isWanted } of targets) {
    if (!isWanted) continue;
    for (const { ref, connection } of groupOutside(found.outside, (part) => found.between(part, to))) {
      rows.add(`{"src":${JSON.stringify(ref)},"dst":${dst}${endings.of(connection)}`);
    }
    if (rows.isFull) yield rows.take();
  }
  yield rows.end();
}

const FULL_CHARACTERS = 65_536;

/** Rows on their way out, many at a time. */
class Rows {
  #rows: string[] = [];
  #characters = 0;
  #isFirst = true;

  get isFull(): boolean {
    return this.#characters > FULL_CHARACTERS;
  }

  add(row: string): void {
    this.#rows.push(row);
    this.#characters += row.length;
  }

  take(): string {
    if (this.#rows.length === 0) return '';
    const text = (this.#isFirst ? '[\n  ' : ',\n  ') + this.#rows.join(',\n  ');
    this.#rows = [];
    this.#characters = 0;
    this.#isFirst = false;
    return text;
  }

  end(): string {
    const text = this.take();
    return this.#isFirst ? '[]\n' : `${text}\n]\n`;
  }
}

export interface ConnectionTerms {
  readonly cni: CniName | null;
  /** Whether the rows of a workload are wanted, by its reference: `namespace/name[Kind]`. */
  readonly isKept: (ref: string) => boolean;
}

const MAX_REMEMBERED = 20_000;

/** Of rows, behind their ends: most of the many have this in common with others near them. */
class Endings {
  readonly #byConnection = new Map<PlacedConnection, string>();
  readonly #byKey = new Map<string, string>();
  readonly #assumption: readonly string[];

  constructor({ enforcement }: Connectivity) {
    this.#assumption = enforcement.basis === 'assumed' ? [assumptionOf(enforcement.detail)] : [];
  }

  of(connection: PlacedConnection): string {
    const known = this.#byConnection.get(connection);
    if (known !== undefined) return known;
    const ending = this.#byKey.get(connection.key) ?? this.#write(connection);
    remember(this.#byConnection, connection, ending);
    remember(this.#byKey, connection.key, ending);
    return ending;
  }

  #write({ bounds, why }: PlacedConnection): string {
    const reasons = [...why.map(formatReason), ...this.#assumption];
    return `,"connections":${JSON.stringify(formatBounds(bounds))},"why":${JSON.stringify(reasons)}}`;
  }
}

function remember<Key>(known: Map<Key, string>, key: Key, text: string): void {
  if (known.size === MAX_REMEMBERED) known.clear();
  known.set(key, text);
}

export function assumptionOf(detail: string): string {
  return `policies count as enforced: ${detail}`;
}
