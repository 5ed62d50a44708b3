import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { initializeCA, initializeCTLog, initializeTLog } from '@sigstore/mock';
import { beforeAll, describe, expect, it } from 'vitest';
import { type SignatureReading, verifySignatureFile } from '../../src/artifact/signature.ts';
import { compileIdentity, mayPermit } from '../../src/artifact/rules/permission.ts';
import { parseTrustDocument } from '../../src/artifact/trust-document.ts';
import { parseTrustedRoot, type Trust } from '../../src/artifact/trust.ts';
import { encode, makeRun, MODEL, sha256, STATEMENT, statementOf, trainingWith, DATA } from './run-fixture.ts';

const IDENTITY = 'https://github.com/org/repo/.github/workflows/train.yml@refs/heads/main';
const ISSUER = 'https://token.actions.githubusercontent.com';
const ISSUER_OID = '1.3.6.1.4.1.57264.1.8';

/** As Rekor answers. */
interface LoggedEntry {
  readonly body: string;
  readonly integratedTime: number;
  readonly logID: string;
  readonly logIndex: number;
  readonly verification: {
    readonly signedEntryTimestamp: string;
    readonly inclusionProof: { readonly rootHash: string; readonly checkpoint: string };
  };
}

/** An authority, its logs, and the root that trusts them, all made for this test. */
interface Sigstore {
  readonly root: string;
  sign(payload: string, identity?: string): Promise<Record<string, unknown>>;
}

async function makeSigstore(): Promise<Sigstore> {
  const keys = (namedCurve: string): ReturnType<typeof generateKeyPairSync> =>
    generateKeyPairSync('ec', { namedCurve });
  const ctlog = await initializeCTLog(keys('P-256'));
  const ca = await initializeCA(keys('P-384'), ctlog);
  const tlog = await initializeTLog('https://rekor.example.com', keys('P-256'));
  const validFor = { start: '2020-01-01T00:00:00Z' };
  const base64 = (bytes: ArrayBufferView): string =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  const publicKey = (raw: Buffer): object => ({
    rawBytes: raw.toString('base64'),
    keyDetails: 'PKIX_ECDSA_P256_SHA_256',
    validFor,
  });
  const root = {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [
      {
        baseUrl: 'https://rekor.example.com',
        hashAlgorithm: 'SHA2_256',
        publicKey: publicKey(tlog.publicKey),
        logId: { keyId: createHash('sha256').update(tlog.publicKey).digest('base64') },
      },
    ],
    certificateAuthorities: [
      {
        subject: { organization: 'x', commonName: 'x' },
        uri: 'https://ca.example.com',
        certChain: { certificates: [{ rawBytes: base64(ca.rootCertificate) }] },
        validFor,
      },
    ],
    ctlogs: [
      {
        baseUrl: 'https://ct.example.com',
        hashAlgorithm: 'SHA2_256',
        publicKey: publicKey(ctlog.publicKey),
        logId: { keyId: base64(ctlog.logID) },
      },
    ],
    timestampAuthorities: [],
  };
  return {
    root: JSON.stringify(root),
    async sign(payload, identity = IDENTITY) {
      const leaf = keys('P-256');
      const spki = leaf.publicKey.export({ format: 'der', type: 'spki' });
      const certificate = await ca.issueCertificate({
        publicKey: spki,
        subjectAltName: identity,
        extensions: [{ oid: ISSUER_OID, value: ISSUER }],
      });
      const sig = sign('sha256', encode(STATEMENT, payload), leaf.privateKey).toString('base64');
      const pem = `-----BEGIN CERTIFICATE-----\n${base64(certificate).replaceAll(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
      const entry = await tlog.log({
        apiVersion: '0.0.1',
        kind: 'dsse',
        spec: {
          envelopeHash: { algorithm: 'sha256', value: sha256('x') },
          payloadHash: { algorithm: 'sha256', value: sha256(payload) },
          signatures: [{ signature: sig, verifier: Buffer.from(pem).toString('base64') }],
        },
      });
      const [logged] = Object.values(entry) as readonly LoggedEntry[];
      return {
        mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
        verificationMaterial: {
          certificate: { rawBytes: base64(certificate) },
          tlogEntries: [
            {
              logIndex: String(logged?.logIndex),
              logId: { keyId: Buffer.from(logged?.logID ?? '', 'hex').toString('base64') },
              kindVersion: { kind: 'dsse', version: '0.0.1' },
              integratedTime: String(logged?.integratedTime),
              inclusionPromise: { signedEntryTimestamp: logged?.verification.signedEntryTimestamp },
              inclusionProof: {
                logIndex: '0',
                rootHash: Buffer.from(logged?.verification.inclusionProof.rootHash ?? '', 'hex').toString('base64'),
                treeSize: '1',
                hashes: [],
                checkpoint: { envelope: logged?.verification.inclusionProof.checkpoint },
              },
              canonicalizedBody: logged?.body,
            },
          ],
        },
        dsseEnvelope: {
          payload: Buffer.from(payload).toString('base64'),
          payloadType: STATEMENT,
          signatures: [{ sig, keyid: '' }],
        },
      };
    },
  };
}

function policyFor(identity: string, issuer = ISSUER): string {
  return `version: 1
keys: { evaluation: { file: evaluation.pub } }
roots: { company: { file: root.json } }
stages:
  data: { signers: [{ key: evaluation }] }
  training: { signers: [{ root: company, identity: "${identity}", issuer: "${issuer}" }], inputsFrom: [data], signedWithin: 1d }
  evaluation: { signers: [{ key: evaluation }], inputsFrom: [training] }
`;
}

describe('Sigstore bundles', () => {
  let ours: Sigstore;
  let theirs: Sigstore;
  beforeAll(async () => {
    [ours, theirs] = await Promise.all([makeSigstore(), makeSigstore()]);
  });

  const trustIn = (sigstore: Sigstore, identity = IDENTITY, issuer = ISSUER): Trust => ({
    document: parseTrustDocument(Buffer.from(policyFor(identity, issuer)), 'artifacts.yaml'),
    keys: new Map(),
    roots: new Map([['company', parseTrustedRoot(Buffer.from(sigstore.root), 'root.json')]]),
  });
  const read = (bundle: object, trust: Trust | null): SignatureReading =>
    verifySignatureFile(Buffer.from(JSON.stringify(bundle)), trust);
  const verified = (reading: SignatureReading): Extract<SignatureReading, { kind: 'verified' }> => {
    if (reading.kind !== 'verified') throw new Error(`${reading.kind}: ${reading.detail}`);
    return reading;
  };

  it('B5 are verified against a trusted root, without a network, and say who signed when', async () => {
    const reading = verified(read(await ours.sign(statementOf(sha256(MODEL))), trustIn(ours)));
    expect(reading.signers).toEqual([{ kind: 'identity', root: 'company', identity: IDENTITY, issuer: ISSUER }]);
    expect(Math.abs((reading.signedMs ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(mayPermit(reading, trustIn(ours), 'training').kind).toBe('permitted');
  });

  it.each<[string, (bundle: Record<string, unknown>) => object]>([
    [
      'another payload',
      (bundle) => ({
        ...bundle,
        dsseEnvelope: {
          ...(bundle['dsseEnvelope'] as object),
          payload: Buffer.from(statementOf(sha256('x'))).toString('base64'),
        },
      }),
    ],
    [
      'no entry of a log',
      (bundle) => ({
        ...bundle,
        verificationMaterial: { ...(bundle['verificationMaterial'] as object), tlogEntries: [] },
      }),
    ],
    ['no material', (bundle) => ({ ...bundle, verificationMaterial: {} })],
    [
      'no certificate',
      (bundle) => ({
        ...bundle,
        verificationMaterial: { ...(bundle['verificationMaterial'] as object), certificate: { rawBytes: 'AAAA' } },
      }),
    ],
    [
      'two signatures',
      (bundle) => {
        const envelope = bundle['dsseEnvelope'] as { signatures: readonly object[] };
        return {
          ...bundle,
          dsseEnvelope: { ...envelope, signatures: [...envelope.signatures, ...envelope.signatures] },
        };
      },
    ],
  ])('B5 are refused with %s', async (_name, change) => {
    expect(read(change(await ours.sign(statementOf(sha256(MODEL)))), trustIn(ours)).kind).toBe('invalid');
  });

  it('B5 are refused of an authority that nobody trusts, and unknown when nobody is trusted', async () => {
    const bundle = await theirs.sign(statementOf(sha256(MODEL)));
    expect(read(bundle, trustIn(ours)).kind).toBe('invalid');
    expect(read(bundle, null)).toMatchObject({ kind: 'unverifiable', reason: 'no-trust' });
  });

  it('B5 over bare bytes are not taken for statements', async () => {
    const { dsseEnvelope: _, ...bundle } = await ours.sign(statementOf(sha256(MODEL)));
    const message = { messageDigest: { algorithm: 'SHA2_256', digest: 'AAAA' }, signature: 'AAAA' };
    expect(read({ ...bundle, messageSignature: message }, trustIn(ours))).toMatchObject({ kind: 'unverifiable' });
  });

  it.each<[string, string, string, string, boolean]>([
    ['the same', IDENTITY, ISSUER, IDENTITY, true],
    ['one with more behind it', IDENTITY, ISSUER, `${IDENTITY}-evil`, false],
    ['one with more before it', IDENTITY, ISSUER, `https://evil.example/${IDENTITY}`, false],
    ['one where a dot is another sign', IDENTITY, ISSUER, IDENTITY.replace('github.com', 'githubxcom'), false],
    ['any branch', 'https://github.com/org/repo/.github/workflows/train.yml@refs/heads/*', ISSUER, IDENTITY, true],
    [
      'a star that would have to cross a slash',
      'https://github.com/*/train.yml@refs/heads/main',
      ISSUER,
      IDENTITY,
      false,
    ],
    ['another issuer', IDENTITY, 'https://issuer.example', IDENTITY, false],
  ])('B10 compares identities whole: %s', async (_name, allowed, issuer, signer, expected) => {
    const trust = trustIn(ours, allowed, issuer);
    const reading = verified(read(await ours.sign(statementOf(sha256(MODEL)), signer), trust));
    expect(mayPermit(reading, trust, 'training').kind === 'permitted').toBe(expected);
  });

  it('B10 takes every sign of an identity for itself', () => {
    const strange = String.raw`https://a.b/(x)[y]{z}^$|?+\d-e`;
    expect(compileIdentity(strange).test(strange)).toBe(true);
    expect(compileIdentity('https://a.b/c').test('https://a.b/c\n')).toBe(false);
  });

  it('B5 carry a whole run', async () => {
    const bundle = await ours.sign(statementOf(sha256(MODEL)));
    using run = makeRun(
      {
        '../policies/root.json': ours.root,
        'training/model.att.json': bundle,
        'training/metadata.json': trainingWith(
          { sha256: sha256(MODEL), bundle: 'training/model.att.json' },
          { input_artifacts: [{ path: 'data/train.csv', sha256: sha256(DATA) }] },
        ),
      },
      policyFor(IDENTITY),
    );
    expect(await run.open()).toEqual([]);
  });
});
