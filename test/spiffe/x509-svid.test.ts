// X.509-SVIDs as peers present them: what X509-SVID.md accepts, and every way to be refused.

import { describe, expect, it } from 'vitest';
import { CertificateError } from '../../src/pki/certificate-error.ts';
import { parseTrustDomain, SpiffeIdError } from '../../src/spiffe/spiffe-id.ts';
import type { TrustBundles } from '../../src/spiffe/trust-bundle.ts';
import { verifyX509Svid, type X509Svid } from '../../src/spiffe/x509-svid.ts';
import { X509SvidError, type X509SvidErrorCode } from '../../src/spiffe/x509-svid-error.ts';
import {
  basicConstraints,
  dnsName,
  emailName,
  extendedKeyUsage,
  type CertificateSpec,
  type ExtensionSpec,
  ipName,
  issueAuthority,
  issueSvid,
  keyUsage,
  OID,
  selfSigned,
  subjectAltName,
  type TestCertificate,
  uriName,
} from '../support/certificate-builder.ts';
import { contextOf, integer, nullValue, objectIdentifier, sequence, tlv } from '../support/der-writer.ts';
import { bundlesOf } from '../support/trust.ts';

const ID = 'spiffe://ai.example/training/job-7';
const now = Date.now();
const root = selfSigned();
const bundles = bundlesOf({ 'ai.example': [root] });

function verify(chain: readonly TestCertificate[], trust: TrustBundles = bundles, nowMs: number = now): X509Svid {
  return verifyX509Svid(
    chain.map(({ der }) => der),
    trust,
    nowMs,
  );
}

function refusal(chain: readonly TestCertificate[], trust: TrustBundles = bundles, nowMs: number = now): X509SvidError {
  try {
    verify(chain, trust, nowMs);
  } catch (error) {
    if (error instanceof X509SvidError) return error;
    throw error;
  }
  throw new Error('the chain was accepted');
}

const leafOf = (spec: CertificateSpec, id: string = ID): TestCertificate => issueSvid(root, id, spec);
const without =
  (oid: string) =>
  (usual: readonly ExtensionSpec[]): readonly ExtensionSpec[] =>
    usual.filter((extension) => extension.oid !== oid);
const replacing =
  (replacement: ExtensionSpec) =>
  (usual: readonly ExtensionSpec[]): readonly ExtensionSpec[] => [...without(replacement.oid)(usual), replacement];

describe('verifyX509Svid accepts', () => {
  it('a leaf straight below an authority, and says everything about it', () => {
    const notAfter = new Date((Math.floor(now / 1000) + 60) * 1000);
    const leaf = leafOf({ notAfter, serial: Buffer.from('00c0ffee', 'hex') });
    const svid = verify([leaf]);
    expect({ ...svid, chain: svid.chain.map(({ sha256 }) => sha256) }).toEqual({
      id: ID,
      trustDomain: 'ai.example',
      leafSha256: leaf.sha256,
      serialNumber: 'c0ffee',
      notBeforeMs: expect.any(Number),
      notAfterMs: notAfter.getTime(),
      chain: [leaf.sha256, root.sha256],
    });
  });

  it.each(['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-PSS-2048', 'Ed25519'] as const)(
    'CE-42 a leaf and an authority with keys of kind %s',
    (keys) => {
      const authority = selfSigned({ keys });
      const leaf = issueSvid(authority, ID, { keys });
      expect(verify([leaf], bundlesOf({ 'ai.example': [authority] })).id).toBe(ID);
    },
  );

  it.each([
    ['RSA-2048', 'sha256', false],
    ['RSA-2048', 'sha384', false],
    ['RSA-2048', 'sha512', false],
    ['RSA-2048', 'sha256', true],
    ['RSA-3072', 'sha384', true],
    ['RSA-PSS-2048', 'sha512', true],
    ['P-256', 'sha384', false],
    ['P-384', 'sha256', false],
    ['P-521', 'sha512', false],
  ] as const)('a signature by %s with %s (PSS: %s)', (keys, hash, pss) => {
    const authority = selfSigned({ keys });
    const leaf = issueSvid(authority, ID, { hash, pss });
    expect(verify([leaf], bundlesOf({ 'ai.example': [authority] })).id).toBe(ID);
  });

  it('a path over intermediates presented in any order, together with the authority itself and a stranger', () => {
    const upper = issueAuthority(root);
    const lower = issueAuthority(upper);
    const leaf = issueSvid(lower, ID);
    const svid = verify([leaf, root, selfSigned(), upper, upper, lower]);
    expect(svid.chain.map(({ sha256 }) => sha256)).toEqual([leaf, lower, upper, root].map(({ sha256 }) => sha256));
  });

  it('an intermediate that is listed in the bundle as an authority by itself', () => {
    const intermediate = issueAuthority(root);
    const leaf = issueSvid(intermediate, ID);
    const svid = verify([leaf, intermediate, root], bundlesOf({ 'ai.example': [intermediate] }));
    expect(svid.chain.map(({ sha256 }) => sha256)).toEqual([leaf.sha256, intermediate.sha256]);
  });

  it('an authority without key usage, as many a root is made', () => {
    const plain = selfSigned({ extensions: without(OID.keyUsage) });
    expect(verify([issueSvid(plain, ID)], bundlesOf({ 'ai.example': [plain] })).id).toBe(ID);
  });

  it('the authority that signed, among several of the same name', () => {
    const subject = [['CN', 'the same']] as const;
    const anonymous = (usual: readonly ExtensionSpec[]): readonly ExtensionSpec[] =>
      usual.filter(({ oid }) => oid !== OID.subjectKeyIdentifier && oid !== OID.authorityKeyIdentifier);
    const authorities = [1, 2, 3].map(() => selfSigned({ subject, extensions: anonymous }));
    for (const authority of authorities) {
      const leaf = issueSvid(authority, ID, { extensions: anonymous });
      expect(verify([leaf], bundlesOf({ 'ai.example': authorities })).chain[1]?.sha256).toBe(authority.sha256);
    }
  });

  it('the earliest notAfter and the latest notBefore of the whole path', () => {
    const at = (seconds: number): Date => new Date((Math.floor(now / 1000) + seconds) * 1000);
    const intermediate = issueAuthority(root, { notBefore: at(-20), notAfter: at(30) });
    const leaf = issueSvid(intermediate, ID, { notBefore: at(-40), notAfter: at(60) });
    const svid = verify([leaf, intermediate]);
    expect(svid.notBeforeMs).toBe(at(-20).getTime());
    expect(svid.notAfterMs).toBe(at(30).getTime());
  });

  it('other kinds of names beside the one URI (§2)', () => {
    const names = [dnsName('job-7.ai.example'), uriName(ID), emailName('job@ai.example'), ipName(10, 0, 0, 7)];
    expect(verify([leafOf({ names })]).id).toBe(ID);
  });

  it('a leaf without extended key usage (§4.4) and without basic constraints (§4.1)', () => {
    expect(verify([leafOf({ extensions: without(OID.extendedKeyUsage) })]).id).toBe(ID);
    expect(verify([leafOf({ extensions: without(OID.basicConstraints) })]).id).toBe(ID);
  });

  it('ID-17 ID-20 trust domains that look like addresses or like properties of objects', () => {
    for (const name of ['127.0.0.1', '__proto__', 'constructor']) {
      const trust: TrustBundles = new Map([
        [
          parseTrustDomain(name),
          {
            trustDomain: parseTrustDomain(name),
            authorities: [...bundles.values()][0]?.authorities ?? [],
            jwtAuthorities: new Map(),
          },
        ],
      ]);
      expect(verify([issueSvid(root, `spiffe://${name}/x`)], trust).trustDomain).toBe(name);
    }
    expect(refusal([issueSvid(root, 'spiffe://__proto__/x')]).code).toBe('unknown-trust-domain');
  });
});

describe('verifyX509Svid refuses by the names of the leaf', () => {
  const other = 'spiffe://ai.example/registry';
  const cases: readonly (readonly [name: string, names: readonly Buffer[], code: X509SvidErrorCode])[] = [
    ['ID-1 two URI names of one trust domain', [uriName(ID), uriName(other)], 'multiple-uri-names'],
    ['ID-1 the same URI name twice', [uriName(ID), uriName(ID)], 'multiple-uri-names'],
    [
      'ID-2 a second URI name of another trust domain',
      [uriName(ID), uriName('spiffe://b/admin')],
      'multiple-uri-names',
    ],
    ['ID-3 an https URI beside the SPIFFE ID', [uriName(ID), uriName('https://ai.example/')], 'multiple-uri-names'],
    ['ID-3 an https URI before the SPIFFE ID', [uriName('https://ai.example/'), uriName(ID)], 'multiple-uri-names'],
    ['ID-3 an https URI alone', [uriName('https://ai.example/x')], 'invalid-spiffe-id'],
    ['ID-4 a DNS name alone', [dnsName('ai.example')], 'no-spiffe-id'],
    ['ID-4 a SPIFFE ID as DNS name', [dnsName(ID)], 'no-spiffe-id'],
    ['ID-5 a second name inside the first', [uriName(`${ID}, URI:spiffe://td/admin`)], 'invalid-spiffe-id'],
    ['ID-6 NUL inside the URI', [uriName(`${ID}\0.evil`)], 'invalid-spiffe-id'],
    ['ID-6 CR inside the URI', [uriName(`${ID}\r`)], 'invalid-spiffe-id'],
    ['ID-6 LF inside the URI', [uriName(`${ID}\n`)], 'invalid-spiffe-id'],
    ['ID-7 UTF-8 inside the URI', [uriName(Buffer.from('spiffe://ai.example/é', 'utf8'))], 'malformed-certificate'],
    ['ID-7 UTF-16 inside the URI', [uriName(Buffer.from(ID, 'utf16le'))], 'invalid-spiffe-id'],
    ['ID-8 an upper-case scheme', [uriName('SPIFFE://ai.example/x')], 'invalid-spiffe-id'],
    ['ID-9 an upper-case trust domain', [uriName('spiffe://AI.example/x')], 'invalid-spiffe-id'],
    ['ID-10 a trailing slash', [uriName(`${ID}/`)], 'invalid-spiffe-id'],
    ['ID-11 an empty segment', [uriName('spiffe://ai.example//x')], 'invalid-spiffe-id'],
    ['ID-12 a dot segment', [uriName('spiffe://ai.example/../x')], 'invalid-spiffe-id'],
    ['ID-13 percent-encoding', [uriName('spiffe://ai.example/%61')], 'invalid-spiffe-id'],
    ['ID-14 a query', [uriName(`${ID}?a=b`)], 'invalid-spiffe-id'],
    ['ID-15 an empty fragment', [uriName(`${ID}#`)], 'invalid-spiffe-id'],
    ['ID-16 user info', [uriName('spiffe://u@ai.example/x')], 'invalid-spiffe-id'],
    ['ID-16 a port', [uriName('spiffe://ai.example:443/x')], 'invalid-spiffe-id'],
    ['ID-17 an IPv6 address', [uriName('spiffe://[::1]/x')], 'invalid-spiffe-id'],
    ['ID-18 an ID of 2049 bytes', [uriName(`spiffe://ai.example/${'x'.repeat(2029)}`)], 'invalid-spiffe-id'],
    ['ID-19 a homoglyph', [uriName(Buffer.from('spiffe://ai.example/\u0430', 'utf8'))], 'malformed-certificate'],
    ['ID-25 the ID of the trust domain itself', [uriName('spiffe://ai.example')], 'spiffe-id-without-path'],
    ['an empty URI', [uriName('')], 'invalid-spiffe-id'],
  ];
  it.each(cases)('%s', (_name, names, code) => {
    expect(refusal([leafOf({ names })]).code).toBe(code);
  });

  it('ID-18 but accepts an ID of 2048 bytes', () => {
    const id = `spiffe://ai.example/${'x'.repeat(2028)}`;
    expect(verify([leafOf({ names: [uriName(id)] })]).id).toBe(id);
  });

  it('ID-4 a SPIFFE ID as common name', () => {
    const extensions = without(OID.subjectAltName);
    expect(refusal([leafOf({ subject: [['CN', ID]], extensions })]).code).toBe('no-spiffe-id');
  });

  it('and keeps the reason of the ID parser as cause', () => {
    const { cause } = refusal([leafOf({ names: [uriName(`${ID}/`)] })]);
    expect(cause).toBeInstanceOf(SpiffeIdError);
    expect(cause).toHaveProperty('code', 'trailing-slash');
  });

  it('CE-49 an empty subject with names that are not critical, and accepts them when they are', () => {
    const extensions = replacing(subjectAltName([uriName(ID)], { critical: false }));
    expect(refusal([leafOf({ subject: [], extensions })]).code).toBe('subject-alt-name-not-critical');
    expect(verify([leafOf({ subject: [] })]).id).toBe(ID);
  });
});

describe('verifyX509Svid refuses by the usage of the leaf', () => {
  const unknownCritical: ExtensionSpec = { oid: '1.3.6.1.4.1.55555.1', critical: true, value: tlv(0x05) };
  const cases: readonly (readonly [name: string, extension: ExtensionSpec, code: X509SvidErrorCode])[] = [
    ['CE-26 cA', basicConstraints({ isCa: true }), 'leaf-is-ca'],
    ['CE-26 cA that is not critical', basicConstraints({ isCa: true }, { critical: false }), 'leaf-is-ca'],
    ['CE-27 keyCertSign', keyUsage(['digitalSignature', 'keyCertSign']), 'leaf-key-usage'],
    ['CE-27 cRLSign', keyUsage(['digitalSignature', 'cRLSign']), 'leaf-key-usage'],
    ['CE-28 key usage that is not critical', keyUsage(['digitalSignature'], { critical: false }), 'leaf-key-usage'],
    ['CE-28 key usage without digitalSignature', keyUsage(['keyEncipherment']), 'leaf-key-usage'],
    ['CE-29 serverAuth alone', extendedKeyUsage([OID.serverAuth]), 'extended-key-usage'],
    ['CE-29 clientAuth alone', extendedKeyUsage([OID.clientAuth]), 'extended-key-usage'],
    ['CE-29 emailProtection alone', extendedKeyUsage([OID.emailProtection]), 'extended-key-usage'],
    ['CE-29 anyExtendedKeyUsage alone', extendedKeyUsage(['2.5.29.37.0']), 'extended-key-usage'],
    ['CE-35 an unknown critical extension', unknownCritical, 'unknown-critical-extension'],
  ];
  it.each(cases)('%s', (_name, extension, code) => {
    expect(refusal([leafOf({ extensions: replacing(extension) })]).code).toBe(code);
  });

  it('CE-28 without key usage', () => {
    expect(refusal([leafOf({ extensions: without(OID.keyUsage) })]).code).toBe('leaf-key-usage');
  });

  it('CE-35 but an unknown extension that is not critical is passed over', () => {
    const extensions = replacing({ ...unknownCritical, critical: false });
    expect(verify([leafOf({ extensions })]).id).toBe(ID);
  });

  it('CE-29 but further purposes beside the two are no reason', () => {
    const purposes = [OID.serverAuth, OID.clientAuth, OID.emailProtection];
    expect(verify([leafOf({ extensions: replacing(extendedKeyUsage(purposes)) })]).id).toBe(ID);
  });
});

describe('verifyX509Svid refuses by trust', () => {
  const otherRoot = selfSigned();

  it('CE-30 an authority presented as leaf, whatever its names and whichever the bundle', () => {
    expect(refusal([root]).code).toBe('leaf-is-authority');
    const named = selfSigned({ names: [uriName(ID)] });
    const signing = selfSigned({
      names: [uriName(ID)],
      extensions: replacing(keyUsage(['digitalSignature', 'keyCertSign'])),
    });
    expect(refusal([named], bundlesOf({ 'ai.example': [root], 'b.example': [named] })).code).toBe('leaf-is-authority');
    expect(refusal([signing], bundlesOf({ 'ai.example': [signing] })).code).toBe('leaf-is-authority');
    expect(refusal([signing]).code).toBe('leaf-is-ca');
  });

  it('CE-31 a leaf signed by the authority of another trust domain', () => {
    const trust = bundlesOf({ 'ai.example': [root], 'b.example': [otherRoot] });
    const forged = issueSvid(otherRoot, ID);
    expect(refusal([forged], trust).code).toBe('unknown-authority');
    expect(refusal([forged, otherRoot], trust).code).toBe('unknown-authority');
    expect(verify([issueSvid(otherRoot, 'spiffe://b.example/x')], trust).trustDomain).toBe('b.example');
  });

  it('CE-31 a leaf signed by an authority of another trust domain with the same name', () => {
    const impostor = selfSigned({ subject: root.subject });
    const trust = bundlesOf({ 'ai.example': [root], 'b.example': [impostor] });
    const forged = issueSvid(impostor, ID, { extensions: without(OID.authorityKeyIdentifier) });
    expect(refusal([forged], trust).code).toBe('signature-invalid');
    expect(refusal([forged, impostor], trust).code).toBe('unknown-authority');
  });

  it('CE-32 the same authority in two bundles proves the IDs of both, and of no third', () => {
    const trust = bundlesOf({ 'ai.example': [root], 'b.example': [root], 'c.example': [otherRoot] });
    expect(verify([leafOf({})], trust).trustDomain).toBe('ai.example');
    expect(verify([leafOf({}, 'spiffe://b.example/x')], trust).trustDomain).toBe('b.example');
    expect(refusal([leafOf({}, 'spiffe://c.example/x')], trust).code).toBe('unknown-authority');
  });

  it('CE-32 the same CA key in another certificate counts where that certificate is, not elsewhere', () => {
    const sameKey = selfSigned({ keys: root.keys, subject: [['CN', 'same key, other name']] });
    const trust = bundlesOf({ 'ai.example': [sameKey], 'b.example': [root] });
    expect(refusal([leafOf({})], trust).code).toBe('unknown-authority');
    expect(verify([leafOf({}, 'spiffe://b.example/x')], trust).trustDomain).toBe('b.example');
  });

  it('CE-45 an intermediate that the bundle does not have any more, presented by the peer', () => {
    const removed = issueAuthority(root);
    const successor = issueAuthority(root);
    const leaf = issueSvid(removed, ID);
    expect(verify([leaf, removed], bundlesOf({ 'ai.example': [removed] })).id).toBe(ID);
    for (const chain of [[leaf], [leaf, removed], [leaf, removed, root]]) {
      expect(refusal(chain, bundlesOf({ 'ai.example': [successor] })).code).toBe('unknown-authority');
    }
  });

  it('CE-48 an ID of a trust domain whose bundle is empty', () => {
    const trustDomain = parseTrustDomain('ai.example');
    const trust: TrustBundles = new Map([[trustDomain, { trustDomain, authorities: [], jwtAuthorities: new Map() }]]);
    expect(refusal([leafOf({})], trust).code).toBe('empty-trust-bundle');
  });

  it('an ID of a trust domain without bundle', () => {
    expect(refusal([leafOf({}, 'spiffe://b.example/x')]).code).toBe('unknown-trust-domain');
    expect(refusal([leafOf({})], new Map()).code).toBe('unknown-trust-domain');
  });

  it('a self-signed leaf', () => {
    const own = selfSigned();
    const leaf = issueSvid(own, ID, { keys: own.keys, subject: own.subject });
    expect(refusal([leaf]).code).toBe('unknown-authority');
  });

  it('a leaf whose signed part was changed after it was signed', () => {
    const leaf = leafOf({});
    const der = Buffer.from(leaf.der);
    der.write('job-8', der.indexOf('job-7'), 'latin1');
    expect(refusal([{ ...leaf, der }]).code).toBe('signature-invalid');
  });
});

describe('verifyX509Svid refuses by the bytes', () => {
  const cause = (chain: readonly TestCertificate[]): unknown => {
    const error = refusal(chain);
    expect(error.code).toBe('malformed-certificate');
    expect(error.cause).toBeInstanceOf(CertificateError);
    return error.cause;
  };

  it('an empty chain', () => {
    expect(refusal([]).code).toBe('empty-chain');
  });

  it('CE-38 two subject alternative names', () => {
    const extensions = (usual: readonly ExtensionSpec[]): readonly ExtensionSpec[] => [
      ...usual,
      subjectAltName([uriName(ID)]),
    ];
    expect(cause([leafOf({ extensions })])).toHaveProperty('code', 'duplicate-extension');
  });

  it('CE-39 bytes behind the certificate', () => {
    const editDer = (der: Buffer): Buffer => Buffer.concat([der, Buffer.of(0)]);
    expect(cause([leafOf({ editDer })])).toHaveProperty('code', 'not-der');
  });

  it('CE-43 a certificate of a megabyte', () => {
    const extensions = replacing({
      oid: '1.3.6.1.4.1.55555.2',
      critical: false,
      value: tlv(0x04, Buffer.alloc(1 << 20)),
    });
    expect(cause([leafOf({ extensions })])).toHaveProperty('code', 'certificate-too-large');
  });

  it('a certificate of the chain that is not needed but cannot be read', () => {
    expect(refusal([leafOf({}), { ...root, der: Buffer.from('3003020101', 'hex') }]).message).toMatch(
      /^certificate 2 of the chain cannot be read/,
    );
  });
});

describe('verifyX509Svid refuses by strength', () => {
  it.each(['RSA-1024', 'P-192', 'secp256k1', 'Ed448'] as const)('CE-41 CE-42 a leaf key of kind %s', (keys) => {
    expect(refusal([leafOf({ keys })]).code).toBe('key-not-accepted');
  });

  it.each(['RSA-1024', 'P-192', 'Ed448'] as const)('CE-41 CE-42 an authority key of kind %s', (keys) => {
    const weak = selfSigned({ keys });
    const leaf = issueSvid(weak, ID);
    const code = refusal([leaf], bundlesOf({ 'ai.example': [weak] })).code;
    expect(code).toBe(keys === 'Ed448' ? 'signature-algorithm' : 'key-not-accepted');
  });

  it('CE-41 an intermediate key of 1024 bits', () => {
    const weak = issueAuthority(root, { keys: 'RSA-1024' });
    expect(refusal([issueSvid(weak, ID), weak]).code).toBe('key-not-accepted');
  });

  it.each(['md5', 'sha1', 'sha224'] as const)('CE-41 a leaf signed with RSA and %s', (hash) => {
    const authority = selfSigned({ keys: 'RSA-2048' });
    expect(refusal([issueSvid(authority, ID, { hash })], bundlesOf({ 'ai.example': [authority] })).code).toBe(
      'signature-algorithm',
    );
  });

  it('CE-41 a leaf signed with ECDSA and SHA-1, or RSA-PSS and SHA-1', () => {
    expect(refusal([leafOf({ hash: 'sha1' })]).code).toBe('signature-algorithm');
    const authority = selfSigned({ keys: 'RSA-2048' });
    const leaf = issueSvid(authority, ID, { hash: 'sha1', pss: true });
    expect(refusal([leaf], bundlesOf({ 'ai.example': [authority] })).code).toBe('signature-algorithm');
  });

  it('CE-41 an intermediate signed with SHA-1', () => {
    const weak = issueAuthority(root, { hash: 'sha1' });
    expect(refusal([issueSvid(weak, ID), weak]).code).toBe('signature-algorithm');
  });

  it('CE-41 but how an authority signed itself does not matter', () => {
    const old = selfSigned({ hash: 'sha1' });
    expect(verify([issueSvid(old, ID)], bundlesOf({ 'ai.example': [old] })).id).toBe(ID);
  });

  it('CE-41 an algorithm that does not go with the key of the issuer', () => {
    const rsa = selfSigned({ keys: 'RSA-2048' });
    const leaf = issueSvid({ ...rsa, keys: root.keys }, ID, { extensions: without(OID.authorityKeyIdentifier) });
    expect(refusal([leaf], bundlesOf({ 'ai.example': [rsa] })).code).toBe('signature-invalid');
  });

  it('CE-41 a true signature under the name of another algorithm', () => {
    const pkcs1 = sequence(objectIdentifier('1.2.840.113549.1.1.11'), nullValue());
    const ecdsa = sequence(objectIdentifier('1.2.840.10045.4.3.2'));
    const ed25519 = sequence(objectIdentifier('1.3.101.112'));
    const sha256 = sequence(objectIdentifier('2.16.840.1.101.3.4.2.1'));
    const mask = sequence(objectIdentifier('1.2.840.113549.1.1.8'), sha256);
    const pssParameters = sequence(contextOf(0, sha256), contextOf(1, mask), contextOf(2, integer(32)));
    const pss = sequence(objectIdentifier('1.2.840.113549.1.1.10'), pssParameters);
    for (const [keys, algorithm] of [
      ['P-256', pss],
      ['Ed25519', pss],
      ['RSA-2048', pss],
      ['P-256', pkcs1],
      ['P-256', ed25519],
      ['RSA-2048', ecdsa],
      ['RSA-2048', ed25519],
      ['RSA-PSS-2048', pkcs1],
      ['Ed25519', ecdsa],
      ['Ed25519', pkcs1],
    ] as const) {
      const authority = selfSigned({ keys });
      const leaf = issueSvid(authority, ID, { algorithm });
      expect(refusal([leaf], bundlesOf({ 'ai.example': [authority] })).code).toBe('signature-invalid');
    }
  });
});

describe('verifyX509Svid refuses by length', () => {
  const chainOf = (length: number): readonly TestCertificate[] => {
    const chain: TestCertificate[] = [];
    let issuer = root;
    for (let depth = 1; depth < length; depth += 1) {
      issuer = issueAuthority(issuer);
      chain.unshift(issuer);
    }
    return [issueSvid(issuer, ID), ...chain];
  };

  it('CE-43 more than 8 certificates', () => {
    expect(verify(chainOf(8)).chain).toHaveLength(9);
    expect(refusal(chainOf(9)).code).toBe('chain-too-long');
    expect(refusal(chainOf(10)).code).toBe('chain-too-long');
  });

  it('CE-43 a hundred certificates, without reading one', () => {
    const junk = Array.from({ length: 100 }, () => ({ ...root, der: Buffer.of(0) }));
    expect(refusal(junk).code).toBe('chain-too-long');
  });
});
