// DER certificates as the Workload API sends them: one after the other, with nothing before, between or behind them.
// SPIFFE_Workload_API.md §5.1

import { DerError } from '../pki/der-error.ts';
import { DerReader, TAG } from '../pki/der-reader.ts';

/** DER, and where it stands: how every message about it begins. */
export interface PlacedDer {
  readonly der: Buffer;
  readonly position: string;
}

const PEM_BEGINNING = Buffer.from('-----BEGIN');

/** @throws {DerError} when the bytes do not end exactly with the last certificate */
export function splitCertificates(source: Uint8Array, origin: string): readonly PlacedDer[] {
  if (isPemText(source)) throw new DerError('unexpected-tag', 'PEM text where DER is expected', 0);
  const reader = new DerReader(Buffer.from(source));
  const certificates: PlacedDer[] = [];
  while (!reader.isAtEnd) {
    const start = reader.offset;
    reader.enter(TAG.sequence);
    const position = `${origin}: certificate ${certificates.length + 1}`;
    certificates.push({ der: reader.bytes.subarray(start, reader.offset), position });
  }
  return certificates;
}

export function isPemText(source: Uint8Array): boolean {
  return PEM_BEGINNING.equals(source.subarray(0, PEM_BEGINNING.length));
}

export function formatDerError({ message, offset }: DerError): string {
  return `${message} (at byte ${offset})`;
}
