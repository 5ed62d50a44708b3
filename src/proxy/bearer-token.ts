// The bearer token of a request: one field, one token, or nothing that is taken for one.
// RFC 6750 §2.1, RFC 9110 §11.4

import type { RequestHead } from '../http1/request-head.ts';

export type BearerToken =
  /** No Authorization field, or one of another scheme, which is for the upstream. */
  | { readonly kind: 'none' }
  | { readonly kind: 'token'; readonly token: string }
  /** Several Authorization fields, or a Bearer that is not followed by one token. */
  | { readonly kind: 'malformed' };

export const AUTHORIZATION = 'authorization';

const BEARER = /^bearer(?![!#$%&'*+.^_`|~\w-])/i;
const CREDENTIALS = /^bearer ([\w.~+/-]+=*)$/i;

const NONE: BearerToken = { kind: 'none' };
const MALFORMED: BearerToken = { kind: 'malformed' };

export function readBearerToken({ fields }: Pick<RequestHead, 'fields'>): BearerToken {
  let value: string | null = null;
  for (let at = 0; at < fields.length; at += 2) {
    if (fields[at] !== AUTHORIZATION) continue;
    // Which of two an upstream would go by is anybody's guess.
    if (value !== null) return MALFORMED;
    value = fields[at + 1] ?? '';
  }
  if (value === null || !BEARER.test(value)) return NONE;
  const token = CREDENTIALS.exec(value)?.[1];
  return token === undefined ? MALFORMED : { kind: 'token', token };
}
