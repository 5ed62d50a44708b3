// A revocation list for people, one line an entry, and for programs.

import { stripVTControlCharacters } from 'node:util';
import { escapeJson } from '../core/ascii-json.ts';
import { quote } from '../core/quote.ts';
import { formatRfc3339 } from '../core/rfc3339.ts';
import { formatEntry } from '../revocation/entry.ts';
import { formatIdPattern, type Revocation, revocationKey, type RevocationTarget } from '../revocation/revocation.ts';
import type { Paint } from './paint.ts';
import type { Listing } from './revoke-command.ts';

export interface View {
  readonly nowMs: number;
  /** Whether entries that have expired are shown as well. */
  readonly shows: 'all' | 'unexpired';
}

export function formatList({ entries }: Listing, { nowMs, shows }: View, paint: Paint): string {
  const shown = entries.filter((entry) => shows === 'all' || !isExpired(entry, nowMs)).toSorted(compareEntries);
  const rows = shown.map((entry) => {
    const { target, reason, atMs, expiresMs } = entry;
    const until = expiresMs === null ? 'for ever' : `until ${formatRfc3339(expiresMs)}`;
    const row = [nameOf(target), quote(reason), `since ${formatRfc3339(atMs)}`, until];
    return isExpired(entry, nowMs) ? [...row.slice(0, -1), `${until}, expired`].map((cell) => paint(cell, 'dim')) : row;
  });
  const hidden = entries.length - shown.length;
  const summary = shown.length === 0 ? ['nothing is revoked'] : alignRows(rows);
  const rest = hidden === 0 ? [] : [paint(`${hidden} expired, which --all shows`, 'dim')];
  return [...summary, ...rest, ''].join('\n');
}

export function formatJson({ entries, problems, isWhole }: Listing, { nowMs, shows }: View): string {
  const shown = entries.filter((entry) => shows === 'all' || !isExpired(entry, nowMs)).toSorted(compareEntries);
  const revocations = shown.map((entry) => ({
    key: revocationKey(entry.target),
    ...Object.fromEntries(formatEntry(entry)),
    expired: isExpired(entry, nowMs),
  }));
  return `${escapeJson(JSON.stringify({ whole: isWhole, revocations, problems }))}\n`;
}

/** With what it is and how it is told apart; of outside text only what can be printed. */
export function nameOf(target: RevocationTarget): string {
  switch (target.kind) {
    case 'id':
      return formatIdPattern(target.pattern);
    case 'certificate':
      return `certificate ${target.serialNumber} of the CA with key ${target.issuer}`;
    case 'key':
      return `key ${target.spkiSha256}`;
    case 'token':
      return `token ${quote(target.tokenId)}`;
  }
}

function isExpired({ expiresMs }: Revocation, nowMs: number): boolean {
  return expiresMs !== null && expiresMs <= nowMs;
}

/** Latest first: what somebody looks for is most often what was done last. */
function compareEntries(left: Revocation, right: Revocation): number {
  if (left.atMs !== right.atMs) return right.atMs - left.atMs;
  return revocationKey(left.target) < revocationKey(right.target) ? -1 : 1;
}

function alignRows(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, visibleLength(cell));
  }
  const pad = (cell: string, column: number): string =>
    cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - visibleLength(cell)));
  return rows.map((row) => row.map((cell, at) => (at === row.length - 1 ? cell : pad(cell, at))).join('  '));
}

function visibleLength(text: string): number {
  return stripVTControlCharacters(text).length;
}
