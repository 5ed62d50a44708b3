// The path walk beside an independent verifier: whatever we accept, `openssl verify` accepts too.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TrustBundleError } from '../../src/spiffe/trust-bundle.ts';
import { verifyX509Svid } from '../../src/spiffe/x509-svid.ts';
import { X509SvidError } from '../../src/spiffe/x509-svid-error.ts';
import {
  basicConstraints,
  type CertificateSpec,
  dnsName,
  type ExtensionSpec,
  extendedKeyUsage,
  issueAuthority,
  issueSvid,
  type KeyKind,
  keyIdentifier,
  keyPairOf,
  keyUsage,
  nameConstraints,
  OID,
  pemOf,
  selfSigned,
  type TestCertificate,
  uriName,
} from '../support/certificate-builder.ts';
import { nullValue } from '../support/der-writer.ts';
import { bundlesOf } from '../support/trust.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const ID = 'spiffe://ai.example/training/job-7';
const now = Math.floor(Date.now() / 1000) * 1000;

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-openssl-'));
});

afterAll(() => rmSync(directory, { recursive: true }));

interface Presented {
  readonly chain: readonly TestCertificate[];
  readonly authorities: readonly TestCertificate[];
  readonly trustDomain: string;
}

function ours({ chain, authorities, trustDomain }: Presented): string {
  try {
    const der = chain.map((certificate) => certificate.der);
    verifyX509Svid(der, bundlesOf({ [trustDomain]: authorities }), now);
    return 'accepted';
  } catch (error) {
    // A bundle of something that is no CA is refused before any chain is.
    if (error instanceof X509SvidError || error instanceof TrustBundleError) return error.code;
    throw error;
  }
}

function theirs({ chain, authorities }: Presented): string {
  const file = (name: string, contents: string): string => {
    const path = join(directory, name);
    writeFileSync(path, contents);
    return path;
  };
  const [leaf, ...others] = chain;
  const bundle = file('bundle.pem', pemOf(...authorities));
  const untrusted = file('untrusted.pem', pemOf(...others));
  const args = ['verify', '-partial_chain', '-no-CApath', '-no-CAstore', '-attime', String(now / 1000), '-purpose'];
  const rest = [
    '-CAfile',
    bundle,
    ...(others.length > 0 ? ['-untrusted', untrusted] : []),
    file('leaf.pem', leaf?.pem ?? ''),
  ];
  for (const purpose of ['sslclient', 'sslserver']) {
    const { status, stderr } = spawnSync('openssl', [...args, purpose, ...rest], { encoding: 'utf8' });
    if (status !== 0) return stderr.match(/error \d+ at \d+ depth lookup: (.*)/)?.[1] ?? stderr;
  }
  return 'accepted';
}

const without =
  (...oids: readonly string[]) =>
  (usual: readonly ExtensionSpec[]): readonly ExtensionSpec[] =>
    usual.filter(({ oid }) => !oids.includes(oid));
const replacing =
  (extension: ExtensionSpec) =>
  (usual: readonly ExtensionSpec[]): readonly ExtensionSpec[] => [...without(extension.oid)(usual), extension];

describe.skipIf(!hasOpenssl)('beside `openssl verify` (skipped when openssl is missing)', () => {
  const root = selfSigned();
  const presented = (
    chain: readonly TestCertificate[],
    authorities: readonly TestCertificate[] = [root],
  ): Presented => ({
    chain,
    authorities,
    trustDomain: 'ai.example',
  });
  const below = (spec: CertificateSpec): Presented => {
    const intermediate = issueAuthority(root, spec);
    return presented([issueSvid(intermediate, ID), intermediate]);
  };
  const leaf = (spec: CertificateSpec): Presented => presented([issueSvid(root, ID, spec)]);

  const agreed: readonly (readonly [name: string, presented: () => Presented, refused: boolean])[] = [
    ['a leaf below the authority', () => leaf({}), false],
    ['an intermediate', () => below({}), false],
    [
      'an intermediate as the only authority',
      () => {
        const intermediate = issueAuthority(root);
        return presented([issueSvid(intermediate, ID), intermediate], [intermediate]);
      },
      false,
    ],
    [
      'RSA-PSS',
      () => {
        const rsa = selfSigned({ keys: 'RSA-2048' });
        return presented([issueSvid(rsa, ID, { pss: true })], [rsa]);
      },
      false,
    ],
    [
      'an RSA-PSS key',
      () => {
        const rsa = selfSigned({ keys: 'RSA-PSS-2048' });
        return presented([issueSvid(rsa, ID)], [rsa]);
      },
      false,
    ],
    ['Ed25519', () => leaf({ keys: 'Ed25519' }), false],
    [
      'permitted URIs',
      () => below({ extensions: replacing(nameConstraints({ permitted: [uriName('.example')] })) }),
      false,
    ],
    ['CE-31 another authority', () => presented([issueSvid(root, ID)], [selfSigned()]), true],
    [
      'CE-33 an intermediate without basic constraints',
      () => below({ extensions: without(OID.basicConstraints) }),
      true,
    ],
    [
      'CE-34 too long a path',
      () => {
        const short = selfSigned({ extensions: replacing(basicConstraints({ isCa: true, pathLength: 0 })) });
        const intermediate = issueAuthority(short);
        return presented([issueSvid(intermediate, ID), intermediate], [short]);
      },
      true,
    ],
    [
      'CE-35 excluded URIs',
      () => below({ extensions: replacing(nameConstraints({ excluded: [uriName('.example')] })) }),
      true,
    ],
    [
      'CE-35 an unknown critical extension',
      () => leaf({ extensions: replacing({ oid: '1.2.3.4', critical: true, value: nullValue() }) }),
      true,
    ],
    ['CE-36 an expired leaf', () => leaf({ notAfter: new Date(now) }), true],
    ['CE-36 a leaf that begins in a second', () => leaf({ notBefore: new Date(now + 1000) }), true],
    ['CE-36 a leaf that begins now', () => leaf({ notBefore: new Date(now) }), false],
    ['CE-36 a leaf that ends in a second', () => leaf({ notAfter: new Date(now + 1000) }), false],
    ['CE-37 an expired intermediate', () => below({ notAfter: new Date(now) }), true],
    [
      'CE-45 a removed intermediate',
      () => {
        const removed = issueAuthority(root);
        return presented([issueSvid(removed, ID), removed], [issueAuthority(root)]);
      },
      true,
    ],
    ['an intermediate that may not sign', () => below({ extensions: replacing(keyUsage(['cRLSign'])) }), true],
    ['a purpose of an intermediate', () => below({ extensions: replacing(extendedKeyUsage([OID.serverAuth])) }), true],
  ];
  it.each(agreed)('both decide alike on %s', (_name, make, refused) => {
    const chain = make();
    expect([ours(chain) !== 'accepted', theirs(chain) !== 'accepted']).toEqual([refused, refused]);
  });

  interface Plan {
    readonly depth: number;
    readonly rootKeys: KeyKind;
    readonly leafKeys: KeyKind;
    readonly flaws: readonly (readonly [at: number, flaw: Flaw])[];
    readonly trusted: 'root' | 'first intermediate' | 'stranger';
    readonly addRoot: boolean;
    readonly reversed: boolean;
    readonly edit: readonly [at: number, octet: number] | null;
  }

  const flaws = {
    expired: { notAfter: new Date(now - 1000) },
    future: { notBefore: new Date(now + 60_000) },
    sha1: { hash: 'sha1' },
    sha384: { hash: 'sha384' },
    'no key usage': { extensions: without(OID.keyUsage) },
    'no basic constraints': { extensions: without(OID.basicConstraints) },
    'not a CA': { extensions: replacing(basicConstraints({ isCa: false })) },
    CA: { extensions: replacing(basicConstraints({ isCa: true })) },
    'path length 0': { extensions: replacing(basicConstraints({ isCa: true, pathLength: 0 })) },
    'path length 1': { extensions: replacing(basicConstraints({ isCa: true, pathLength: 1 })) },
    'no signing': { extensions: replacing(keyUsage(['cRLSign'])) },
    'server only': { extensions: replacing(extendedKeyUsage([OID.serverAuth])) },
    'both purposes': { extensions: replacing(extendedKeyUsage([OID.serverAuth, OID.clientAuth])) },
    permitted: { extensions: replacing(nameConstraints({ permitted: [uriName('ai.example')] })) },
    'permitted elsewhere': { extensions: replacing(nameConstraints({ permitted: [uriName('b.example')] })) },
    excluded: { extensions: replacing(nameConstraints({ excluded: [uriName('.example')] })) },
    'excluded elsewhere': { extensions: replacing(nameConstraints({ excluded: [uriName('.ai.example')] })) },
    'DNS constraint': { extensions: replacing(nameConstraints({ permitted: [dnsName('ai.example')] })) },
    'critical extension': { extensions: replacing({ oid: '1.2.3.4', critical: true, value: nullValue() }) },
    'other extension': { extensions: replacing({ oid: '1.2.3.4', critical: false, value: nullValue() }) },
    'no key identifiers': { extensions: without(OID.authorityKeyIdentifier, OID.subjectKeyIdentifier) },
    'another key identifier': { extensions: replacing(keyIdentifier(OID.authorityKeyIdentifier, keyPairOf('P-256'))) },
    'another name of the issuer': { issuerName: [['CN', 'someone']] },
    'the same name': { subject: [['CN', 'the same']] },
    'no name': { subject: [] },
    'SPIFFE ID': { names: [uriName('spiffe://ai.example')] },
    'DNS name': { names: [uriName(ID), dnsName('job.b.example')] },
  } as const satisfies Record<string, CertificateSpec>;
  type Flaw = keyof typeof flaws;

  const plan: fc.Arbitrary<Plan> = fc.record({
    depth: fc.nat({ max: 3 }),
    rootKeys: fc.constantFrom<KeyKind>('P-256', 'P-384', 'RSA-2048', 'Ed25519'),
    leafKeys: fc.constantFrom<KeyKind>('P-256', 'P-256', 'P-521', 'RSA-2048', 'RSA-1024', 'Ed25519'),
    flaws: fc.array(fc.tuple(fc.nat({ max: 4 }), fc.constantFrom(...(Object.keys(flaws) as Flaw[]))), { maxLength: 3 }),
    trusted: fc.constantFrom('root', 'root', 'root', 'first intermediate', 'stranger'),
    addRoot: fc.boolean(),
    reversed: fc.boolean(),
    edit: fc.option(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { freq: 3 }),
  });

  /** Position 0 is the leaf, the highest is the root. */
  function make(planned: Plan): Presented {
    const specOf = (position: number): CertificateSpec => {
      const chosen = planned.flaws
        .filter(([at]) => Math.min(at, planned.depth + 1) === position)
        .map(([, flaw]) => flaws[flaw]);
      const extensions = (usual: readonly ExtensionSpec[]): readonly ExtensionSpec[] =>
        chosen.reduce((list, spec) => ('extensions' in spec ? spec.extensions(list) : list), usual);
      return Object.assign({}, ...chosen, { extensions });
    };
    const authority = selfSigned({ keys: planned.rootKeys, ...specOf(planned.depth + 1) });
    const intermediates: TestCertificate[] = [];
    for (let position = planned.depth; position > 0; position -= 1) {
      intermediates.unshift(issueAuthority(intermediates[0] ?? authority, specOf(position)));
    }
    const { edit } = planned;
    const editSignedBytes = (tbs: Buffer): Buffer => {
      if (edit === null) return tbs;
      const edited = Buffer.from(tbs);
      edited[edit[0] % edited.length] = edit[1];
      return edited;
    };
    const own = issueSvid(intermediates[0] ?? authority, ID, { keys: planned.leafKeys, editSignedBytes, ...specOf(0) });
    const presentedLast = planned.addRoot ? [authority] : [];
    const others = planned.reversed
      ? [...presentedLast, ...intermediates.toReversed()]
      : [...intermediates, ...presentedLast];
    const trusted = { root: authority, 'first intermediate': intermediates[0] ?? authority, stranger: selfSigned() };
    return presented([own, ...others], [trusted[planned.trusted]]);
  }

  it('whatever we accept of random chains, right and wrong, OpenSSL accepts', () => {
    let accepted = 0;
    const codes = new Set<string>();
    fc.assert(
      fc.property(plan, (planned) => {
        const chain = make(planned);
        const decision = ours(chain);
        codes.add(decision);
        if (decision !== 'accepted') return;
        accepted += 1;
        expect(theirs(chain)).toBe('accepted');
      }),
      { numRuns: 250 },
    );
    expect(accepted).toBeGreaterThan(20);
    expect(codes.size).toBeGreaterThan(8);
  }, 120_000);
});

describe('a certificate changed after it was signed', () => {
  it('is never accepted, whether the original was or not', () => {
    const authority = selfSigned();
    const trust = bundlesOf({ 'ai.example': [authority] });
    const originals = [
      issueSvid(authority, ID),
      issueSvid(authority, ID, { extensions: without(OID.keyUsage) }),
      issueSvid(authority, 'spiffe://b.example/x'),
      issueSvid(authority, ID, { names: [uriName(ID), uriName('spiffe://ai.example/y')] }),
      issueSvid(authority, ID, { notAfter: new Date(now - 1000) }),
      issueSvid(authority, ID, { extensions: replacing(basicConstraints({ isCa: true })) }),
    ];
    const original = fc.constantFrom(...originals.map(({ der }) => der));
    fc.assert(
      fc.property(original, fc.nat(), fc.integer({ min: 1, max: 255 }), (der, position, difference) => {
        const changed = Buffer.from(der);
        const at = position % changed.length;
        changed[at] = (changed[at] ?? 0) ^ difference;
        expect(() => verifyX509Svid([changed], trust, now)).toThrow(X509SvidError);
      }),
      { numRuns: 1000 },
    );
  });
});
