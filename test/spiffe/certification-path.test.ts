// The walk from a leaf to an authority: RFC 5280 §6.1, and what a peer could try with the certificates it presents.

import { describe, expect, it } from 'vitest';
import { findCertificationPath, MAX_ISSUERS_TRIED } from '../../src/spiffe/certification-path.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import type { TrustBundles } from '../../src/spiffe/trust-bundle.ts';
import { verifyX509Svid, type X509Svid } from '../../src/spiffe/x509-svid.ts';
import { X509SvidError, type X509SvidErrorCode } from '../../src/spiffe/x509-svid-error.ts';
import {
  basicConstraints,
  directoryName,
  dnsName,
  emailName,
  type ExtensionSpec,
  extendedKeyUsage,
  ipName,
  issueAuthority,
  issueSvid,
  keyPairOf,
  keyUsage,
  nameConstraints,
  nameDer,
  OID,
  selfSigned,
  type TestCertificate,
  uriName,
} from '../support/certificate-builder.ts';
import { context, contextOf, integer, sequence, tlv } from '../support/der-writer.ts';
import { bundlesOf } from '../support/trust.ts';

const ID = 'spiffe://ai.example/training/job-7';
const now = Date.now();
const root = selfSigned();
const bundles = bundlesOf({ 'ai.example': [root] });

type Edit = (usual: readonly ExtensionSpec[]) => readonly ExtensionSpec[];
const adding =
  (extension: ExtensionSpec): Edit =>
  (usual) => [...usual, extension];
const without =
  (...oids: readonly string[]): Edit =>
  (usual) =>
    usual.filter(({ oid }) => !oids.includes(oid));
const replacing =
  (replacement: ExtensionSpec): Edit =>
  (usual) => [...without(replacement.oid)(usual), replacement];

function verify(chain: readonly TestCertificate[], trust: TrustBundles = bundles, nowMs: number = now): X509Svid {
  return verifyX509Svid(
    chain.map(({ der }) => der),
    trust,
    nowMs,
  );
}

function outcome(
  chain: readonly TestCertificate[],
  trust: TrustBundles = bundles,
  nowMs: number = now,
): X509SvidErrorCode | 'accepted' {
  try {
    verify(chain, trust, nowMs);
  } catch (error) {
    if (error instanceof X509SvidError) return error.code;
    throw error;
  }
  return 'accepted';
}

/** The outcome with an intermediate so edited, and with an authority so edited. */
function outcomes(extensions: Edit): readonly string[] {
  const intermediate = issueAuthority(root, { extensions });
  const authority = selfSigned({ extensions });
  return [
    outcome([issueSvid(intermediate, ID), intermediate]),
    outcome([issueSvid(authority, ID)], bundlesOf({ 'ai.example': [authority] })),
  ];
}

describe('what an issuer has to be', () => {
  it('CE-33 an intermediate without basic constraints is none', () => {
    const intermediate = issueAuthority(root, { extensions: without(OID.basicConstraints) });
    expect(outcome([issueSvid(intermediate, ID), intermediate])).toBe('issuer-not-ca');
  });

  it('CE-33 nor is one with basic constraints that say it is no CA', () => {
    const intermediate = issueAuthority(root, { extensions: replacing(basicConstraints({ isCa: false })) });
    expect(outcome([issueSvid(intermediate, ID), intermediate])).toBe('issuer-not-ca');
  });

  it('CE-33 nor is a leaf that signs another leaf', () => {
    const leaf = issueSvid(root, ID);
    const forged = issueSvid(leaf, 'spiffe://ai.example/admin');
    expect(outcome([leaf])).toBe('accepted');
    expect(outcome([forged, leaf])).toBe('issuer-not-ca');
  });

  it.each([
    ['without keyCertSign', replacing(keyUsage(['cRLSign', 'digitalSignature']))],
    ['without key usage', without(OID.keyUsage)],
  ])('an intermediate %s may not sign', (_name, extensions) => {
    const intermediate = issueAuthority(root, { extensions });
    expect(outcome([issueSvid(intermediate, ID), intermediate])).toBe('issuer-key-usage');
  });

  it('CE-35 an unknown critical extension refuses', () => {
    const policyConstraints = { oid: '2.5.29.36', critical: true, value: sequence(context(0, Buffer.of(0))) };
    const unknown = { oid: '1.3.6.1.4.1.55555.1', critical: true, value: tlv(0x05) };
    expect(outcomes(adding(unknown))).toEqual(['unknown-critical-extension', 'unknown-critical-extension']);
    expect(outcomes(adding(policyConstraints))).toEqual(['unknown-critical-extension', 'unknown-critical-extension']);
    expect(outcomes(adding({ ...unknown, critical: false }))).toEqual(['accepted', 'accepted']);
  });

  it('CE-29 purposes of a CA limit what is below it', () => {
    expect(outcomes(adding(extendedKeyUsage([OID.serverAuth])))).toEqual(['extended-key-usage', 'extended-key-usage']);
    expect(outcomes(adding(extendedKeyUsage([OID.serverAuth, OID.clientAuth])))).toEqual(['accepted', 'accepted']);
  });

  it('X509-SVID.md §3.2 the SPIFFE ID of a CA has no path', () => {
    const named = (uri: string): readonly string[] => {
      const intermediate = issueAuthority(root, { names: [uriName(uri)] });
      const authority = selfSigned({ names: [uriName(uri)] });
      return [
        outcome([issueSvid(intermediate, ID), intermediate]),
        outcome([issueSvid(authority, ID)], bundlesOf({ 'ai.example': [authority] })),
      ];
    };
    expect(named('spiffe://ai.example')).toEqual(['accepted', 'accepted']);
    expect(named('spiffe://upstream.example')).toEqual(['accepted', 'accepted']);
    expect(named('https://ai.example/ca')).toEqual(['accepted', 'accepted']);
    expect(named('spiffe://ai.example/ca')).toEqual(['issuer-spiffe-id', 'issuer-spiffe-id']);
    expect(named('spiffe://AI.example')).toEqual(['issuer-spiffe-id', 'issuer-spiffe-id']);
    expect(named('SPIFFE://ai.example')).toEqual(['issuer-spiffe-id', 'issuer-spiffe-id']);
  });
});

describe('path length', () => {
  const constrained = (pathLength: number): Edit => replacing(basicConstraints({ isCa: true, pathLength }));

  it('CE-34 an authority of path length 0 signs leaves, and no CA whose leaves count', () => {
    const authority = selfSigned({ extensions: constrained(0) });
    const trust = bundlesOf({ 'ai.example': [authority] });
    const below = issueAuthority(authority);
    expect(outcome([issueSvid(authority, ID)], trust)).toBe('accepted');
    expect(outcome([issueSvid(below, ID), below], trust)).toBe('path-length');
  });

  it('CE-34 an intermediate of path length 1 has room for one CA below it, not for two', () => {
    const upper = issueAuthority(root, { extensions: constrained(1) });
    const middle = issueAuthority(upper);
    const lower = issueAuthority(middle);
    expect(outcome([issueSvid(middle, ID), middle, upper])).toBe('accepted');
    expect(outcome([issueSvid(lower, ID), lower, middle, upper])).toBe('path-length');
  });

  it('CE-34 a CA cannot give more than it has', () => {
    const upper = issueAuthority(root, { extensions: constrained(0) });
    const lower = issueAuthority(upper, { extensions: constrained(9) });
    expect(outcome([issueSvid(lower, ID), lower, upper])).toBe('path-length');
  });

  it('CE-34 a self-issued CA counts like any other', () => {
    const upper = issueAuthority(root, { subject: [['CN', 'rolling']], extensions: constrained(0) });
    const rolled = issueAuthority(upper, { subject: [['CN', 'rolling']] });
    expect(outcome([issueSvid(rolled, ID), rolled, upper])).toBe('path-length');
  });
});

describe('name constraints', () => {
  const permitting = (...bases: readonly Buffer[]): Edit => adding(nameConstraints({ permitted: bases }));
  const excluding = (...bases: readonly Buffer[]): Edit => adding(nameConstraints({ excluded: bases }));
  const both = (code: string): readonly string[] => [code, code];

  const cases: readonly (readonly [name: string, extensions: Edit, expected: string])[] = [
    ['CE-35 permitting the host of the ID', permitting(uriName('ai.example')), 'accepted'],
    ['CE-35 permitting another trust domain', permitting(uriName('b.example')), 'name-constraints'],
    ['CE-35 permitting it among others', permitting(uriName('b.example'), uriName('ai.example')), 'accepted'],
    ['permitting in another case', permitting(uriName('AI.Example')), 'accepted'],
    ['permitting the domain above', permitting(uriName('.example')), 'accepted'],
    ['permitting only hosts below the ID', permitting(uriName('.ai.example')), 'name-constraints'],
    ['permitting a host that only ends alike', permitting(uriName('i.example')), 'name-constraints'],
    ['permitting a host of which the ID has a longer one', permitting(uriName('example')), 'name-constraints'],
    ['CE-35 excluding the trust domain', excluding(uriName('ai.example')), 'name-constraints'],
    ['excluding the domain above', excluding(uriName('.example')), 'name-constraints'],
    ['excluding in another case', excluding(uriName('AI.EXAMPLE')), 'name-constraints'],
    ['excluding another trust domain', excluding(uriName('b.example')), 'accepted'],
    ['excluding only hosts below the ID', excluding(uriName('.ai.example')), 'accepted'],
    [
      'excluding what is permitted as well',
      adding(nameConstraints({ permitted: [uriName('.example')], excluded: [uriName('ai.example')] })),
      'name-constraints',
    ],
    [
      'permitting a SPIFFE ID instead of a host',
      permitting(uriName('spiffe://ai.example')),
      'name-constraints-unsupported',
    ],
    [
      'excluding a SPIFFE ID instead of a host',
      excluding(uriName('spiffe://b.example')),
      'name-constraints-unsupported',
    ],
    ['excluding nothing at all', excluding(uriName('')), 'name-constraints-unsupported'],
    ['excluding a lone dot', excluding(uriName('.')), 'name-constraints-unsupported'],
    ['permitting a DNS name that is none', permitting(dnsName('\u0005i.example')), 'name-constraints-unsupported'],
    ['excluding a DNS name with an empty label', excluding(dnsName('a..example')), 'name-constraints-unsupported'],
    ['permitting an absolute DNS name', permitting(dnsName('example.')), 'name-constraints-unsupported'],
    ['permitting whatever DNS names there are', permitting(dnsName('')), 'accepted'],
    ['permitting DNS names below a domain', permitting(dnsName('.b.example')), 'accepted'],
  ];
  it.each(cases)('%s', (_name, extensions, expected) => {
    expect(outcomes(extensions)).toEqual(both(expected));
  });

  it('of a domain do not cover a trust domain that is that domain with its dot', () => {
    const authority = selfSigned({ extensions: permitting(uriName('.example')) });
    const trust = bundlesOf({ '.example': [authority], 'a.example': [authority] });
    expect(outcome([issueSvid(authority, 'spiffe://a.example/x')], trust)).toBe('accepted');
    expect(outcome([issueSvid(authority, 'spiffe://.example/x')], trust)).toBe('name-constraints');
  });

  it('of URIs refuse an ID whose trust domain is an address', () => {
    const authority = selfSigned({ extensions: permitting(uriName('127.0.0.1')) });
    const trust = bundlesOf({ '127.0.0.1': [authority] });
    expect(outcome([issueSvid(authority, 'spiffe://127.0.0.1/x')], trust)).toBe('name-constraints');
  });

  it('CE-35 hold without the mark of criticality too', () => {
    const constraints = nameConstraints({ permitted: [uriName('b.example')] }, { critical: false });
    expect(outcomes(adding(constraints))).toEqual(both('name-constraints'));
  });

  it('CE-35 hold for everything below, not only for what is next', () => {
    const upper = issueAuthority(root, { extensions: permitting(uriName('b.example')) });
    const lower = issueAuthority(upper);
    expect(outcome([issueSvid(lower, ID), lower, upper])).toBe('name-constraints');
    const permissive = issueAuthority(upper, { extensions: permitting(uriName('ai.example')) });
    expect(outcome([issueSvid(permissive, ID), permissive, upper])).toBe('name-constraints');
  });

  it('CE-35 hold for the names of intermediates', () => {
    const upper = issueAuthority(root, { extensions: permitting(uriName('ai.example')) });
    for (const [name, expected] of [
      ['spiffe://ai.example', 'accepted'],
      ['spiffe://b.example', 'name-constraints'],
      ['https://user@ai.example:8443/x?y#z', 'accepted'],
      ['https://ai.example@b.example/', 'name-constraints'],
      ['https://[::1]/', 'name-constraints'],
      ['https://a%69.example/', 'name-constraints'],
      ['urn:example:ca', 'name-constraints'],
    ] as const) {
      const lower = issueAuthority(upper, { names: [uriName(name)] });
      expect([name, outcome([issueSvid(lower, ID), lower, upper])]).toEqual([name, expected]);
    }
  });

  describe('of other forms are never passed over', () => {
    const plainSubject = [['OU', 'x']] as const;
    const forms: readonly (readonly [name: string, base: Buffer, leafNames: readonly Buffer[]])[] = [
      ['DNS names', dnsName('b.example'), [dnsName('job.ai.example')]],
      ['email addresses', emailName('b.example'), [emailName('job@ai.example')]],
      ['IP addresses', ipName(192, 0, 2, 0, 255, 255, 255, 0), [ipName(10, 0, 0, 1)]],
      [
        'other names',
        contextOf(0, tlv(0x06, Buffer.of(0x2a, 0x03)), contextOf(0, tlv(0x05))),
        [contextOf(0, tlv(0x06, Buffer.of(0x2a, 0x03)), contextOf(0, tlv(0x05)))],
      ],
      ['registered IDs', context(8, Buffer.of(0x2a, 0x03)), [context(8, Buffer.of(0x2a, 0x04))]],
    ];
    it.each(forms)('CE-35 %s', (_name, base, leafNames) => {
      for (const constraints of [nameConstraints({ permitted: [base] }), nameConstraints({ excluded: [base] })]) {
        const authority = selfSigned({ extensions: adding(constraints) });
        const trust = bundlesOf({ 'ai.example': [authority] });
        const withName = issueSvid(authority, ID, { names: [uriName(ID), ...leafNames], subject: plainSubject });
        const withoutName = issueSvid(authority, ID, { subject: plainSubject });
        expect(outcome([withName], trust)).toBe('name-constraints-unsupported');
        expect(outcome([withoutName], trust)).toBe('accepted');
      }
    });

    it.each([
      ['directory names, for any subject', directoryName([['O', 'b']]), plainSubject],
      ['DNS names, for a common name', dnsName('b.example'), [['CN', 'job.ai.example']] as const],
      [
        'email addresses, for one in the subject',
        emailName('b.example'),
        [['emailAddress', 'job@ai.example']] as const,
      ],
    ])('CE-35 %s', (_name, base, subject) => {
      const authority = selfSigned({ extensions: permitting(base) });
      const trust = bundlesOf({ 'ai.example': [authority] });
      expect(outcome([issueSvid(authority, ID, { subject })], trust)).toBe('name-constraints-unsupported');
      expect(outcome([issueSvid(authority, ID, { subject: [] })], trust)).toBe('accepted');
    });
  });
});

describe('validity', () => {
  const second = Math.floor(now / 1000) * 1000;
  const notBefore = new Date(second);
  const notAfter = new Date(second + 60_000);
  const at = (certificates: readonly TestCertificate[], trust: TrustBundles = bundles): readonly string[] =>
    [-1, 0, 59_999, 60_000].map((offset) => outcome(certificates, trust, second + offset));

  it('CE-36 of the leaf begins with notBefore and ends right before notAfter, to the millisecond', () => {
    const leaf = issueSvid(root, ID, { notBefore, notAfter });
    expect(at([leaf])).toEqual(['not-yet-valid', 'accepted', 'accepted', 'expired']);
  });

  it('CE-37 of an intermediate likewise', () => {
    const intermediate = issueAuthority(root, { notBefore, notAfter });
    const chain = [issueSvid(intermediate, ID), intermediate];
    expect(at(chain)).toEqual(['authority-not-yet-valid', 'accepted', 'accepted', 'authority-expired']);
  });

  it('CE-37 of an authority likewise, although it is still in the bundle', () => {
    const authority = selfSigned({ notBefore, notAfter });
    const trust = bundlesOf({ 'ai.example': [authority] });
    const expected = ['authority-not-yet-valid', 'accepted', 'accepted', 'authority-expired'];
    expect(at([issueSvid(authority, ID)], trust)).toEqual(expected);
  });

  it('CE-36 is never that of a time which is no number', () => {
    expect(outcome([issueSvid(root, ID)], bundles, Number.NaN)).toBe('not-yet-valid');
  });

  it('CE-37 an expired authority does not stand in the way of its successor of the same name and key', () => {
    const keys = keyPairOf('P-256');
    const subject = [['CN', 'renewed']] as const;
    const expired = selfSigned({ keys, subject, notBefore: new Date(0), notAfter: new Date(1000) });
    const renewed = selfSigned({ keys, subject });
    const leaf = issueSvid(renewed, ID);
    expect(verify([leaf], bundlesOf({ 'ai.example': [expired, renewed] })).chain[1]?.sha256).toBe(renewed.sha256);
    expect(outcome([leaf], bundlesOf({ 'ai.example': [expired] }))).toBe('authority-expired');
  });
});

describe('links', () => {
  it('a missing intermediate', () => {
    const upper = issueAuthority(root);
    const lower = issueAuthority(upper);
    expect(outcome([issueSvid(lower, ID), lower])).toBe('unknown-authority');
    expect(outcome([issueSvid(lower, ID), upper])).toBe('unknown-authority');
  });

  it('an issuer whose name differs in its encoding only is another issuer', () => {
    const printable = sequence(tlv(0x31, sequence(tlv(0x06, Buffer.of(0x55, 4, 3)), tlv(0x13, Buffer.from('ca')))));
    const authority = selfSigned({ subject: [['CN', 'ca']] });
    const leaf = issueSvid(authority, ID, {
      editSignedBytes: (tbs) => {
        const name = nameDer([['CN', 'ca']]);
        const start = tbs.indexOf(name);
        return Buffer.concat([tbs.subarray(0, start), printable, tbs.subarray(start + name.length)]);
      },
    });
    expect(printable).toHaveLength(nameDer([['CN', 'ca']]).length);
    expect(outcome([leaf], bundlesOf({ 'ai.example': [authority] }))).toBe('unknown-authority');
  });

  it('an authority key identifier that names another key, or another certificate of the issuer', () => {
    const identifiers: readonly (readonly [value: Buffer, expected: string])[] = [
      [sequence(context(0, Buffer.alloc(20))), 'unknown-authority'],
      [sequence(contextOf(1, directoryName([['CN', 'x']])), context(2, Buffer.of(1))), 'unknown-authority'],
      [sequence(contextOf(1, directoryName(root.subject))), 'accepted'],
      [sequence(context(2, Buffer.of(1))), 'unknown-authority'],
      [sequence(), 'accepted'],
    ];
    for (const [value, expected] of identifiers) {
      const extensions = replacing({ oid: OID.authorityKeyIdentifier, critical: false, value });
      expect(outcome([issueSvid(root, ID, { extensions })])).toBe(expected);
    }
  });

  it('a signature of another certificate', () => {
    const authority = selfSigned({ keys: 'RSA-2048' });
    const trust = bundlesOf({ 'ai.example': [authority] });
    const [one, two] = [issueSvid(authority, ID), issueSvid(authority, ID)];
    const der = Buffer.concat([one.der.subarray(0, -256), two.der.subarray(-256)]);
    expect(outcome([one], trust)).toBe('accepted');
    expect(outcome([{ ...one, der }], trust)).toBe('signature-invalid');
  });

  it('a key that is not a point on its curve', () => {
    const keys = keyPairOf('P-256');
    const point = keys.publicKey.export({ type: 'spki', format: 'der' }).subarray(-64);
    const editSignedBytes = (tbs: Buffer): Buffer =>
      Buffer.from(tbs).fill(1, tbs.indexOf(point), tbs.indexOf(point) + 64);
    expect(outcome([issueSvid(root, ID, { keys, editSignedBytes })])).toBe('key-not-accepted');
  });
});

describe('many paths', () => {
  const anonymous = without(OID.subjectKeyIdentifier, OID.authorityKeyIdentifier);
  const keys = keyPairOf('P-256');
  const subject = [['CN', 'the same']] as const;
  const stranger = { ...root, keys, subject };

  it('CE-44 CAs that sign each other in a circle end nowhere', () => {
    const [keysA, keysB] = [keyPairOf('P-256'), keyPairOf('P-256')];
    const [a, b] = [
      { keys: keysA, subject: [['CN', 'a']] as const },
      { keys: keysB, subject: [['CN', 'b']] as const },
    ];
    const aByB = issueAuthority({ ...root, ...b }, a);
    const bByA = issueAuthority({ ...root, ...a }, b);
    expect(outcome([issueSvid(aByB, ID), aByB, bByA])).toBe('unknown-authority');
  });

  it('CE-44 seven CAs of one name and key are not tried in every order', () => {
    const same = Array.from({ length: 7 }, () => issueAuthority(stranger, { keys, subject, extensions: anonymous }));
    const leaf = issueSvid(stranger, ID, { extensions: anonymous });
    expect(outcome([leaf, ...same])).toBe('too-many-paths');
  });

  it('CE-44 nor does the bound stop an honest leaf among a few of them', () => {
    const bridge = issueAuthority(root, { keys, subject, extensions: anonymous });
    const same = Array.from({ length: 2 }, () => issueAuthority(stranger, { keys, subject, extensions: anonymous }));
    const leaf = issueSvid(stranger, ID, { extensions: anonymous });
    expect(outcome([leaf, ...same, bridge])).toBe('accepted');
  });

  it('CE-44 issuers tried are counted, whatever is wrong with them', () => {
    const authorities = Array.from({ length: MAX_ISSUERS_TRIED + 1 }, () =>
      selfSigned({ subject, extensions: anonymous }),
    );
    const leafBy = (issuer: TestCertificate | undefined): TestCertificate =>
      issueSvid(issuer ?? root, ID, { extensions: anonymous });
    const trust = bundlesOf({ 'ai.example': authorities });
    expect(outcome([leafBy(authorities[MAX_ISSUERS_TRIED - 1])], trust)).toBe('accepted');
    expect(outcome([leafBy(authorities[MAX_ISSUERS_TRIED])], trust)).toBe('too-many-paths');
  });
});

describe('the reason given', () => {
  it('is that of the attempt that came furthest', () => {
    const impostor = selfSigned({ subject: root.subject, extensions: without(OID.subjectKeyIdentifier) });
    const intermediate = issueAuthority(root, { notBefore: new Date(0), notAfter: new Date(1000) });
    const leaf = issueSvid(intermediate, ID);
    const trust = bundlesOf({ 'ai.example': [impostor, root] });
    expect(outcome([leaf, intermediate], trust)).toBe('authority-expired');
  });

  it('is unknown-authority when nothing at all was tried', () => {
    const leaf = parseCertificate(issueSvid(root, ID, { serial: integer(5).subarray(2) }).der);
    const result = findCertificationPath({ leaf, intermediates: [], authorities: [], nowMs: now });
    expect(result).toMatchObject({ kind: 'refused', refusal: { code: 'unknown-authority' } });
  });
});
