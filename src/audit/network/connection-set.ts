// Sets of connections: transport protocol and destination port.

export const PROTOCOLS = ['TCP', 'UDP', 'SCTP'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

const MIN_PORT = 1;
export const MAX_PORT = 65_535;

/** Inclusive. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Immutable. Ranges are in order, apart, and never empty, so that equal sets are written alike. */
export type ConnectionSet = Readonly<Record<Protocol, readonly PortRange[]>>;

const FULL: readonly PortRange[] = [{ first: MIN_PORT, last: MAX_PORT }];

export const NO_CONNECTIONS: ConnectionSet = { TCP: [], UDP: [], SCTP: [] };
export const ALL_CONNECTIONS: ConnectionSet = { TCP: FULL, UDP: FULL, SCTP: FULL };

export function isProtocol(text: string): text is Protocol {
  return (PROTOCOLS as readonly string[]).includes(text);
}

export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= MIN_PORT && port <= MAX_PORT;
}

/** `first` to `last` of one protocol; nothing when they are the wrong way round. */
export function connectionsTo(protocol: Protocol, first: number, last: number): ConnectionSet {
  if (first > last) return NO_CONNECTIONS;
  return { ...NO_CONNECTIONS, [protocol]: [{ first, last }] };
}

export function connectionsOf(protocol: Protocol): ConnectionSet {
  return { ...NO_CONNECTIONS, [protocol]: FULL };
}

/** The same ports of every protocol. */
export function connectionsToAnyProtocol(first: number, last: number): ConnectionSet {
  const ranges = first > last ? [] : [{ first, last }];
  return { TCP: ranges, UDP: ranges, SCTP: ranges };
}

export function unite(left: ConnectionSet, right: ConnectionSet): ConnectionSet {
  if (left === right || isNone(right) || isAll(left)) return left;
  if (isNone(left) || isAll(right)) return right;
  return combine(left, right, uniteRanges);
}

export function intersect(left: ConnectionSet, right: ConnectionSet): ConnectionSet {
  if (left === right || isAll(right) || isNone(left)) return left;
  if (isAll(left) || isNone(right)) return right;
  return combine(left, right, intersectRanges);
}

/** What is in `left` and not in `right`. */
export function subtract(left: ConnectionSet, right: ConnectionSet): ConnectionSet {
  if (isNone(left) || isNone(right)) return left;
  if (left === right || isAll(right)) return NO_CONNECTIONS;
  return combine(left, right, subtractRanges);
}

export function isNone(set: ConnectionSet): boolean {
  return set === NO_CONNECTIONS || PROTOCOLS.every((protocol) => set[protocol].length === 0);
}

export function isAll(set: ConnectionSet): boolean {
  return set === ALL_CONNECTIONS || PROTOCOLS.every((protocol) => isFull(set[protocol]));
}

export function isSame(left: ConnectionSet, right: ConnectionSet): boolean {
  return left === right || formatConnections(left) === formatConnections(right);
}

export function includes(set: ConnectionSet, protocol: Protocol, port: number): boolean {
  return set[protocol].some(({ first, last }) => first <= port && port <= last);
}

export function countPorts(set: ConnectionSet, protocol: Protocol): number {
  return set[protocol].reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

/** `All`, `None`, `TCP 80,443`, `TCP 8000-9000, UDP 53`. Equal for equal sets only. */
export function formatConnections(set: ConnectionSet): string {
  if (isNone(set)) return 'None';
  if (isAll(set)) return 'All';
  return PROTOCOLS.filter((protocol) => set[protocol].length > 0)
    .map((protocol) => `${protocol} ${set[protocol].map(formatRange).join(',')}`)
    .join(', ');
}

function formatRange({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}-${last}`;
}

function isFull(ranges: readonly PortRange[]): boolean {
  const [range] = ranges;
  return range !== undefined && range.first === MIN_PORT && range.last === MAX_PORT;
}

type Operation = (left: readonly PortRange[], right: readonly PortRange[]) => readonly PortRange[];

function combine(left: ConnectionSet, right: ConnectionSet, operation: Operation): ConnectionSet {
  const combined = {
    TCP: operation(left.TCP, right.TCP),
    UDP: operation(left.UDP, right.UDP),
    SCTP: operation(left.SCTP, right.SCTP),
  };
  // One object for each extreme keeps the comparisons above cheap.
  if (isNone(combined)) return NO_CONNECTIONS;
  return isAll(combined) ? ALL_CONNECTIONS : combined;
}

function uniteRanges(left: readonly PortRange[], right: readonly PortRange[]): readonly PortRange[] {
  if (left.length === 0 || isFull(right)) return right;
  if (right.length === 0 || isFull(left)) return left;
  const united: PortRange[] = [];
  for (const range of [...left, ...right].sort((a, b) => a.first - b.first)) {
    const before = united.at(-1);
    if (before === undefined || range.first > before.last + 1) united.push(range);
    else if (range.last > before.last) united[united.length - 1] = { first: before.first, last: range.last };
  }
  return united;
}

function intersectRanges(left: readonly PortRange[], right: readonly PortRange[]): readonly PortRange[] {
  return left.flatMap((a) =>
    right.flatMap((b) => {
      const first = Math.max(a.first, b.first);
      const last = Math.min(a.last, b.last);
      return first > last ? [] : [{ first, last }];
    }),
  );
}

function subtractRanges(left: readonly PortRange[], right: readonly PortRange[]): readonly PortRange[] {
  let rest = left;
  for (const hole of right) {
    rest = rest.flatMap(({ first, last }) => {
      if (hole.last < first || hole.first > last) return [{ first, last }];
      const parts: PortRange[] = [];
      if (hole.first > first) parts.push({ first, last: hole.first - 1 });
      if (hole.last < last) parts.push({ first: hole.last + 1, last });
      return parts;
    });
  }
  return rest;
}
