// Revocations of tests.

import { readEntry } from '../../src/revocation/entry.ts';
import type { Revocation } from '../../src/revocation/revocation.ts';

const AT = '2026-02-28T09:00:00Z';

/** Of one SPIFFE ID or pattern in ai.example. */
export function idRevocation(path: string, expires?: string): Revocation {
  return revocation({ id: `spiffe://ai.example${path}`, ...(expires === undefined ? {} : { expires }) });
}

export function revocation(texts: Readonly<Record<string, string>>): Revocation {
  const reading = readEntry(new Map(Object.entries({ reason: 'key leaked', at: AT, ...texts })), null);
  if (reading.kind === 'problems') throw new Error(JSON.stringify(reading.problems));
  return reading.revocation;
}
