// Why the API server did not give what it was asked for: one closed list.

import { SallyportError } from '../core/error.ts';

export type ApiErrorCode =
  /** No connection, or it broke. */
  | 'unreachable'
  /** The certificate of the server does not prove what it should. */
  | 'untrusted-server'
  | 'timeout'
  /** 401: it does not know who we are. */
  | 'unauthorized'
  /** 403. */
  | 'forbidden'
  /** 404. */
  | 'not-found'
  /** 410: what we know is too old to go on from. */
  | 'gone'
  /** 429. */
  | 'throttled'
  /** 5xx. */
  | 'server-error'
  /** Another status that is no success. */
  | 'status'
  | 'too-large'
  /** Not what the API of Kubernetes answers. */
  | 'malformed';

export class ApiError extends SallyportError<ApiErrorCode> {
  /** What the server asked us to wait; null when it did not. */
  readonly retryAfterMs: number | null;

  constructor(
    code: ApiErrorCode,
    message: string,
    options: ErrorOptions & { readonly retryAfterMs?: number | null } = {},
  ) {
    super(code, message, options);
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

export function statusToCode(status: number): ApiErrorCode {
  switch (status) {
    case 401:
      return 'unauthorized';
    case 403:
      return 'forbidden';
    case 404:
      return 'not-found';
    case 410:
      return 'gone';
    case 429:
      return 'throttled';
    case 504:
      return 'timeout';
    default:
      return status >= 500 ? 'server-error' : 'status';
  }
}
