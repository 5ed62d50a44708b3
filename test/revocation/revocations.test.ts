// What is revoked is refused, its neighbours are not: every kind of entry against real chains.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { type Crl, parseCrl } from '../../src/pki/crl.ts';
import { spkiSha256 } from '../../src/pki/key-fingerprint.ts';
import { parseRevocationDocument } from '../../src/revocation/document.ts';
import type { Revocation, RevocationTarget } from '../../src/revocation/revocation.ts';
import { revocationKey } from '../../src/revocation/revocation.ts';
import { compileRevocations, NO_REVOCATIONS, type Revocations } from '../../src/revocation/revocations.ts';
import type { JwtSvid } from '../../src/spiffe/jwt-svid.ts';
import { matchesIdPattern, parseIdPattern } from '../../src/spiffe/id-pattern.ts';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';
import { verifyX509Svid, type X509Svid } from '../../src/spiffe/x509-svid.ts';
import {
  issueAuthority,
  issueSvid,
  keyUsage,
  OID,
  selfSigned,
  type TestCertificate,
} from '../support/certificate-builder.ts';
import { bundlesOf } from '../support/trust.ts';
import { type CrlSpec, makeCrl, reasonCode, serialOf } from './crl-builder.ts';
import { anyRevocation, ofCertificate, ofId, ofKey, ofToken, OWN, revoke } from './revocation-fixtures.ts';

const NOW = Date.now();
const ID = 'spiffe://ai.example/training/job-7';
const root = selfSigned();
const intermediate = issueAuthority(root);
const leaf = issueSvid(intermediate, ID);

/** Verified as a peer's is, against a bundle with `authority` alone. */
function svidOf(presented: readonly TestCertificate[], authority = root): X509Svid {
  const [first] = presented;
  const trustDomain = /spiffe:\/\/([^/]+)\//.exec(first?.der.toString('latin1') ?? '')?.[1] ?? '';
  return verifyX509Svid(
    presented.map(({ der }) => der),
    bundlesOf({ [trustDomain]: [authority] }),
    NOW,
  );
}

const svid = svidOf([leaf, intermediate]);
const keyOf = ({ der }: TestCertificate): string => spkiSha256(parseCertificate(der).publicKey);
const serialNumberOf = ({ der }: TestCertificate): string => parseCertificate(der).serialNumber;
const listing = (...entries: readonly (Revocation | RevocationTarget)[]): Revocations =>
  compileRevocations({ entries: entries.map((entry) => ('kind' in entry ? revoke(entry) : entry)), crls: [] });
const isRevoked = (by: Revocations, who: X509Svid = svid, nowMs = NOW): boolean => by.findSvid(who, nowMs) !== null;
const SIGNING_KEY = 'ab'.repeat(32);
const token = (id: string, tokenId: string | null): Pick<JwtSvid, 'id' | 'tokenId' | 'keySha256'> => ({
  id: parseSpiffeId(id),
  tokenId,
  keySha256: SIGNING_KEY,
});

describe('an X.509-SVID', () => {
  it('that nobody revoked is not revoked', () => {
    expect(NO_REVOCATIONS.findSvid(svid, NOW)).toBeNull();
    expect(NO_REVOCATIONS).toMatchObject({ count: 0, crlCount: 0, crlSerials: 0 });
  });

  it('CE-46 is refused with the reason and the time of the list that names it', () => {
    const entry = revoke(ofId('/training/job-7'), { reason: 'laptop lost', atMs: 1_000 });
    expect(listing(entry).findSvid(svid, NOW)).toEqual({
      source: 'list',
      key: `id:${ID}`,
      reason: 'laptop lost',
      atMs: 1_000,
    });
  });

  it.each<[string, RevocationTarget]>([
    ['its ID', ofId(ID)],
    ['its ID without the trust domain, which is our own', ofId('/training/job-7')],
    ['a pattern of one segment', ofId('/training/*')],
    ['a pattern of all that follows', ofId('/**')],
    ['a pattern with a wildcard before the end', ofId('/*/job-7')],
    ['its key', ofKey(keyOf(leaf))],
    ['its serial number and issuer', ofCertificate(keyOf(intermediate), serialNumberOf(leaf))],
    ['the key of its intermediate', ofKey(keyOf(intermediate))],
    ['the serial number of its intermediate', ofCertificate(keyOf(root), serialNumberOf(intermediate))],
    ['the key of its authority', ofKey(keyOf(root))],
  ])('CE-46 is revoked by %s', (_name, target) => {
    expect(listing(target).findSvid(svid, NOW)).toMatchObject({ source: 'list', key: revocationKey(target) });
  });

  const stranger = selfSigned();
  it.each<[string, RevocationTarget]>([
    ['the ID of a job whose name begins the same', ofId('/training/job-77')],
    ['the ID of a job whose name it begins with', ofId('/training/job-')],
    ['the ID of the level above', ofId('/training')],
    ['an ID below', ofId('/training/job-7/a')],
    ['the ID in other letters', ofId('/training/Job-7')],
    ['the same path in another trust domain', ofId('spiffe://b.example/training/job-7')],
    ['every path of another trust domain', ofId('spiffe://b.example/**')],
    ['every path of a trust domain whose name ends the same', ofId('spiffe://evil.ai.example/**')],
    ['a pattern for a level more', ofId('/training/*/*')],
    ['a pattern for all below it', ofId('/training/job-7/**')],
    ['a pattern for another first segment', ofId('/inference/*')],
    ['the key of another', ofKey(keyOf(stranger))],
    ['the SHA-256 of its certificate, which is not that of its key', ofKey(leaf.sha256)],
    ['another serial number of its issuer', ofCertificate(keyOf(intermediate), '01')],
    ['its serial number at another issuer', ofCertificate(keyOf(root), serialNumberOf(leaf))],
    ["its issuer's serial number at its own issuer", ofCertificate(keyOf(intermediate), serialNumberOf(intermediate))],
    ['its serial number at its own key', ofCertificate(keyOf(leaf), serialNumberOf(leaf))],
    [
      "its authority's serial number, which is not presented to be revoked",
      ofCertificate(keyOf(root), serialNumberOf(root)),
    ],
    ['a token', ofToken(ID)],
  ])('is not revoked by %s', (_name, target) => {
    expect(listing(target).findSvid(svid, NOW)).toBeNull();
  });

  it('of another CA with the same name and the same serial number is not revoked', () => {
    const names = { subject: [['CN', 'the one name']] } as const;
    const [one, other] = [selfSigned(names), selfSigned(names)];
    const serial = Buffer.of(0x12, 0x34);
    const by = listing(ofCertificate(keyOf(one), '1234'));
    expect(isRevoked(by, svidOf([issueSvid(one, ID, { serial })], one))).toBe(true);
    expect(isRevoked(by, svidOf([issueSvid(other, ID, { serial })], other))).toBe(false);
  });

  it('cannot escape through another certificate of the same CA', () => {
    const again = issueAuthority(root, { keys: intermediate.keys, subject: intermediate.subject });
    const other = svidOf([leaf, again]);
    expect(other.chain[1]?.sha256).toBe(again.sha256);
    expect(isRevoked(listing(ofCertificate(keyOf(intermediate), serialNumberOf(leaf))), other)).toBe(true);
    expect(isRevoked(listing(ofKey(keyOf(intermediate))), other)).toBe(true);
  });

  it.skipIf(spawnSync('openssl', ['version']).status !== 0)('is revoked by what openssl prints of it', () => {
    const openssl = (input: string | Buffer, ...args: readonly string[]): Buffer =>
      spawnSync('openssl', args, { input }).stdout;
    const printedKey = ({ pem }: TestCertificate): string => {
      const publicKey = openssl(pem, 'x509', '-noout', '-pubkey');
      const digest = openssl(
        openssl(publicKey, 'pkey', '-pubin', '-outform', 'DER'),
        'dgst',
        '-sha256',
        '-c',
      ).toString();
      return digest.trim().split('= ')[1] ?? '';
    };
    const serial = openssl(leaf.pem, 'x509', '-noout', '-serial').toString().trim().replace('serial=', '0x');
    const text = `version: 1
revocations:
  - { serial: "${serial}", issuer: "${printedKey(intermediate)}", reason: by serial, at: 2026-11-01T00:00:00Z }
  - { spki: "${printedKey(leaf)}", reason: by key, at: 2026-11-01T00:00:00Z }
`;
    const entries = parseRevocationDocument(Buffer.from(text), 'revoked.yaml', OWN);
    expect(entries.map((entry) => listing(entry).findSvid(svid, NOW)?.reason)).toEqual(['by serial', 'by key']);
  });

  it('is looked up by what its certificate says, whatever other entries there are', () => {
    const others = [
      ofId('/other'),
      ofId('/x/*'),
      ofKey(keyOf(stranger)),
      ofCertificate(keyOf(stranger), '01'),
      ofToken('x'),
    ];
    expect(isRevoked(listing(...others))).toBe(false);
    expect(isRevoked(listing(...others, ofKey(keyOf(leaf))))).toBe(true);
  });
});

describe('a JWT-SVID', () => {
  it.each<[string, RevocationTarget, boolean]>([
    ['its jti', ofToken('t-1'), true],
    ['its ID', ofId('/training/job-7'), true],
    ['a pattern', ofId('/training/*'), true],
    ['another jti', ofToken('t-10'), false],
    ['its jti in other letters', ofToken('T-1'), false],
    ['another ID', ofId('/training/job-8'), false],
    ['an ID of another trust domain', ofId('spiffe://b.example/training/*'), false],
    ['the key that signed it', ofKey(SIGNING_KEY), true],
    ['another key', ofKey(keyOf(leaf)), false],
  ])('asked about %s', (_name, target, expected) => {
    const match = listing(target).findToken(token(ID, 't-1'), NOW);
    expect(match).toEqual(
      expected
        ? { source: 'list', key: revocationKey(target), reason: 'stolen laptop', atMs: Date.UTC(2026, 10, 1) }
        : null,
    );
  });

  it('without a jti is not revoked as one whose jti is `null`', () => {
    expect(listing(ofToken('null')).findToken(token(ID, null), NOW)).toBeNull();
    expect(listing(ofId(ID)).findToken(token(ID, null), NOW)).not.toBeNull();
    expect(NO_REVOCATIONS.findToken(token(ID, 't-1'), NOW)).toBeNull();
  });
});

describe('an entry', () => {
  it('counts from when it is listed, whatever its time says, and until the instant it expires', () => {
    const by = listing(revoke(ofId(ID), { atMs: NOW + 60_000, expiresMs: NOW + 120_000 }));
    expect([0, 119_999, 120_000, 1e12].map((later) => isRevoked(by, svid, NOW + later))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it.each<[string, RevocationTarget, RevocationTarget]>([
    ['an ID', ofId(ID), ofId('/training/*')],
    ['a pattern', ofId('/training/*'), ofId('/*/job-7')],
    ['a key', ofKey(keyOf(leaf)), ofKey(keyOf(root))],
    ['a certificate', ofCertificate(keyOf(intermediate), serialNumberOf(leaf)), ofKey(keyOf(root))],
  ])('for %s that has expired hides no other', (_name, expired, other) => {
    const by = listing(revoke(expired, { expiresMs: NOW }), other);
    expect(by.findSvid(svid, NOW - 1)?.key).toBe(revocationKey(expired));
    expect(by.findSvid(svid, NOW)?.key).toBe(revocationKey(other));
  });

  it('of the same thing in two lists counts once, and as long as the longer one', () => {
    const short = revoke(ofId(ID), { reason: 'short', expiresMs: NOW });
    const long = revoke(ofId('/training/job-7'), { reason: 'long', expiresMs: NOW + 1 });
    const forEver = revoke(ofId(ID), { reason: 'for ever' });
    for (const order of [
      [short, long],
      [long, short],
    ]) {
      expect(listing(...order).findSvid(svid, NOW)?.reason).toBe('long');
      expect(listing(...order).count).toBe(1);
    }
    expect(listing(long, forEver, short).findSvid(svid, NOW + 1)?.reason).toBe('for ever');
    expect(listing(short, { ...short, reason: 'second' }).findSvid(svid, NOW - 1)?.reason).toBe('short');
  });

  it('is found among 10,000 of every kind, and does not make more of them', () => {
    const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
    const many = Array.from({ length: 2_500 }, (_, at) => [
      ofId(`/training/other-${at}`),
      ofKey(digest(`key ${at}`)),
      ofCertificate(digest(`issuer ${at % 7}`), digest(`serial ${at}`).slice(0, 32)),
      ofToken(`token ${at}`),
    ]).flat();
    const others = listing(...many);
    expect(others.count).toBe(10_000);
    expect(isRevoked(others)).toBe(false);
    expect(others.findToken(token(ID, 'token 2500'), NOW)).toBeNull();
    expect(others.findToken(token(ID, 'token 2499'), NOW)).not.toBeNull();
    for (const target of [ofId(ID), ofKey(keyOf(leaf)), ofCertificate(keyOf(intermediate), serialNumberOf(leaf))]) {
      expect(listing(...many, target).findSvid(svid, NOW)?.key).toBe(revocationKey(target));
    }
  });

  it('revokes what its pattern matches, as the one matcher says, in any list', () => {
    const id = fc
      .constantFrom('/a', '/a/b', '/a/b/c', '/b', '/b/a', '/A')
      .chain((path) =>
        fc.constantFrom('ai.example', 'b.example').map((domain) => parseSpiffeId(`spiffe://${domain}${path}`)),
      );
    const pattern = fc.constantFrom(
      '/a',
      '/*',
      '/**',
      '/a/*',
      '/a/**',
      '/*/b',
      '/*/*/c',
      'spiffe://b.example/a',
      'spiffe://b.example/**',
    );
    fc.assert(
      fc.property(id, fc.array(pattern, { maxLength: 4 }), (subject, patterns) => {
        const expected = patterns.some((text) => matchesIdPattern(parseIdPattern(text, OWN), subject));
        expect(listing(...patterns.map(ofId)).findToken(token(subject, null), NOW) !== null).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('has one key for one target', () => {
    fc.assert(
      fc.property(fc.array(anyRevocation, { maxLength: 20 }), (entries) => {
        const by = compileRevocations({ entries, crls: [] });
        expect(by.count).toBe(new Set(entries.map(({ target }) => revocationKey(target))).size);
      }),
      { numRuns: 100 },
    );
  });
});

describe('a CRL', () => {
  const crlOf = (issuer: TestCertificate, spec: CrlSpec): Crl => parseCrl(makeCrl(issuer, spec));
  const with_ = (...crls: readonly Crl[]): Revocations => compileRevocations({ entries: [], crls });
  const ofLeaf = {
    entries: [{ serial: serialOf(leaf), at: new Date('2026-11-05T00:00:00Z'), extensions: [reasonCode(1)] }],
  };

  it('CE-46 revokes the leaf it lists, with its reason and time', () => {
    const by = with_(crlOf(intermediate, ofLeaf));
    expect(by.findSvid(svid, NOW)).toEqual({
      source: 'crl',
      key: `certificate:${keyOf(intermediate)}:${serialNumberOf(leaf)}`,
      reason: 'keyCompromise',
      atMs: Date.UTC(2026, 10, 5),
    });
    expect(by).toMatchObject({ count: 0, crlCount: 1, crlSerials: 1 });
  });

  it('CE-46 of the authority revokes the intermediate it lists, and all below', () => {
    const by = with_(crlOf(root, { entries: [{ serial: serialOf(intermediate) }] }));
    expect(isRevoked(by)).toBe(true);
    expect(isRevoked(by, svidOf([issueSvid(root, ID)]))).toBe(false);
  });

  it.each<[string, () => Crl]>([
    ['lists others only', () => crlOf(intermediate, { entries: [{ serial: Buffer.of(5) }] })],
    ['lists nothing', () => crlOf(intermediate, {})],
    ['is of another CA', () => crlOf(root, ofLeaf)],
    ['is in the name of the CA and signed by another', () => crlOf(intermediate, { ...ofLeaf, keys: root.keys })],
    ['is signed by the CA in the name of another', () => crlOf(intermediate, { ...ofLeaf, issuerName: root.subject })],
    [
      'was changed after it was signed',
      () => {
        const other = Buffer.from(serialOf(leaf)).fill(0x41);
        const serial = serialOf(leaf);
        return crlOf(intermediate, {
          entries: [{ serial: other }],
          editDer: (der) =>
            Buffer.from(der.toString('latin1').replace(other.toString('latin1'), serial.toString('latin1')), 'latin1'),
        });
      },
    ],
    [
      'takes the revocation back',
      () => crlOf(intermediate, { entries: [{ serial: serialOf(leaf), extensions: [reasonCode(8)] }] }),
    ],
  ])('that %s revokes nothing', (_name, crl) => {
    expect(isRevoked(with_(crl()))).toBe(false);
  });

  it('of a CA that may not sign lists revokes nothing, and of one without key usage does', () => {
    const mute = issueAuthority(root, {
      extensions: (usual) => usual.map((one) => (one.oid === OID.keyUsage ? keyUsage(['keyCertSign']) : one)),
    });
    const below = issueSvid(mute, ID);
    expect(isRevoked(with_(crlOf(mute, { entries: [{ serial: serialOf(below) }] })), svidOf([below, mute]))).toBe(
      false,
    );
    const plain = selfSigned({ extensions: (usual) => usual.filter(({ oid }) => oid !== OID.keyUsage) });
    const direct = issueSvid(plain, ID);
    expect(isRevoked(with_(crlOf(plain, { entries: [{ serial: serialOf(direct) }] })), svidOf([direct], plain))).toBe(
      true,
    );
  });

  it('that is overdue still revokes what it lists, and is counted', () => {
    const overdue = crlOf(intermediate, {
      ...ofLeaf,
      thisUpdate: new Date(NOW - 7_200_000),
      nextUpdate: new Date(Math.floor(NOW / 1000) * 1000),
    });
    const by = with_(overdue, crlOf(root, {}), crlOf(root, { nextUpdate: null }));
    expect(isRevoked(by)).toBe(true);
    expect(by.staleCrlCount(NOW)).toBe(1);
    expect(by.staleCrlCount(overdue.nextUpdateMs ?? 0)).toBe(1);
    expect(by.staleCrlCount((overdue.nextUpdateMs ?? 0) - 1)).toBe(0);
    expect(by.crlCount).toBe(3);
  });

  it('is one of several of its CA: what any of them lists is revoked', () => {
    const older = crlOf(intermediate, { ...ofLeaf, thisUpdate: new Date(NOW - 7_200_000) });
    const newer = crlOf(intermediate, { entries: [{ serial: Buffer.of(5) }] });
    const forged = crlOf(intermediate, { ...ofLeaf, keys: root.keys });
    expect(isRevoked(with_(newer, older))).toBe(true);
    expect(isRevoked(with_(forged, newer, older))).toBe(true);
    expect(isRevoked(with_(forged, newer))).toBe(false);
    expect(with_(newer, older).crlSerials).toBe(2);
  });

  it('gives the same answer the next time, for each issuer', () => {
    const names = { subject: [['CN', 'the one name']] } as const;
    const [one, other] = [selfSigned(names), selfSigned(names)];
    const serial = Buffer.of(0x12, 0x34);
    const by = with_(crlOf(one, { entries: [{ serial }] }));
    const [ofOne, ofOther] = [
      svidOf([issueSvid(one, ID, { serial })], one),
      svidOf([issueSvid(other, ID, { serial })], other),
    ];
    for (let round = 0; round < 2; round += 1) {
      expect([isRevoked(by, ofOne), isRevoked(by, ofOther)]).toEqual([true, false]);
    }
  });

  it('stands beside a list of which the entry has expired', () => {
    const by = compileRevocations({
      entries: [revoke(ofCertificate(keyOf(intermediate), serialNumberOf(leaf)), { expiresMs: NOW })],
      crls: [crlOf(intermediate, ofLeaf)],
    });
    expect(by.findSvid(svid, NOW - 1)?.source).toBe('list');
    expect(by.findSvid(svid, NOW)?.source).toBe('crl');
  });

  it('does not revoke a token', () => {
    expect(with_(crlOf(intermediate, ofLeaf)).findToken(token(ID, 't'), NOW)).toBeNull();
  });
});
