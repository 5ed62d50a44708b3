// Certificates from DER: RFC 5280 §4 to the letter, compared with node:crypto, and fuzzed.

import { X509Certificate } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Certificate, parseCertificate } from '../../src/pki/certificate.ts';
import { CertificateError, type CertificateErrorCode } from '../../src/pki/certificate-error.ts';
import { isSignedBy } from '../../src/pki/certificate-signature.ts';
import { formatName, nameAttributes } from '../../src/pki/distinguished-name.ts';
import { findKeyWeakness } from '../../src/pki/public-key.ts';
import {
  basicConstraints,
  type CertificateSpec,
  directoryName,
  dnsName,
  emailName,
  type ExtensionSpec,
  extensionDer,
  ipName,
  issueAuthority,
  issueSvid,
  type KeyKind,
  keyUsage,
  nameConstraints,
  nameDer,
  OID,
  selfSigned,
  subjectAltName,
  type TestCertificate,
  uriName,
} from '../support/certificate-builder.ts';
import {
  bitString,
  boolean,
  context,
  contextOf,
  generalizedTime,
  integer,
  nullValue,
  objectIdentifier,
  octetString,
  sequence,
  set,
  tlv,
  utcTime,
  utf8String,
} from '../support/der-writer.ts';

const ID = 'spiffe://ai.example/training/job-7';
const root = selfSigned();
const leafOf = (spec: CertificateSpec): TestCertificate => issueSvid(root, ID, spec);
const adding =
  (...extensions: readonly ExtensionSpec[]) =>
  (usual: readonly ExtensionSpec[]): readonly ExtensionSpec[] => [
    ...usual.filter(({ oid }) => !extensions.some((extension) => extension.oid === oid)),
    ...extensions,
  ];

function refusal(der: Uint8Array): CertificateErrorCode | 'accepted' {
  try {
    parseCertificate(der);
  } catch (error) {
    if (error instanceof CertificateError) return error.code;
    throw error;
  }
  return 'accepted';
}

/** Puts `replacement` where `found` stands, which has to be of the same length. */
const swapping =
  (found: Buffer, replacement: Buffer) =>
  (bytes: Buffer): Buffer => {
    const start = bytes.indexOf(found);
    if (start < 0 || found.length !== replacement.length) throw new Error('nothing to swap');
    return Buffer.concat([bytes.subarray(0, start), replacement, bytes.subarray(start + found.length)]);
  };

describe('parseCertificate and node:crypto read the same', () => {
  const kinds: readonly KeyKind[] = [
    'P-256',
    'P-384',
    'P-521',
    'RSA-2048',
    'RSA-PSS-2048',
    'Ed25519',
    'Ed448',
    'secp256k1',
  ];
  it.each(kinds)('of a leaf and a CA with keys of kind %s', (keys) => {
    const authority = selfSigned({ keys });
    const names = [uriName(ID), dnsName('job.ai.example'), emailName('job@ai.example'), ipName(10, 0, 0, 7)];
    for (const made of [authority, issueSvid(authority, ID, { keys, names })]) {
      const ours = parseCertificate(made.der);
      const theirs = new X509Certificate(made.der);
      expect(ours.der).toEqual(theirs.raw);
      expect(ours.sha256).toBe(theirs.fingerprint256.replaceAll(':', '').toLowerCase());
      expect(BigInt(`0x${ours.serialNumber}`)).toBe(BigInt(`0x${theirs.serialNumber}`));
      expect(ours.notBeforeMs).toBe(theirs.validFromDate.getTime());
      expect(ours.notAfterMs).toBe(theirs.validToDate.getTime());
      expect(ours.publicKey.der).toEqual(theirs.publicKey.export({ type: 'spki', format: 'der' }));
      expect(ours.extensions.basicConstraints?.isCa).toBe(theirs.ca);
      expect(formatName(ours.subject).split(', ')).toEqual(theirs.subject.split('\n'));
      expect(formatName(ours.issuer).split(', ')).toEqual(theirs.issuer.split('\n'));
    }
  });

  it('of signatures', () => {
    for (const keys of ['P-256', 'RSA-2048', 'Ed25519'] as const) {
      const authorities = [selfSigned({ keys }), selfSigned({ keys: 'P-384' })];
      for (const issuer of authorities) {
        const made = issueSvid(issuer, ID);
        for (const claimed of authorities) {
          const theirs = new X509Certificate(made.der).verify(claimed.keys.publicKey);
          expect(isSignedBy(parseCertificate(made.der), parseCertificate(claimed.der))).toBe(theirs);
          expect(theirs).toBe(claimed === issuer);
        }
      }
    }
  });

  it('of names', () => {
    const { extensions } = parseCertificate(
      leafOf({ names: [uriName(ID), dnsName('a.example'), ipName(10, 0, 0, 7)] }).der,
    );
    expect(extensions.subjectAltName).toEqual({
      critical: false,
      names: [
        { form: 'uri', value: ID },
        { form: 'dns', value: 'a.example' },
        { form: 'ip', octets: Buffer.of(10, 0, 0, 7) },
      ],
    });
  });
});

describe('parseCertificate reads', () => {
  it('every extension that decides', () => {
    const permitted = [
      uriName('.example'),
      dnsName('example'),
      ipName(10, 0, 0, 0, 255, 0, 0, 0),
      directoryName([['O', 'x']]),
    ];
    const { extensions } = parseCertificate(
      selfSigned({
        extensions: adding(
          basicConstraints({ isCa: true, pathLength: 3 }),
          keyUsage(['digitalSignature', 'keyCertSign', 'cRLSign']),
          nameConstraints({ permitted, excluded: [uriName('bad.example')] }, { critical: false }),
          { oid: '1.2.3.4', critical: true, value: nullValue() },
        ),
      }).der,
    );
    expect(extensions.basicConstraints).toEqual({ critical: true, isCa: true, maxPathLength: 3 });
    expect([...(extensions.keyUsage?.bits ?? [])]).toEqual(['digitalSignature', 'keyCertSign', 'cRLSign']);
    expect(extensions.nameConstraints).toEqual({
      critical: false,
      permitted: [
        { form: 'uri', value: '.example' },
        { form: 'dns', value: 'example' },
        { form: 'ip', octets: Buffer.of(10, 0, 0, 0, 255, 0, 0, 0) },
        { form: 'directory', name: nameDer([['O', 'x']]) },
      ],
      excluded: [{ form: 'uri', value: 'bad.example' }],
    });
    expect(extensions.unknown).toEqual([{ oid: '1.2.3.4', critical: true }]);
  });

  it('all nine bits of key usage', () => {
    const value = bitString(Buffer.of(0xff, 0x80), 7);
    const { extensions } = parseCertificate(
      leafOf({ extensions: adding({ oid: OID.keyUsage, critical: true, value }) }).der,
    );
    expect(extensions.keyUsage?.bits.size).toBe(9);
    expect(extensions.keyUsage?.bits.has('decipherOnly')).toBe(true);
  });

  it('all forms of names', () => {
    const others = [
      contextOf(0, objectIdentifier('1.2.3'), contextOf(0, utf8String('x'))),
      context(8, Buffer.of(0x2a, 3)),
    ];
    const { extensions } = parseCertificate(leafOf({ names: [uriName(ID), ...others] }).der);
    expect(extensions.subjectAltName?.names.map(({ form }) => form)).toEqual(['uri', 'other', 'registered-id']);
  });

  it('a name with several attributes in one set', () => {
    const attribute = (type: string, value: string): Buffer => sequence(objectIdentifier(type), utf8String(value));
    const multi = sequence(set(attribute('2.5.4.3', 'a'), attribute('2.5.4.10', 'bé')));
    const plain = nameDer([['CN', 'replaced by a longer name']]);
    const der = leafOf({
      subject: [['CN', 'replaced by a longer name']],
      editSignedBytes: (tbs) => resized(tbs, plain, multi),
    }).der;
    const { subject } = parseCertificate(der);
    expect(nameAttributes(subject)).toEqual([
      { type: '2.5.4.3', value: 'a' },
      { type: '2.5.4.10', value: 'bé' },
    ]);
  });

  it('a copy, so that the certificate does not change with the buffer it came in', () => {
    const bytes = Buffer.from(leafOf({}).der);
    const certificate = parseCertificate(bytes);
    const before = certificate.signedBytes.toString('hex');
    bytes.fill(0);
    expect(certificate.signedBytes.toString('hex')).toBe(before);
  });

  it('CE-40 a serial number of one to twenty octets, zero included', () => {
    for (const [content, expected] of [
      ['00', '00'],
      ['01', '01'],
      ['00ff', 'ff'],
      [`7f${'11'.repeat(19)}`, `7f${'11'.repeat(19)}`],
      [`00ff${'11'.repeat(19)}`, `ff${'11'.repeat(19)}`],
    ] as const) {
      expect(parseCertificate(leafOf({ serial: Buffer.from(content, 'hex') }).der).serialNumber).toBe(expected);
    }
  });

  it('validity up to the year 9999', () => {
    const { notAfterMs } = parseCertificate(leafOf({ notAfter: generalizedTime('99991231235959Z') }).der);
    expect(notAfterMs).toBe(Date.UTC(9999, 11, 31, 23, 59, 59));
  });
});

/** Replaces inside a SEQUENCE and writes its length anew. */
function resized(bytes: Buffer, found: Buffer, replacement: Buffer): Buffer {
  const start = bytes.indexOf(found);
  const headerLength = (bytes[1] ?? 0) < 0x80 ? 2 : 2 + ((bytes[1] ?? 0) & 0x7f);
  return sequence(bytes.subarray(headerLength, start), replacement, bytes.subarray(start + found.length));
}

describe('parseCertificate refuses', () => {
  const sha256Ecdsa = sequence(objectIdentifier('1.2.840.10045.4.3.2'));
  const sha384Ecdsa = sequence(objectIdentifier('1.2.840.10045.4.3.3'));
  const cases: readonly (readonly [name: string, spec: CertificateSpec, code: CertificateErrorCode])[] = [
    ['version 1', { version: 1, extensions: () => [] }, 'not-version-3'],
    ['version 2', { version: 2, extensions: () => [] }, 'not-version-3'],
    ['version 4', { version: 4 }, 'not-version-3'],
    ['CE-40 a negative serial number', { serial: Buffer.of(0x80) }, 'serial-number'],
    ['CE-40 a serial number of -1', { serial: Buffer.of(0xff) }, 'serial-number'],
    ['CE-40 a serial number of 21 octets', { serial: Buffer.alloc(21, 1) }, 'serial-number'],
    ['CE-40 a serial number of 40 octets', { serial: Buffer.alloc(40, 1) }, 'serial-number'],
    ['CE-40 a serial number without octets', { serial: Buffer.alloc(0) }, 'not-der'],
    ['CE-40 a serial number with a needless zero', { serial: Buffer.of(0, 1) }, 'not-der'],
    ['two algorithms', { innerAlgorithm: sha384Ecdsa }, 'signature-algorithm-mismatch'],
    ['parameters of ECDSA', { algorithm: sequence(objectIdentifier('1.2.840.10045.4.3.2'), nullValue()) }, 'not-der'],
    ['RSA without its NULL', { algorithm: sequence(objectIdentifier('1.2.840.113549.1.1.11')) }, 'not-der'],
    ['parameters of Ed25519', { algorithm: sequence(objectIdentifier('1.3.101.112'), nullValue()) }, 'not-der'],
    ['a validity that ends before it begins', { notBefore: new Date(2e12), notAfter: new Date(1e12) }, 'validity'],
    ['a GeneralizedTime before 2050', { notAfter: generalizedTime('20490101000000Z') }, 'validity'],
    ['a date that does not exist', { notBefore: utcTime('230230000000Z') }, 'validity'],
    [
      'CE-38 the same extension twice',
      { extensions: (usual) => [...usual, keyUsage(['digitalSignature'])] },
      'duplicate-extension',
    ],
    [
      'CE-38 two subject alternative names',
      { extensions: (usual) => [...usual, subjectAltName([uriName(ID)])] },
      'duplicate-extension',
    ],
    [
      'CE-38 an unknown extension twice',
      {
        extensions: (usual) => [
          ...usual,
          ...[1, 2].map(() => ({ oid: '1.2.3.4', critical: false, value: nullValue() })),
        ],
      },
      'duplicate-extension',
    ],
    ['an empty issuer', { issuerName: [] }, 'not-der'],
    ['a certificate of more than 32 KiB', { subject: [['CN', 'x'.repeat(33_000)]] }, 'certificate-too-large'],
    ['a name of 65 attributes', { subject: Array.from({ length: 65 }, () => ['CN', 'x'] as const) }, 'not-der'],
    ['CE-39 bytes behind the certificate', { editDer: (der) => Buffer.concat([der, Buffer.of(0)]) }, 'not-der'],
    ['CE-39 a certificate that is cut', { editDer: (der) => der.subarray(0, -1) }, 'not-der'],
    [
      'CE-39 a length in more octets than it needs',
      { editDer: (der) => Buffer.concat([Buffer.of(0x30, 0x83, 0), der.subarray(2)]) },
      'not-der',
    ],
    [
      'CE-39 the indefinite form',
      { editDer: (der) => Buffer.concat([Buffer.of(0x30, 0x80), der.subarray(4), Buffer.of(0, 0)]) },
      'not-der',
    ],
    [
      'CE-39 the indefinite form inside what is signed',
      { editSignedBytes: (tbs) => Buffer.concat([Buffer.of(0x30, 0x80), tbs.subarray(4), Buffer.of(0, 0)]) },
      'not-der',
    ],
    ['bytes behind the signature', { editDer: (der) => sequence(der.subarray(4), nullValue()) }, 'not-der'],
    ['bytes behind the extensions', { editSignedBytes: (tbs) => sequence(tbs.subarray(4), nullValue()) }, 'not-der'],
    [
      'a unique identifier',
      {
        extensions: () => [],
        editSignedBytes: (tbs) => sequence(tbs.subarray(tbs[1] === 0x82 ? 4 : 3), context(1, Buffer.of(0, 1))),
      },
      'unique-identifier',
    ],
    [
      'an empty list of extensions',
      {
        extensions: () => [],
        editSignedBytes: (tbs) => sequence(tbs.subarray(tbs[1] === 0x82 ? 4 : 3), contextOf(3, sequence())),
      },
      'not-der',
    ],
    ['a critical mark that is encoded FALSE', { editSignedBytes: swapping(boolean(true), boolean(false)) }, 'not-der'],
    ['a critical mark of 0x01', { editSignedBytes: swapping(boolean(true), tlv(1, Buffer.of(1))) }, 'not-der'],
  ];
  it.each(cases)('%s', (_name, spec, code) => {
    expect(refusal(leafOf(spec).der)).toBe(code);
  });

  it('an inner algorithm that is the outer one, but only when it is', () => {
    expect(refusal(leafOf({ innerAlgorithm: sha256Ecdsa }).der)).toBe('accepted');
  });

  it('a set of name attributes that is not in order, holds one twice, or has a value that is no string', () => {
    const attribute = (type: string, value: string): Buffer => sequence(objectIdentifier(type), utf8String(value));
    for (const parts of [
      [attribute('2.5.4.10', 'b'), attribute('2.5.4.3', 'a')],
      [attribute('2.5.4.3', 'a'), attribute('2.5.4.3', 'a')],
      [],
      [sequence(objectIdentifier('2.5.4.3'))],
      [sequence(objectIdentifier('2.5.4.3'), utf8String('a'), nullValue())],
      [sequence(objectIdentifier('2.5.4.3'), sequence())],
      [sequence(objectIdentifier('2.5.4.3'), boolean(true))],
      [sequence(objectIdentifier('2.5.4.3'), tlv(0x0c, Buffer.of(0x80)))],
      [sequence(objectIdentifier('2.5.4.3'), tlv(0x13, Buffer.of(0xe9)))],
      [sequence(objectIdentifier('2.5.4.3'), tlv(0x1e, Buffer.of(0)))],
    ]) {
      const plain = nameDer([['CN', 'replaced']]);
      const editSignedBytes = (tbs: Buffer): Buffer => resized(tbs, plain, sequence(set(...parts)));
      expect(refusal(leafOf({ subject: [['CN', 'replaced']], editSignedBytes }).der)).toBe('not-der');
    }
  });

  const malformed: readonly (readonly [name: string, oid: string, value: Buffer])[] = [
    ['no names at all', OID.subjectAltName, sequence()],
    [
      'ID-7 a URI with a byte above 0x7f',
      OID.subjectAltName,
      sequence(uriName(Buffer.from('spiffe://td/é', 'latin1'))),
    ],
    ['a DNS name with a byte above 0x7f', OID.subjectAltName, sequence(uriName(ID), dnsName(Buffer.from('é', 'utf8')))],
    ['an IP address of 5 octets', OID.subjectAltName, sequence(uriName(ID), ipName(1, 2, 3, 4, 5))],
    ['an IP address with mask', OID.subjectAltName, sequence(uriName(ID), ipName(1, 2, 3, 4, 255, 0, 0, 0))],
    ['a URI in pieces', OID.subjectAltName, sequence(contextOf(6, tlv(0x16, Buffer.from(ID))))],
    ['an X.400 address', OID.subjectAltName, sequence(uriName(ID), contextOf(3, sequence()))],
    ['an EDI party name', OID.subjectAltName, sequence(uriName(ID), contextOf(5, contextOf(1, utf8String('x'))))],
    [
      'another name without type',
      OID.subjectAltName,
      sequence(uriName(ID), contextOf(0, contextOf(0, utf8String('x')))),
    ],
    ['another name without value', OID.subjectAltName, sequence(uriName(ID), contextOf(0, objectIdentifier('1.2.3')))],
    ['a name of no form', OID.subjectAltName, sequence(uriName(ID), context(9, Buffer.of(1)))],
    ['bytes behind the names', OID.subjectAltName, Buffer.concat([sequence(uriName(ID)), nullValue()])],
    ['a URI that is no sequence', OID.subjectAltName, uriName(ID)],
    ['key usage without a bit', OID.keyUsage, bitString(Buffer.of())],
    ['key usage with trailing zero bits', OID.keyUsage, bitString(Buffer.of(0x80), 0)],
    ['key usage with a tenth bit', OID.keyUsage, bitString(Buffer.of(0x80, 0x40), 6)],
    ['key usage that is octets', OID.keyUsage, octetString(Buffer.of(0x80))],
    ['no purposes', OID.extendedKeyUsage, sequence()],
    ['cA that is encoded FALSE', OID.basicConstraints, sequence(boolean(false))],
    ['a path length without cA', OID.basicConstraints, sequence(integer(0))],
    ['a negative path length', OID.basicConstraints, sequence(boolean(true), integer(Buffer.of(0xff)))],
    [
      'a path length of 2^64',
      OID.basicConstraints,
      sequence(boolean(true), integer(Buffer.from('010000000000000000', 'hex'))),
    ],
    ['name constraints without any', OID.nameConstraints, sequence()],
    ['name constraints with an empty list', OID.nameConstraints, sequence(contextOf(0))],
    [
      'a name constraint with a minimum',
      OID.nameConstraints,
      sequence(contextOf(0, sequence(uriName('a'), context(0, Buffer.of(1))))),
    ],
    [
      'a name constraint with a maximum',
      OID.nameConstraints,
      sequence(contextOf(0, sequence(uriName('a'), context(1, Buffer.of(1))))),
    ],
    ['a constrained address without mask', OID.nameConstraints, sequence(contextOf(0, sequence(ipName(1, 2, 3, 4))))],
    [
      'excluded before permitted',
      OID.nameConstraints,
      sequence(contextOf(1, sequence(uriName('a'))), contextOf(0, sequence(uriName('a')))),
    ],
    ['an authority key identifier that is no sequence', OID.authorityKeyIdentifier, octetString(Buffer.of(1))],
    ['a subject key identifier that is no octets', OID.subjectKeyIdentifier, nullValue()],
    ['nothing', OID.basicConstraints, Buffer.of()],
  ];
  it.each(malformed)('an extension with %s', (_name, oid, value) => {
    expect(refusal(leafOf({ extensions: adding({ oid, critical: true, value }) }).der)).toBe('malformed-extension');
  });

  it('an extension that is cut, or has something behind its value', () => {
    const usual = extensionDer(keyUsage(['digitalSignature']));
    expect(usual.at(0)).toBe(0x30);
    const longer = sequence(usual.subarray(2), nullValue());
    const editSignedBytes = (tbs: Buffer): Buffer => {
      const list = contextOf(3, sequence(longer));
      return sequence(tbs.subarray(tbs[1] === 0x82 ? 4 : 3), list);
    };
    expect(refusal(leafOf({ extensions: () => [], editSignedBytes }).der)).toBe('not-der');
  });
});

describe('keys', () => {
  const keyOf = (spki: Buffer): Certificate['publicKey']['algorithm'] => {
    const own = selfSigned();
    const plain = own.keys.publicKey.export({ type: 'spki', format: 'der' });
    const made = issueSvid(root, ID, { keys: own.keys, editSignedBytes: (tbs) => resized(tbs, plain, spki) });
    return parseCertificate(made.der).publicKey.algorithm;
  };
  const rsa = (modulus: Buffer, exponent: Buffer): Buffer =>
    sequence(
      sequence(objectIdentifier('1.2.840.113549.1.1.1'), nullValue()),
      bitString(sequence(integer(modulus), integer(exponent))),
    );
  const modulusOf = (bits: number): Buffer => {
    const octets = Buffer.alloc(Math.ceil(bits / 8), 0xff);
    if (bits % 8 !== 0) octets[0] = 0xff >> (8 - (bits % 8));
    return bits % 8 === 0 ? Buffer.concat([Buffer.of(0), octets]) : octets;
  };

  it('CE-41 RSA counts by the bits of its modulus, between 2048 and 8192', () => {
    for (const [bits, isAccepted] of [
      [1024, false],
      [2047, false],
      [2048, true],
      [2049, true],
      [8192, true],
      [8193, false],
    ] as const) {
      const algorithm = keyOf(rsa(modulusOf(bits), Buffer.of(1, 0, 1)));
      expect(algorithm).toMatchObject({ kind: 'rsa', modulusBits: bits });
      expect(findKeyWeakness(algorithm) === null).toBe(isAccepted);
    }
  });

  it('CE-41 RSA with an exponent of 1, 2 or more than 32 bits proves nothing', () => {
    for (const [exponent, isAccepted] of [
      ['01', false],
      ['02', false],
      ['03', true],
      ['010001', true],
      ['010000', false],
      ['0100000001', false],
    ] as const) {
      expect(findKeyWeakness(keyOf(rsa(modulusOf(2048), Buffer.from(exponent, 'hex')))) === null).toBe(isAccepted);
    }
  });

  const unsupported: readonly (readonly [name: string, spki: Buffer])[] = [
    [
      'EC with explicit parameters',
      sequence(sequence(objectIdentifier('1.2.840.10045.2.1'), sequence(integer(1))), bitString(Buffer.of(4))),
    ],
    [
      'EC P-256 with a compressed point',
      sequence(
        sequence(objectIdentifier('1.2.840.10045.2.1'), objectIdentifier('1.2.840.10045.3.1.7')),
        bitString(Buffer.alloc(33, 2)),
      ),
    ],
    ['DSA', sequence(sequence(objectIdentifier('1.2.840.10040.4.1'), sequence()), bitString(Buffer.of(1)))],
    [
      'EC on curve `1.2.3`',
      sequence(sequence(objectIdentifier('1.2.840.10045.2.1'), objectIdentifier('1.2.3')), bitString(Buffer.of(4))),
    ],
    ['`1.2.3.4`', sequence(sequence(objectIdentifier('1.2.3.4')), bitString(Buffer.of(1)))],
  ];
  it.each(unsupported)('CE-41 %s is named and not accepted', (name, spki) => {
    const algorithm = keyOf(spki);
    expect(algorithm).toEqual({ kind: 'unsupported', name });
    expect(findKeyWeakness(algorithm)).toContain(name);
  });

  it.each([
    [
      'a P-256 point of 64 octets',
      sequence(
        sequence(objectIdentifier('1.2.840.10045.2.1'), objectIdentifier('1.2.840.10045.3.1.7')),
        bitString(Buffer.alloc(64, 4)),
      ),
    ],
    ['an Ed25519 key of 31 octets', sequence(sequence(objectIdentifier('1.3.101.112')), bitString(Buffer.alloc(31)))],
    [
      'Ed25519 with parameters',
      sequence(sequence(objectIdentifier('1.3.101.112'), nullValue()), bitString(Buffer.alloc(32))),
    ],
    ['RSA with a modulus of zero', rsa(Buffer.of(0), Buffer.of(3))],
    ['RSA with a negative modulus', rsa(Buffer.of(0x80), Buffer.of(3))],
    [
      'RSA without its NULL',
      sequence(sequence(objectIdentifier('1.2.840.113549.1.1.1')), bitString(sequence(integer(5), integer(3)))),
    ],
    [
      'RSA with a third number',
      sequence(
        sequence(objectIdentifier('1.2.840.113549.1.1.1'), nullValue()),
        bitString(sequence(integer(5), integer(3), integer(1))),
      ),
    ],
    [
      'bytes behind the key',
      sequence(sequence(objectIdentifier('1.3.101.112')), bitString(Buffer.alloc(32)), nullValue()),
    ],
  ])('refuses %s', (_name, spki) => {
    expect(() => keyOf(spki)).toThrow(CertificateError);
  });
});

describe('RSA-PSS parameters (RFC 4055 §3.1)', () => {
  const sha256 = sequence(objectIdentifier('2.16.840.1.101.3.4.2.1'), nullValue());
  const sha1 = sequence(objectIdentifier('1.3.14.3.2.26'), nullValue());
  const mgf1 = (hash: Buffer): Buffer => sequence(objectIdentifier('1.2.840.113549.1.1.8'), hash);
  const pss = (...fields: readonly Buffer[]): Buffer =>
    sequence(objectIdentifier('1.2.840.113549.1.1.10'), sequence(...fields));
  const kindOf = (algorithm: Buffer): string => {
    try {
      return parseCertificate(leafOf({ algorithm }).der).signatureAlgorithm.kind;
    } catch (error) {
      if (error instanceof CertificateError) return error.code;
      throw error;
    }
  };

  it.each([
    ['SHA-256 throughout', pss(contextOf(0, sha256), contextOf(1, mgf1(sha256)), contextOf(2, integer(32))), 'rsa-pss'],
    ['a longer salt', pss(contextOf(0, sha256), contextOf(1, mgf1(sha256)), contextOf(2, integer(222))), 'rsa-pss'],
    [
      'a hash without NULL',
      pss(
        contextOf(0, sequence(objectIdentifier('2.16.840.1.101.3.4.2.1'))),
        contextOf(1, mgf1(sha256)),
        contextOf(2, integer(32)),
      ),
      'rsa-pss',
    ],
    ['CE-41 all defaults, which are SHA-1', pss(), 'refused'],
    ['CE-41 SHA-1', pss(contextOf(0, sha1), contextOf(1, mgf1(sha1)), contextOf(2, integer(20))), 'refused'],
    [
      'CE-41 SHA-1 in the mask only',
      pss(contextOf(0, sha256), contextOf(1, mgf1(sha1)), contextOf(2, integer(32))),
      'refused',
    ],
    ['the default mask', pss(contextOf(0, sha256), contextOf(2, integer(32))), 'refused'],
    ['the default salt of 20', pss(contextOf(0, sha256), contextOf(1, mgf1(sha256))), 'refused'],
    ['a short salt', pss(contextOf(0, sha256), contextOf(1, mgf1(sha256)), contextOf(2, integer(0))), 'refused'],
    [
      'another mask',
      pss(contextOf(0, sha256), contextOf(1, sequence(objectIdentifier('1.2.3'))), contextOf(2, integer(32))),
      'refused',
    ],
    [
      'a salt of a kilobyte',
      pss(contextOf(0, sha256), contextOf(1, mgf1(sha256)), contextOf(2, integer(1024))),
      'not-der',
    ],
    [
      'an encoded trailer',
      pss(contextOf(0, sha256), contextOf(1, mgf1(sha256)), contextOf(2, integer(32)), contextOf(3, integer(1))),
      'not-der',
    ],
    [
      'fields out of order',
      pss(contextOf(1, mgf1(sha256)), contextOf(0, sha256), contextOf(2, integer(32))),
      'not-der',
    ],
  ])('%s', (_name, algorithm, kind) => {
    expect(kindOf(algorithm)).toBe(kind);
  });
});

describe('properties', () => {
  const intermediate = issueAuthority(root, {
    extensions: adding(nameConstraints({ permitted: [uriName('.example')] })),
  });
  const samples = [
    root,
    intermediate,
    leafOf({}),
    leafOf({ names: [uriName(ID), dnsName('a.example'), directoryName([['O', 'x']])] }),
    issueSvid(selfSigned({ keys: 'RSA-2048' }), ID, { pss: true, keys: 'RSA-2048' }),
  ];
  const sample = fc.constantFrom(...samples.map(({ der }) => der));
  const edit = fc.tuple(fc.nat(), fc.nat({ max: 255 }), fc.constantFrom<Edit>('set', 'insert', 'delete'));
  type Edit = 'set' | 'insert' | 'delete';

  const edited = (der: Buffer, edits: readonly (readonly [number, number, Edit])[]): Buffer => {
    let bytes = Buffer.from(der);
    for (const [position, octet, kind] of edits) {
      const at = position % bytes.length;
      const inserted = kind === 'delete' ? [] : [Buffer.of(octet)];
      bytes = Buffer.concat([bytes.subarray(0, at), ...inserted, bytes.subarray(kind === 'insert' ? at : at + 1)]);
    }
    return bytes;
  };

  it('meets any bytes with a certificate or a CertificateError whose offset is inside them', () => {
    const bytes = fc.oneof(
      {
        weight: 9,
        arbitrary: fc
          .tuple(sample, fc.array(edit, { minLength: 1, maxLength: 3 }))
          .map(([der, edits]) => edited(der, edits)),
      },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((octets) => Buffer.from(octets)) },
    );
    fc.assert(
      fc.property(bytes, (der) => {
        try {
          parseCertificate(der);
        } catch (error) {
          expect(error).toBeInstanceOf(CertificateError);
          if (error instanceof CertificateError) expect(error.offset).toBeLessThanOrEqual(der.length);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('reads nothing that node:crypto cannot read, and nothing differently', () => {
    let read = 0;
    fc.assert(
      fc.property(sample, fc.array(edit, { minLength: 1, maxLength: 2 }), (der, edits) => {
        const changed = edited(der, edits);
        let ours: Certificate;
        try {
          ours = parseCertificate(changed);
        } catch {
          return;
        }
        read += 1;
        const theirs = new X509Certificate(changed);
        expect(BigInt(`0x${ours.serialNumber}`)).toBe(BigInt(`0x${theirs.serialNumber}`));
        expect([ours.notBeforeMs, ours.notAfterMs]).toEqual([
          theirs.validFromDate.getTime(),
          theirs.validToDate.getTime(),
        ]);
        // OpenSSL calls only that a CA which may also sign and whose other extensions it could read.
        if (theirs.ca) expect(ours.extensions.basicConstraints?.isCa).toBe(true);
        const uris = ours.extensions.subjectAltName?.names.filter(({ form }) => form === 'uri') ?? [];
        const theirUris = theirs.subjectAltName?.match(/URI:/g) ?? [];
        expect(uris.length).toBe(theirUris.length);
      }),
      { numRuns: 1000 },
    );
    expect(read).toBeGreaterThan(50);
  });
});
