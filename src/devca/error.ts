// What the development CA refuses to make or to open.

import { SallyportError } from '../core/error.ts';

export type DevCaErrorCode =
  | 'invalid-ttl'
  | 'unknown-key-type'
  | 'invalid-password'
  | 'id-without-path'
  | 'foreign-trust-domain'
  | 'ttl-outlives-ca'
  | 'no-audience'
  | 'invalid-ca-file'
  | 'not-a-development-ca'
  | 'ca-key-mismatch'
  | 'ca-expired';

export class DevCaError extends SallyportError<DevCaErrorCode> {}
