// Revocation lists from DER: RFC 5280 §5 to the letter, compared with OpenSSL and @peculiar/x509, and fuzzed.

import 'reflect-metadata';
import { spawnSync } from 'node:child_process';
import { webcrypto } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509CrlGenerator, X509CrlReason } from '@peculiar/x509';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { isSignedBy } from '../../src/pki/certificate-signature.ts';
import { type Crl, parseCrl } from '../../src/pki/crl.ts';
import { CrlError, type CrlErrorCode } from '../../src/pki/crl-error.ts';
import { formatName } from '../../src/pki/distinguished-name.ts';
import { CRL_OID, type CrlSpec, makeCrl, reasonCode } from '../revocation/crl-builder.ts';
import { type ExtensionSpec, type KeyKind, keyIdentifier, OID, selfSigned } from '../support/certificate-builder.ts';
import {
  boolean,
  context,
  contextOf,
  generalizedTime,
  integer,
  nullValue,
  objectIdentifier,
  octetString,
  sequence,
  tlv,
  utcTime,
  utf8String,
} from '../support/der-writer.ts';

const root = selfSigned({
  subject: [
    ['O', 'Example'],
    ['CN', 'Example Root'],
  ],
});
const issuer = parseCertificate(root.der);

function refusal(spec: CrlSpec): CrlErrorCode | 'accepted' {
  return refusalOf(makeCrl(root, spec));
}

function refusalOf(der: Uint8Array): CrlErrorCode | 'accepted' {
  try {
    parseCrl(der);
    return 'accepted';
  } catch (error) {
    if (error instanceof CrlError) return error.code;
    throw error;
  }
}

const serials = (crl: Crl): Record<string, string> =>
  Object.fromEntries([...crl.revokedSerials].map(([serial, { reason }]) => [serial, reason]));
const entry = (...extensions: readonly ExtensionSpec[]): CrlSpec => ({
  entries: [{ serial: Buffer.of(5), extensions }],
});
const ofList = (...extensions: readonly ExtensionSpec[]): CrlSpec => ({ extensions });
const extension = (oid: string, value: Buffer, critical = false): ExtensionSpec => ({ oid, critical, value });
const point = (...parts: readonly Buffer[]): CrlSpec =>
  ofList(extension(CRL_OID.issuingDistributionPoint, sequence(...parts), true));
const distributionPointName = contextOf(0, contextOf(0, context(6, Buffer.from('http://crl.example/1.crl'))));

/** The elements inside the outermost SEQUENCE. */
const inside = (der: Buffer): Buffer => der.subarray(der.length < 130 ? 2 : der.length < 259 ? 3 : 4);
const number = extension(CRL_OID.number, integer(7));

describe('a revocation list', () => {
  it('says who issued it, when, until when, and what is revoked since when and why', () => {
    const crl = parseCrl(
      makeCrl(root, {
        thisUpdate: new Date('2026-11-20T00:00:00Z'),
        nextUpdate: new Date('2026-11-27T00:00:00Z'),
        entries: [
          { serial: Buffer.of(5), at: new Date('2026-11-01T10:00:00Z') },
          { serial: Buffer.from('00e1ff', 'hex'), at: new Date('2026-11-02T10:00:00Z'), extensions: [reasonCode(1)] },
        ],
      }),
    );
    expect(formatName(crl.issuer)).toBe('O=Example, CN=Example Root');
    expect(crl.issuer.equals(issuer.subject)).toBe(true);
    expect(new Date(crl.thisUpdateMs).toISOString()).toBe('2026-11-20T00:00:00.000Z');
    expect(new Date(crl.nextUpdateMs ?? 0).toISOString()).toBe('2026-11-27T00:00:00.000Z');
    expect([...crl.revokedSerials]).toEqual([
      ['05', { revokedMs: Date.UTC(2026, 10, 1, 10), reason: 'unspecified' }],
      ['e1ff', { revokedMs: Date.UTC(2026, 10, 2, 10), reason: 'keyCompromise' }],
    ]);
  });

  it('is a copy that changes with nothing', () => {
    const der = makeCrl(root);
    const crl = parseCrl(der);
    der.fill(0);
    expect(isSignedBy(crl, issuer)).toBe(true);
  });

  it.each<KeyKind>(['P-256', 'P-384', 'Ed25519', 'RSA-2048'])(
    'of a %s key is signed by its issuer and by no other',
    (keys) => {
      const signer = selfSigned({ keys });
      const crl = parseCrl(makeCrl(signer));
      expect(isSignedBy(crl, parseCertificate(signer.der))).toBe(true);
      expect(isSignedBy(crl, issuer)).toBe(false);
    },
  );

  it('is not signed any more when a serial number in it is another one', () => {
    const edited = makeCrl(root, {
      entries: [{ serial: Buffer.from('1234', 'hex') }],
      editDer: (der) => Buffer.from(der.toString('hex').replace('02021234', '02021235'), 'hex'),
    });
    const crl = parseCrl(edited);
    expect(serials(crl)).toEqual({ 1235: 'unspecified' });
    expect(isSignedBy(crl, issuer)).toBe(false);
  });

  it.each<[string, CrlSpec]>([
    ['of version 1', { version: 1, entries: [{ serial: Buffer.of(5) }] }],
    ['without entries', {}],
    ['with an empty list of entries, as several CAs write it', { hasEmptyList: true }],
    ['without a next update', { nextUpdate: null }],
    ['with a next update after 2049', { nextUpdate: generalizedTime('20500101000000Z') }],
    [
      'with empty extensions, as @peculiar/x509 writes them',
      { editSignedBytes: (tbs) => sequence(inside(tbs), contextOf(0, sequence())) },
    ],
    ['with a next update in the same second', { thisUpdate: new Date(2000), nextUpdate: new Date(2000) }],
    ['with a next update that is long past', { thisUpdate: new Date(0), nextUpdate: new Date(1000) }],
    ['with a CRL number', ofList(extension(CRL_OID.number, integer(7)))],
    ['with a critical extension that changes nothing', ofList(extension(CRL_OID.number, integer(7), true))],
    ['with the identifier of the key', ofList(keyIdentifier(OID.authorityKeyIdentifier, root.keys))],
    ['with an unknown extension that is not critical', ofList(extension('1.2.3.4', nullValue()))],
    ['for one distribution point', point(distributionPointName)],
    ['with an invalidity date', entry(extension(CRL_OID.invalidityDate, generalizedTime('20260101000000Z')))],
    ['with a hold instruction', entry(extension(CRL_OID.holdInstruction, objectIdentifier('1.2.840.10040.2.2')))],
    ['with an unknown extension of an entry that is not critical', entry(extension('1.2.3.4', utf8String('x')))],
  ])('%s is read', (_name, spec) => {
    expect(refusal(spec)).toBe('accepted');
    expect(isSignedBy(parseCrl(makeCrl(root, spec)), issuer)).toBe(true);
  });

  const ecdsaWithSha1 = sequence(objectIdentifier('1.2.840.10045.4.1'));
  it.each<[CrlErrorCode, string, CrlSpec]>([
    ['crl-too-large', 'over 4 MiB', { editDer: () => Buffer.alloc(4 * 1024 * 1024 + 1) }],
    ['not-der', 'of no bytes', { editDer: () => Buffer.of() }],
    ['not-der', 'with bytes behind it', { editDer: (der) => Buffer.concat([der, Buffer.of(0)]) }],
    ['not-der', 'that is cut off', { editDer: (der) => der.subarray(0, -1) }],
    ['signature-algorithm-mismatch', 'that is a certificate', { editDer: () => root.der }],
    [
      'not-der',
      'with more in its signed part',
      { extensions: [number], editSignedBytes: (tbs) => sequence(inside(tbs), nullValue()) },
    ],
    [
      'not-der',
      'with more behind the extensions of an entry',
      { entries: [{ serial: Buffer.of(5), at: Buffer.concat([utcTime('260101000000Z'), sequence(), nullValue()]) }] },
    ],
    ['not-der', 'with more behind its signature', { editDer: (der) => sequence(inside(der), nullValue()) }],
    [
      'not-der',
      'with more beside its extensions',
      { editSignedBytes: (tbs) => sequence(inside(tbs), contextOf(0, sequence(), nullValue())) },
    ],
    [
      'not-der',
      'with more in an extension',
      {
        editSignedBytes: (tbs) =>
          sequence(
            inside(tbs),
            contextOf(0, sequence(sequence(objectIdentifier('1.2.3.4'), octetString(nullValue()), nullValue()))),
          ),
      },
    ],
    ['not-der', 'of an issuer without a name', { issuerName: [] }],
    ['not-der', 'with a serial number that is longer than it has to be', { entries: [{ serial: Buffer.of(0, 5) }] }],
    [
      'not-der',
      'with the same instant of an entry twice',
      { entries: [{ serial: Buffer.of(5), at: Buffer.concat([utcTime('260101000000Z'), utcTime('260101000000Z')]) }] },
    ],
    ['unsupported-version', 'of version 3', { version: 3 }],
    [
      'unsupported-version',
      'of a version 1 that is written out',
      { version: 1, editSignedBytes: (tbs) => sequence(integer(0), inside(tbs)) },
    ],
    [
      'extensions-in-version-1',
      'of version 1 with extensions',
      { version: 1, ...ofList(extension(CRL_OID.number, integer(7))) },
    ],
    ['extensions-in-version-1', 'of version 1 with extensions of an entry', { version: 1, ...entry(reasonCode(1)) }],
    [
      'signature-algorithm-mismatch',
      'whose two algorithms differ',
      { innerAlgorithm: sequence(objectIdentifier('1.2.840.10045.4.3.3')) },
    ],
    ['signature-algorithm', 'signed with SHA-1', { algorithm: ecdsaWithSha1 }],
    ['validity', 'with a next update before this one', { thisUpdate: new Date(2000), nextUpdate: new Date(1000) }],
    ['validity', 'of 31 April', { thisUpdate: utcTime('260431000000Z') }],
    ['validity', 'with an entry of 31 April', { entries: [{ serial: Buffer.of(5), at: utcTime('260431000000Z') }] }],
    ['validity', 'with a GeneralizedTime before 2050', { thisUpdate: generalizedTime('20260101000000Z') }],
    [
      'duplicate-extension',
      'with the same extension twice',
      ofList(extension(CRL_OID.number, integer(7)), extension(CRL_OID.number, integer(8))),
    ],
    ['duplicate-extension', 'with two reasons for one entry', entry(reasonCode(8), reasonCode(1))],
    ['malformed-extension', 'with a reason that is an INTEGER', entry(extension(CRL_OID.reasonCode, integer(1)))],
    [
      'malformed-extension',
      'with a reason in two octets',
      entry(extension(CRL_OID.reasonCode, tlv(0x0a, Buffer.of(1, 0)))),
    ],
    ['malformed-extension', 'with a reason of -128', entry(reasonCode(0x80))],
    ['malformed-extension', 'with a negative reason', entry(extension(CRL_OID.reasonCode, tlv(0x0a, Buffer.of(0xff))))],
    [
      'malformed-extension',
      'with something behind the reason',
      entry(extension(CRL_OID.reasonCode, Buffer.concat([tlv(0x0a, Buffer.of(1)), nullValue()]))),
    ],
    ['malformed-extension', 'with an extension that is no DER', ofList(extension('1.2.3.4', Buffer.of(0x30)))],
    [
      'unknown-critical-extension',
      'with an unknown critical extension',
      ofList(extension('1.2.3.4', nullValue(), true)),
    ],
    [
      'unknown-critical-extension',
      'with an unknown critical extension of an entry',
      entry(extension('1.2.3.4', nullValue(), true)),
    ],
    [
      'unknown-critical-extension',
      'with the extension of an entry as one of the list',
      ofList({ ...reasonCode(1), critical: true }),
    ],
    ['delta-crl', 'of changes only', ofList(extension(CRL_OID.deltaIndicator, integer(3), true))],
    ['delta-crl', 'of changes only, said uncritically', ofList(extension(CRL_OID.deltaIndicator, integer(3)))],
    ['indirect-crl', 'for other issuers', point(context(4, Buffer.of(0xff)))],
    [
      'indirect-crl',
      'for one distribution point and other issuers',
      point(distributionPointName, context(4, Buffer.of(0xff))),
    ],
    [
      'indirect-crl',
      'with an entry of another issuer',
      entry(extension(CRL_OID.certificateIssuer, sequence(contextOf(4, sequence())), true)),
    ],
    ['partial-scope', 'for certificates of no CA', point(context(1, Buffer.of(0xff)))],
    ['partial-scope', 'for CAs only', point(context(2, Buffer.of(0xff)))],
    ['partial-scope', 'for some reasons only', point(context(3, Buffer.of(0, 0x40)))],
    ['partial-scope', 'for attribute certificates only', point(context(5, Buffer.of(0xff)))],
  ])('is refused as %s: a list %s', (code, _name, spec) => {
    expect(refusal(spec)).toBe(code);
  });

  it('says where in the DER the fault is', () => {
    const der = makeCrl(root, { version: 3 });
    expect(() => parseCrl(der)).toThrow(/^the version of the list is not 2 \(at byte \d+\)$/);
    try {
      parseCrl(der);
    } catch (error) {
      if (!(error instanceof CrlError)) throw error;
      expect(der.subarray(error.offset, error.offset + 3)).toEqual(Buffer.of(2, 1, 2));
    }
  });

  it.each([
    [0, 'unspecified'],
    [1, 'keyCompromise'],
    [6, 'certificateHold'],
    [7, 'reason 7'],
    [10, 'aACompromise'],
    [99, 'reason 99'],
  ])('with reason code %i revokes as %s', (code, reason) => {
    expect(serials(parseCrl(makeCrl(root, entry(reasonCode(code)))))).toEqual({ '05': reason });
  });

  it('revokes nothing with an entry that takes a revocation back, and all the same with another of that serial number', () => {
    const takenBack = { serial: Buffer.of(5), extensions: [reasonCode(8)] };
    expect(serials(parseCrl(makeCrl(root, { entries: [takenBack] })))).toEqual({});
    expect(serials(parseCrl(makeCrl(root, { entries: [takenBack, { serial: Buffer.of(5) }, takenBack] })))).toEqual({
      '05': 'unspecified',
    });
  });

  it('passes over a negative serial number, which is no other number', () => {
    const entries = [
      { serial: Buffer.of(0xff) },
      { serial: Buffer.of(0x80) },
      { serial: Buffer.of(0x00, 0xfe) },
      { serial: Buffer.of(0) },
    ];
    expect(serials(parseCrl(makeCrl(root, { entries })))).toEqual({ fe: 'unspecified', '00': 'unspecified' });
  });
});

describe('beside other programs', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'sallyport-crl-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
  const openssl = (...args: readonly string[]): string => {
    const { status, stdout, stderr } = spawnSync('openssl', args, { cwd: directory, encoding: 'utf8' });
    expect(stderr && status !== 0 ? stderr : '').toBe('');
    return stdout;
  };

  it.skipIf(!hasOpenssl)('reads what `openssl ca -gencrl` writes', () => {
    writeFileSync(join(directory, 'ca.pem'), root.pem);
    writeFileSync(join(directory, 'ca.key'), root.privateKeyPem);
    writeFileSync(
      join(directory, 'ca.cnf'),
      '[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\ncrlnumber = crlnumber\ncrl_extensions = ext\n[ext]\nauthorityKeyIdentifier = keyid\n',
    );
    writeFileSync(join(directory, 'crlnumber'), '01\n');
    writeFileSync(
      join(directory, 'index.txt'),
      [
        'R\t301101000000Z\t261101000000Z,keyCompromise\t00C0FFEE\tunknown\t/CN=a',
        'R\t301101000000Z\t261102000000Z\t1000\tunknown\t/CN=b',
        'V\t301101000000Z\t\t1001\tunknown\t/CN=c',
        'R\t301101000000Z\t261103000000Z,certificateHold\t7F\tunknown\t/CN=d\n',
      ].join('\n'),
    );
    const sign = ['-config', 'ca.cnf', '-cert', 'ca.pem', '-keyfile', 'ca.key', '-md', 'sha256', '-crldays', '7'];
    openssl('ca', '-gencrl', ...sign, '-out', 'out.pem');
    openssl('crl', '-in', 'out.pem', '-outform', 'DER', '-out', 'out.der');
    const crl = parseCrl(readFileSync(join(directory, 'out.der')));
    expect(serials(crl)).toEqual({ c0ffee: 'keyCompromise', '1000': 'unspecified', '7f': 'certificateHold' });
    expect(crl.revokedSerials.get('1000')?.revokedMs).toBe(Date.UTC(2026, 10, 2));
    expect((crl.nextUpdateMs ?? 0) - crl.thisUpdateMs).toBe(7 * 86_400_000);
    expect(crl.issuer.equals(issuer.subject)).toBe(true);
    expect(isSignedBy(crl, issuer)).toBe(true);
  });

  it.skipIf(!hasOpenssl)('has OpenSSL read the same from the lists of these tests', () => {
    const der = makeCrl(root, {
      entries: [{ serial: Buffer.from('00c0ffee', 'hex'), extensions: [reasonCode(4)] }, { serial: Buffer.of(5) }],
      extensions: [extension(CRL_OID.number, integer(7))],
    });
    writeFileSync(join(directory, 'ours.der'), der);
    writeFileSync(join(directory, 'ours-ca.pem'), root.pem);
    const text = openssl('crl', '-inform', 'DER', '-in', 'ours.der', '-noout', '-text', '-nameopt', 'RFC2253');
    expect(text).toContain('Issuer: CN=Example Root,O=Example');
    expect(text).toMatch(/Serial Number: C0FFEE\n[^]*Superseded\n[^]*Serial Number: 05\n/);
    const verified = spawnSync(
      'openssl',
      ['crl', '-inform', 'DER', '-in', 'ours.der', '-noout', '-CAfile', 'ours-ca.pem'],
      { cwd: directory, encoding: 'utf8' },
    );
    expect(verified.stderr).toContain('verify OK');
  });

  it('reads what @peculiar/x509 writes', async () => {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
    const pkcs8 = root.keys.privateKey.export({ type: 'pkcs8', format: 'der' });
    const signingKey = await webcrypto.subtle.importKey('pkcs8', Uint8Array.from(pkcs8), algorithm, false, ['sign']);
    const written = await X509CrlGenerator.create({
      issuer: 'CN=Example Root, O=Example',
      thisUpdate: new Date('2026-11-20T00:00:00Z'),
      nextUpdate: new Date('2026-11-27T00:00:00Z'),
      signingKey,
      signingAlgorithm: algorithm,
      entries: [
        {
          serialNumber: 'c0ffee',
          revocationDate: new Date('2026-11-01T00:00:00Z'),
          reason: X509CrlReason.keyCompromise,
        },
        { serialNumber: '7f', revocationDate: new Date('2026-11-02T00:00:00Z') },
      ],
    });
    const crl = parseCrl(new Uint8Array(written.rawData));
    expect(serials(crl)).toEqual({ c0ffee: 'keyCompromise', '7f': 'unspecified' });
    expect(crl.nextUpdateMs).toBe(Date.UTC(2026, 10, 27));
    expect(isSignedBy(crl, issuer)).toBe(true);
  });
});

describe('mutated lists', () => {
  const entries = [
    { serial: Buffer.from('00c0ffee', 'hex'), extensions: [reasonCode(4)] },
    { serial: Buffer.of(5), extensions: [extension(CRL_OID.invalidityDate, generalizedTime('20260101000000Z'))] },
  ];
  const seed = makeCrl(root, {
    entries,
    extensions: [extension(CRL_OID.number, integer(7)), keyIdentifier(OID.authorityKeyIdentifier, root.keys)],
  });

  it('throw a CrlError or nothing, and are never signed when anything in their signed part changed', () => {
    const change = fc.record({ at: fc.nat(seed.length - 1), to: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const mutated = Buffer.from(seed);
        for (const { at, to } of changes) mutated[at] = to;
        if (refusalOf(mutated) !== 'accepted') return;
        const crl = parseCrl(mutated);
        const isSame = crl.signedBytes.equals(parseCrl(seed).signedBytes);
        if (!isSame) expect(isSignedBy(crl, issuer)).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });

  it('that are any bytes throw a CrlError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(refusalOf(bytes)).not.toBe('accepted');
        const inside = sequence(sequence(Buffer.from(bytes)), boolean(true), octetString(bytes));
        expect(refusalOf(inside)).not.toBe('accepted');
      }),
      { numRuns: 500 },
    );
  });
});
