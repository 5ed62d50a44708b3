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
  extendedKeyUsage,
  issueAuthority,
  issueSvid,
  keyUsage,
  nameConstraints,
  OID,
  pemOf,
  selfSigned,
  type TestCertificate,
  uriName,
} from '../support/certificate-builder.ts';
import { nullValue } from '../support/der-writer.ts';
import { chainPlan, makeChain, type PresentedChain, replacing, without } from '../support/random-chains.ts';
import { bundlesOf } from '../support/trust.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const ID = 'spiffe://ai.example/training/job-7';
const now = Math.floor(Date.now() / 1000) * 1000;

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-openssl-'));
});

afterAll(() => rmSync(directory, { recursive: true }));

function ours({ chain, authorities }: PresentedChain): string {
  try {
    const der = chain.map((certificate) => certificate.der);
    verifyX509Svid(der, bundlesOf({ 'ai.example': authorities }), now);
    return 'accepted';
  } catch (error) {
    // A bundle of something that is no CA is refused before any chain is.
    if (error instanceof X509SvidError || error instanceof TrustBundleError) return error.code;
    throw error;
  }
}

function theirs({ chain, authorities }: PresentedChain): string {
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

describe.skipIf(!hasOpenssl)('beside `openssl verify` (skipped when openssl is missing)', () => {
  const root = selfSigned();
  const presented = (
    chain: readonly TestCertificate[],
    authorities: readonly TestCertificate[] = [root],
  ): PresentedChain => ({
    chain,
    authorities,
  });
  const below = (spec: CertificateSpec): PresentedChain => {
    const intermediate = issueAuthority(root, spec);
    return presented([issueSvid(intermediate, ID), intermediate]);
  };
  const leaf = (spec: CertificateSpec): PresentedChain => presented([issueSvid(root, ID, spec)]);

  const agreed: readonly (readonly [name: string, presented: () => PresentedChain, refused: boolean])[] = [
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

  it('whatever we accept of random chains, right and wrong, OpenSSL accepts', () => {
    let accepted = 0;
    const codes = new Set<string>();
    fc.assert(
      fc.property(chainPlan(now), (plan) => {
        const chain = makeChain(plan);
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
