// Instants as people write them: RFC 3339 §5.6, and nothing they could read in two ways.

import { SallyportError } from './error.ts';
import { quote } from './quote.ts';

export class Rfc3339Error extends SallyportError<'invalid-instant'> {}

const DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/**
 * Milliseconds since the Unix epoch; digits beyond milliseconds are cut off, and a leap second is the second after it.
 * @throws {Rfc3339Error}
 */
export function parseRfc3339(text: string): number {
  const match = DATE_TIME.exec(text);
  const refused = new Rfc3339Error(
    'invalid-instant',
    `${quote(text)} is not an instant such as \`2026-03-01T12:00:00Z\``,
  );
  if (match === null) throw refused;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number);
  const [offsetHour, offsetMinute] = match.slice(9, 11).map((digits) => Number(digits ?? 0));
  if (year === undefined || month === undefined || day === undefined) throw refused;
  if (hour === undefined || minute === undefined || second === undefined) throw refused;
  if (offsetHour === undefined || offsetMinute === undefined) throw refused;
  const midnight = new Date(0);
  midnight.setUTCFullYear(year, month - 1, day);
  const isDate = midnight.getUTCMonth() + 1 === month && midnight.getUTCDate() === day;
  if (!isDate || hour > 23 || minute > 59 || second > 60 || offsetHour > 23 || offsetMinute > 59) throw refused;
  const fractionMs = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'));
  const offsetMinutes = (offsetHour * 60 + offsetMinute) * (match[8] === '-' ? -1 : 1);
  return midnight.getTime() + ((hour * 60 + minute - offsetMinutes) * 60 + second) * 1000 + fractionMs;
}

/** In UTC, with milliseconds only where there are any. */
export function formatRfc3339(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
