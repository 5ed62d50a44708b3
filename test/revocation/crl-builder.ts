// Revocation lists for tests, right by default and wrong wherever a test says so; see certificate-builder.ts for the certificates.
//
//   makeCrl(root, { entries: [{ serial: serialOf(leaf) }] })                   // version 2, signed with the root's key
//   makeCrl(root, { entries: [{ serial, extensions: [reasonCode(1)] }] })      // keyCompromise
//   makeCrl(root, { keys: stranger.keys })                                     // in the root's name, and not by it

import { sign } from 'node:crypto';
import { parseCertificate } from '../../src/pki/certificate.ts';
import {
  type ExtensionSpec,
  extensionDer,
  type KeyPair,
  nameDer,
  type NameSpec,
  type TestCertificate,
} from '../support/certificate-builder.ts';
import {
  bitString,
  contextOf,
  integer,
  nullValue,
  objectIdentifier,
  sequence,
  time,
  tlv,
} from '../support/der-writer.ts';

export interface CrlEntrySpec {
  /** Content octets of the INTEGER. */
  readonly serial: Buffer;
  readonly at?: Date | Buffer;
  readonly extensions?: readonly ExtensionSpec[];
}

export interface CrlSpec {
  /** 1 writes no version. */
  readonly version?: number;
  /** `[]` leaves the list out, unless `hasEmptyList`. */
  readonly entries?: readonly CrlEntrySpec[];
  readonly hasEmptyList?: boolean;
  readonly issuerName?: NameSpec;
  readonly thisUpdate?: Date | Buffer;
  readonly nextUpdate?: Date | Buffer | null;
  readonly extensions?: readonly ExtensionSpec[];
  /** That sign; by default those of the issuer. */
  readonly keys?: KeyPair;
  /** AlgorithmIdentifier inside the signed bytes; by default that outside. */
  readonly innerAlgorithm?: Buffer;
  readonly algorithm?: Buffer;
  readonly editSignedBytes?: (tbs: Buffer) => Buffer;
  readonly editDer?: (der: Buffer) => Buffer;
}

export const CRL_OID = {
  number: '2.5.29.20',
  reasonCode: '2.5.29.21',
  holdInstruction: '2.5.29.23',
  invalidityDate: '2.5.29.24',
  deltaIndicator: '2.5.29.27',
  issuingDistributionPoint: '2.5.29.28',
  certificateIssuer: '2.5.29.29',
  authorityKeyIdentifier: '2.5.29.35',
  freshest: '2.5.29.46',
} as const;

export function makeCrl(issuer: TestCertificate, spec: CrlSpec = {}): Buffer {
  const { version = 2, entries = [], extensions = [], nextUpdate = new Date(Date.now() + 3_600_000) } = spec;
  const keys = spec.keys ?? issuer.keys;
  const algorithm = spec.algorithm ?? algorithmOf(keys);
  const plain = sequence(
    ...(version === 1 ? [] : [integer(version - 1)]),
    spec.innerAlgorithm ?? algorithm,
    nameDer(spec.issuerName ?? issuer.subject),
    toTime(spec.thisUpdate ?? new Date(Date.now() - 60_000)),
    ...(nextUpdate === null ? [] : [toTime(nextUpdate)]),
    ...(entries.length === 0 && spec.hasEmptyList !== true ? [] : [sequence(...entries.map(entryDer))]),
    ...(extensions.length === 0 ? [] : [contextOf(0, sequence(...extensions.map(extensionDer)))]),
  );
  const tbs = spec.editSignedBytes === undefined ? plain : spec.editSignedBytes(plain);
  const hash = keys.privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  const der = sequence(tbs, algorithm, bitString(sign(hash, tbs, keys.privateKey)));
  return spec.editDer === undefined ? der : spec.editDer(der);
}

/** Content octets of its INTEGER. */
export function serialOf({ der }: TestCertificate): Buffer {
  return Buffer.from(parseCertificate(der).serialNumber, 'hex');
}

export function reasonCode(code: number): ExtensionSpec {
  return { oid: CRL_OID.reasonCode, critical: false, value: tlv(0x0a, Buffer.of(code)) };
}

function entryDer({ serial, at = new Date('2026-11-01T00:00:00Z'), extensions = [] }: CrlEntrySpec): Buffer {
  return sequence(
    integer(serial),
    toTime(at),
    ...(extensions.length === 0 ? [] : [sequence(...extensions.map(extensionDer))]),
  );
}

function toTime(moment: Date | Buffer): Buffer {
  return moment instanceof Date ? time(moment) : moment;
}

function algorithmOf({ privateKey }: KeyPair): Buffer {
  const kind = privateKey.asymmetricKeyType;
  if (kind === 'ed25519') return sequence(objectIdentifier('1.3.101.112'));
  if (kind === 'ec') return sequence(objectIdentifier('1.2.840.10045.4.3.2'));
  return sequence(objectIdentifier('1.2.840.113549.1.1.11'), nullValue());
}
