// What certificates and revocation lists are alike in: a part that is signed, how, and the signature.
// RFC 5280 §4.1.1, §5.1.1

import { TAG, DerReader } from './der-reader.ts';
import { readSignatureAlgorithm, type SignatureAlgorithm } from './signature-algorithm.ts';

export interface SignedObject {
  /** Inside the signed part, at its start. */
  readonly content: DerReader;
  /** The signed part with its header, and the signature over it. */
  readonly signedBytes: Buffer;
  readonly signature: Buffer;
  readonly algorithm: SignatureAlgorithm;
  /** The AlgorithmIdentifier outside the signed part, which is to stand inside it as well; with its place in the DER. */
  readonly algorithmDer: Buffer;
  readonly algorithmOffset: number;
}

/** Of exactly `der`, without a copy. @throws {DerError} */
export function readSignedObject(der: Buffer): SignedObject {
  const file = new DerReader(der);
  const outer = file.enter(TAG.sequence);
  file.finish();
  const signedStart = outer.offset;
  const content = outer.enter(TAG.sequence);
  const signedBytes = der.subarray(signedStart, outer.offset);
  const algorithmOffset = outer.offset;
  const algorithm = readSignatureAlgorithm(outer);
  const algorithmDer = der.subarray(algorithmOffset, outer.offset);
  const signature = outer.readBitStringOctets();
  outer.finish();
  return { content, signedBytes, signature, algorithm, algorithmDer, algorithmOffset };
}
