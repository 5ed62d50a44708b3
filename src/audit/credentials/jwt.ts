// JSON Web Tokens in a text, and until when they are good.
// RFC 7519; nothing is verified, since whoever finds one can try it

import { own } from '../kube-object.ts';
import type { Hit } from './detection.ts';

/** Nothing of base64url before it, so that each run of characters is looked at once. */
const PATTERN = /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,4096}\.eyJ[A-Za-z0-9_-]{8,8192}\.[A-Za-z0-9_-]{16,2048}/g;

export function findJwts(text: string): readonly Hit[] {
  if (!text.includes('eyJ')) return [];
  return [...text.matchAll(PATTERN)].flatMap(({ 0: token, index }): readonly Hit[] => {
    const [header = '', payload = ''] = token.split('.');
    const algorithm = own(decodeJson(header), 'alg');
    const claims = decodeJson(payload);
    if (typeof algorithm !== 'string' || claims === null) return [];
    const expires = own(claims, 'exp');
    const issuer = own(claims, 'iss');
    const isOfKubernetes = issuer === 'kubernetes/serviceaccount' || own(claims, 'kubernetes.io') !== undefined;
    return [
      {
        kind: isOfKubernetes ? 'kubernetes-token' : 'jwt',
        title: isOfKubernetes ? 'a token of a Kubernetes service account' : 'a JSON Web Token',
        basis: 'format',
        name: null,
        start: index,
        length: token.length,
        prefix: 'eyJ',
        expiresMs: typeof expires === 'number' && Number.isFinite(expires) ? expires * 1000 : null,
        isLimited: false,
      },
    ];
  });
}

function decodeJson(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
