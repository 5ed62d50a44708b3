// Certificate chains at random, right and wrong in up to three places, for comparing verifiers.

import * as fc from 'fast-check';
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
  selfSigned,
  type TestCertificate,
  uriName,
} from './certificate-builder.ts';
import { nullValue } from './der-writer.ts';

/** What a peer presents, leaf first, and the bundle of the trust domain `ai.example` against which it is verified. */
export interface PresentedChain {
  readonly chain: readonly TestCertificate[];
  readonly authorities: readonly TestCertificate[];
}

export interface ChainPlan {
  /** Of intermediates. */
  readonly depth: number;
  readonly rootKeys: KeyKind;
  readonly leafKeys: KeyKind;
  /** Position 0 is the leaf, the highest is the root. */
  readonly deviations: readonly (readonly [position: number, spec: CertificateSpec])[];
  readonly trusted: 'root' | 'first intermediate' | 'stranger';
  readonly isRootPresented: boolean;
  readonly isReversed: boolean;
  /** One octet of the leaf, changed before it is signed. */
  readonly edit: readonly [at: number, octet: number] | null;
}

const ID = 'spiffe://ai.example/training/job-7';

export function chainPlan(nowMs: number): fc.Arbitrary<ChainPlan> {
  return fc.record({
    depth: fc.nat({ max: 3 }),
    rootKeys: fc.constantFrom<KeyKind[]>('P-256', 'P-384', 'RSA-2048', 'Ed25519'),
    leafKeys: fc.constantFrom<KeyKind[]>('P-256', 'P-256', 'P-521', 'RSA-2048', 'RSA-1024', 'Ed25519'),
    deviations: fc.array(fc.tuple(fc.nat({ max: 4 }), fc.constantFrom(...deviationsAt(nowMs))), { maxLength: 3 }),
    trusted: fc.constantFrom(
      'root' as const,
      'root' as const,
      'root' as const,
      'first intermediate' as const,
      'stranger' as const,
    ),
    isRootPresented: fc.boolean(),
    isReversed: fc.boolean(),
    edit: fc.option(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { freq: 3 }),
  });
}

export function makeChain(plan: ChainPlan): PresentedChain {
  const authority = selfSigned({ keys: plan.rootKeys, ...specOf(plan, plan.depth + 1) });
  const intermediates: TestCertificate[] = [];
  for (let position = plan.depth; position > 0; position -= 1) {
    intermediates.unshift(issueAuthority(intermediates[0] ?? authority, specOf(plan, position)));
  }
  const editSignedBytes = (tbs: Buffer): Buffer => {
    if (plan.edit === null) return tbs;
    const [at, octet] = plan.edit;
    const edited = Buffer.from(tbs);
    edited[at % edited.length] = octet;
    return edited;
  };
  const leaf = issueSvid(intermediates[0] ?? authority, ID, {
    keys: plan.leafKeys,
    editSignedBytes,
    ...specOf(plan, 0),
  });
  const above = plan.isRootPresented ? [...intermediates, authority] : intermediates;
  const trusted = { root: authority, 'first intermediate': intermediates[0] ?? authority, stranger: selfSigned() };
  return { chain: [leaf, ...(plan.isReversed ? above.toReversed() : above)], authorities: [trusted[plan.trusted]] };
}

type Edit = (usual: readonly ExtensionSpec[]) => readonly ExtensionSpec[];

export const without =
  (...oids: readonly string[]): Edit =>
  (usual) =>
    usual.filter(({ oid }) => !oids.includes(oid));

export const replacing =
  (extension: ExtensionSpec): Edit =>
  (usual) => [...without(extension.oid)(usual), extension];

function specOf({ deviations, depth }: ChainPlan, position: number): CertificateSpec {
  const chosen = deviations.filter(([at]) => Math.min(at, depth + 1) === position).map(([, spec]) => spec);
  const extensions: Edit = (usual) => chosen.reduce((list, spec) => spec.extensions?.(list) ?? list, usual);
  return Object.assign({}, ...chosen, { extensions });
}

function deviationsAt(nowMs: number): readonly CertificateSpec[] {
  return [
    { notAfter: new Date(nowMs - 1000) },
    { notBefore: new Date(nowMs + 60_000) },
    { hash: 'sha1' },
    { hash: 'sha384' },
    { extensions: without(OID.keyUsage) },
    { extensions: without(OID.basicConstraints) },
    { extensions: replacing(basicConstraints({ isCa: false })) },
    { extensions: replacing(basicConstraints({ isCa: true })) },
    { extensions: replacing(basicConstraints({ isCa: true, pathLength: 0 })) },
    { extensions: replacing(basicConstraints({ isCa: true, pathLength: 1 })) },
    { extensions: replacing(keyUsage(['cRLSign'])) },
    { extensions: replacing(extendedKeyUsage([OID.serverAuth])) },
    { extensions: replacing(extendedKeyUsage([OID.serverAuth, OID.clientAuth])) },
    { extensions: replacing(nameConstraints({ permitted: [uriName('ai.example')] })) },
    { extensions: replacing(nameConstraints({ permitted: [uriName('b.example')] })) },
    { extensions: replacing(nameConstraints({ excluded: [uriName('.example')] })) },
    { extensions: replacing(nameConstraints({ excluded: [uriName('.ai.example')] })) },
    { extensions: replacing(nameConstraints({ permitted: [dnsName('ai.example')] })) },
    { extensions: replacing({ oid: '1.2.3.4', critical: true, value: nullValue() }) },
    { extensions: replacing({ oid: '1.2.3.4', critical: false, value: nullValue() }) },
    { extensions: without(OID.authorityKeyIdentifier, OID.subjectKeyIdentifier) },
    { extensions: replacing(keyIdentifier(OID.authorityKeyIdentifier, keyPairOf('P-256'))) },
    { issuerName: [['CN', 'someone']] },
    { subject: [['CN', 'the same']] },
    { subject: [] },
    { names: [uriName('spiffe://ai.example')] },
    { names: [uriName(ID), dnsName('job.b.example')] },
  ];
}
