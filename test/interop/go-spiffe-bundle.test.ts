// SPIFFE bundle documents beside go-spiffe: what we write it reads as we do, and where we read otherwise the reason is named here.

import { generateKeyPairSync, hash, type KeyObject } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BundleDocument,
  BundleDocumentError,
  formatBundleDocument,
  parseBundleDocument,
} from '../../src/spiffe/bundle-document.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundleDer } from '../../src/spiffe/trust-bundle.ts';
import { issueAuthority, selfSigned, type TestCertificate } from '../support/certificate-builder.ts';
import { useGoProgram } from './go-program.ts';
import { askOracle } from './oracle.ts';

const AI = parseTrustDomain('ai.example');
const [one, two] = [selfSigned(), selfSigned({ keys: 'RSA-2048' })];
const certificates = [one, two, issueAuthority(one, { keys: 'P-384' }), selfSigned({ keys: 'Ed25519' })];
const ecKey = (namedCurve: string): KeyObject => generateKeyPairSync('ec', { namedCurve }).publicKey;
const rsaKey = (modulusLength: number): KeyObject => generateKeyPairSync('rsa', { modulusLength }).publicKey;
const jwtKeys = [ecKey('P-256'), ecKey('P-384'), ecKey('P-521'), rsaKey(2048)] as const;

const x509 = (certificate: TestCertificate, changes: object = {}): object => ({
  ...certificate.keys.publicKey.export({ format: 'jwk' }),
  use: 'x509-svid',
  x5c: [certificate.der.toString('base64')],
  ...changes,
});
const jwt = (key: KeyObject, changes: object = {}): object => ({
  ...key.export({ format: 'jwk' }),
  use: 'jwt-svid',
  kid: 'a',
  ...changes,
});

function contentsOf({ bundle, sequence, refreshHintMs }: BundleDocument): object {
  const jwtAuthorities = [...bundle.jwtAuthorities.values()].map(({ keyId, publicKey }) => [
    keyId,
    hash('sha256', publicKey.export({ type: 'spki', format: 'der' }), 'hex'),
  ]);
  return {
    sequence: sequence === null ? null : Number(sequence),
    hintSeconds: refreshHintMs === null ? null : refreshHintMs / 1000,
    x509Authorities: bundle.authorities.map(({ sha256 }) => sha256).sort(),
    jwtAuthorities: Object.fromEntries(jwtAuthorities),
  };
}

/** Null for a refusal. */
function ours(document: string): object | null {
  try {
    return contentsOf(parseBundleDocument(AI, Buffer.from(document), 'bundle'));
  } catch (error) {
    if (error instanceof BundleDocumentError) return null;
    throw error;
  }
}

const oracle = useGoProgram('go-spiffe');

function theirs(documents: readonly string[]): readonly (object | null)[] {
  const questions = documents.map((document) => ({ document }));
  return askOracle(oracle(), questions).map(({ ok, contents }): object | null => (ok ? JSON.parse(contents) : null));
}

const documents = fc
  .record({
    chosen: fc.subarray(certificates),
    keys: fc.dictionary(fc.stringMatching(/^[a-zA-Z0-9/_+-]{1,12}$/), fc.constantFrom(...jwtKeys), { maxKeys: 4 }),
    sequence: fc.option(fc.bigInt({ min: 0n, max: 2n ** 53n - 1n })),
    hintSeconds: fc.option(fc.nat({ max: 2 ** 31 })),
  })
  .map(({ chosen, keys, sequence, hintSeconds }): BundleDocument => {
    const der = Buffer.concat(chosen.map((certificate) => certificate.der));
    const { authorities } = chosen.length === 0 ? { authorities: [] } : parseTrustBundleDer(AI, der, 'der');
    const jwtAuthorities = Object.entries(keys).map(([keyId, publicKey]) => [keyId, { keyId, publicKey }] as const);
    const bundle = { trustDomain: AI, authorities, jwtAuthorities: new Map(jwtAuthorities) };
    return { bundle, sequence, refreshHintMs: hintSeconds === null ? null : hintSeconds * 1000 };
  });

describe('bundle documents beside go-spiffe (skipped without Go or its module)', () => {
  it('reads what we write as what was meant', () => {
    const meant = fc.sample(documents, 200);
    expect(theirs(meant.map(formatBundleDocument))).toEqual(meant.map(contentsOf));
  });

  it.each([
    ['no keys at all', { keys: [] }],
    ['keys of unknown use', { keys: [x509(one, { use: 'next-svid' }), x509(two, { use: undefined })] }],
    ['an authority twice', { keys: [x509(one), x509(one)] }],
    ['members nobody has heard of', { keys: [x509(one, { future: 1 })], spiffe_future: {} }],
  ])('reads %s as we do', (_name, document) => {
    const text = JSON.stringify(document);
    expect(ours(text)).not.toBeNull();
    expect(theirs([text])).toEqual([ours(text)]);
  });

  it.each([
    ['no keys member', '{}'],
    ['keys that are null', '{"keys":null}'],
    ['a fraction as sequence', '{"keys":[],"spiffe_sequence":1.5}'],
    ['an exponent as refresh hint', '{"keys":[],"spiffe_refresh_hint":1e12}'],
    [
      'a certificate that does not fit the members of its key',
      JSON.stringify({ keys: [x509(one, jwt(jwtKeys[0], { use: 'x509-svid' }))] }),
    ],
    [
      'a point that is not on its curve',
      JSON.stringify({ keys: [jwt(jwtKeys[0], { x: one.keys.publicKey.export({ format: 'jwk' }).y })] }),
    ],
  ])('refuses %s as we do', (_name, text) => {
    expect(ours(text)).toBeNull();
    expect(theirs([text])).toEqual([null]);
  });

  it.each([
    ['a name twice', '{"keys":[],"keys":[]}'],
    ['a sequence of 2^63', '{"keys":[],"spiffe_sequence":9223372036854775808}'],
    ['a negative refresh hint', '{"keys":[],"spiffe_refresh_hint":-1}'],
    ['two JWT keys with one kid', JSON.stringify({ keys: [jwt(jwtKeys[0]), jwt(jwtKeys[1])] })],
  ])('only we refuse %s', (_name, text) => {
    expect(ours(text)).toBeNull();
    expect(theirs([text])).not.toEqual([null]);
  });

  it.each([
    ['an X.509 key without certificate (X509-SVID.md §6.2)', x509(two, { x5c: undefined })],
    [
      'more than the first certificate (X509-SVID.md §6.2)',
      x509(one, { x5c: [one, two].map(({ der }) => der.toString('base64')) }),
    ],
    ['a JWT key without kid', jwt(jwtKeys[0], { kid: undefined })],
  ])('only it refuses a document for %s, where the specification says to ignore it', (_name, key) => {
    const text = JSON.stringify({ keys: [x509(one), key] });
    expect(ours(text)).toMatchObject({ x509Authorities: [one.sha256], jwtAuthorities: {} });
    expect(theirs([text])).toEqual([null]);
  });

  it('only we leave out JWT keys that are too weak', () => {
    const text = JSON.stringify({ keys: [jwt(rsaKey(1024))] });
    expect(ours(text)).toMatchObject({ jwtAuthorities: {} });
    expect(theirs([text])).toEqual([expect.objectContaining({ jwtAuthorities: { a: expect.any(String) } })]);
  });
});
