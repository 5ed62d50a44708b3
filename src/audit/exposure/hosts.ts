// Names of hosts with wildcards, as routes and listeners have them.

/** Whether two have a host in common; an empty list has all. */
export function sharedHosts(left: readonly string[], right: readonly string[]): readonly string[] | null {
  if (left.length === 0) return right;
  if (right.length === 0) return left;
  const shared = left.flatMap((one) => right.flatMap((other) => sharedHost(one, other) ?? []));
  return shared.length === 0 ? null : [...new Set(shared)];
}

/** The narrower of two that have a host in common. */
function sharedHost(left: string, right: string): string | null {
  if (left === right || right === '*') return left;
  if (left === '*') return right;
  if (right.startsWith('*.') && isBelow(left, right)) return left;
  return left.startsWith('*.') && isBelow(right, left) ? right : null;
}

/** `a.b.example` and `*.b.example` are below `*.example`. */
function isBelow(host: string, wildcard: string): boolean {
  return host.endsWith(wildcard.slice(1)) && host.length > wildcard.length - 1;
}
