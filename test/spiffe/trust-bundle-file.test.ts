// Bundle files of either kind are told apart by their first character, and keep the errors of their kind.

import { describe, expect, it } from 'vitest';
import { BundleDocumentError, formatBundleDocument } from '../../src/spiffe/bundle-document.ts';
import { PemError } from '../../src/pki/pem.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundlePem, TrustBundleError } from '../../src/spiffe/trust-bundle.ts';
import { parseTrustBundleFile } from '../../src/spiffe/trust-bundle-file.ts';
import { selfSigned } from '../support/certificate-builder.ts';

const AI = parseTrustDomain('ai.example');
const { pem } = selfSigned();
const bundle = parseTrustBundlePem(AI, Buffer.from(pem), 'x');
const document = formatBundleDocument({ bundle, sequence: 1n, refreshHintMs: null });

const read = (text: string): unknown => parseTrustBundleFile(AI, Buffer.from(text), 'bundle');

describe('parseTrustBundleFile', () => {
  it.each(['', ' ', '\n\t \r\n'])('reads a bundle document behind %j', (space) => {
    expect(read(space + document)).toEqual(bundle);
  });

  it('reads PEM, also behind text that has a brace in it', () => {
    expect(read(pem)).toEqual(bundle);
    expect(read(`# {"keys":[]}\n${pem}`)).toEqual(bundle);
  });

  it('takes a bundle document without any key', () => {
    expect(read('{"keys":[]}')).toEqual({ trustDomain: AI, authorities: [], jwtAuthorities: new Map() });
  });

  it.each([
    ['{"keys":[]', BundleDocumentError, 'not-json'],
    [`{\n${pem}`, BundleDocumentError, 'not-json'],
    ['\ufeff{"keys":[]}', TrustBundleError, 'empty-bundle'],
    ['[]', TrustBundleError, 'empty-bundle'],
    ['', TrustBundleError, 'empty-bundle'],
    [pem.slice(0, 100), PemError, 'pem-truncated'],
  ])('refuses %j as what it seems to be', (text, kind, code) => {
    expect(() => read(text)).toThrow(kind);
    expect(() => read(text)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(/^bundle:/) }));
  });
});
