// Times of a certificate's validity: UTCTime until 2049, GeneralizedTime from 2050, both to the second and in UTC.
// RFC 5280 §4.1.2.5

import { DerError } from './der-error.ts';
import { type DerReader, TAG } from './der-reader.ts';

const UTC_TIME = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
const GENERALIZED_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
const FIRST_GENERALIZED_YEAR = 2050;

/**
 * Milliseconds since the Unix epoch.
 * @throws {DerError}
 */
export function readTime(reader: DerReader): number {
  const start = reader.offset;
  if (reader.nextTag === TAG.utcTime) {
    const fields = UTC_TIME.exec(reader.readContent(TAG.utcTime).toString('latin1'));
    if (fields === null) throw new DerError('invalid-time', 'a UTCTime that is not `YYMMDDHHMMSSZ`', start);
    const year = Number(fields[1]);
    return toMs(year < 50 ? 2000 + year : 1900 + year, fields, start);
  }
  const fields = GENERALIZED_TIME.exec(reader.readContent(TAG.generalizedTime).toString('latin1'));
  if (fields === null) throw new DerError('invalid-time', 'a GeneralizedTime that is not `YYYYMMDDHHMMSSZ`', start);
  const year = Number(fields[1]);
  if (year < FIRST_GENERALIZED_YEAR) {
    throw new DerError(
      'invalid-time',
      `a GeneralizedTime of ${year}; years before ${FIRST_GENERALIZED_YEAR} are UTCTime`,
      start,
    );
  }
  return toMs(year, fields, start);
}

function toMs(year: number, fields: RegExpExecArray, offset: number): number {
  const [month, day, hour, minute, second] = [fields[2], fields[3], fields[4], fields[5], fields[6]].map(Number);
  const ms = Date.UTC(year, (month ?? 0) - 1, day, hour, minute, second);
  // Date.UTC carries over: 31 April becomes 1 May. Only what survives the way back was a date.
  const date = new Date(ms);
  const isSame =
    date.getUTCMonth() + 1 === month &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second;
  if (!isSame) throw new DerError('invalid-time', 'a date that does not exist', offset);
  return ms;
}
