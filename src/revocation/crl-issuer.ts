// Whether a CRL is the word of a CA: its name, its key, and its right to say so.
// RFC 5280 §6.3.3

import type { Certificate } from '../pki/certificate.ts';
import { isSignedBy } from '../pki/certificate-signature.ts';
import type { Crl } from '../pki/crl.ts';

/** By the SHA-256 of the issuer's certificate; a signature costs some 100 µs, and lists are asked about with every connection. */
const answers = new WeakMap<Crl, Map<string, boolean>>();
const MAX_ANSWERS = 64;

/** True when `issuer`, a certificate of a verified path, issued `crl` and may do so. */
export function isCrlOf(crl: Crl, issuer: Certificate): boolean {
  let ofCrl = answers.get(crl);
  if (ofCrl === undefined) {
    ofCrl = new Map();
    answers.set(crl, ofCrl);
  }
  const known = ofCrl.get(issuer.sha256);
  if (known !== undefined) return known;
  const answer = crl.issuer.equals(issuer.subject) && mayIssueCrls(issuer) && isSignedBy(crl, issuer);
  if (ofCrl.size >= MAX_ANSWERS) ofCrl.clear();
  ofCrl.set(issuer.sha256, answer);
  return answer;
}

/** RFC 5280 §6.3.3 (f): key usage, when there is one, has cRLSign. */
function mayIssueCrls({ extensions }: Certificate): boolean {
  return extensions.keyUsage?.bits.has('cRLSign') !== false;
}
