// All rules about meshes, and about Sallyport in the place of one.

import type { Rule } from '../finding.ts';
import { DESTINATION_DISABLE } from './rules/destination-disable.ts';
import { IDENTITY_ABSENT } from './rules/identity-absent.ts';
import { INJECTION_CONFLICT } from './rules/injection-conflict.ts';
import { MTLS_NOT_STRICT } from './rules/mtls-not-strict.ts';
import { NO_AUTHORIZATION, PLAINTEXT_PASSES_POLICY } from './rules/no-authorization.ts';
import { POLICY_IGNORED } from './rules/policy-ignored.ts';
import { PORT_EXCLUDED } from './rules/port-excluded.ts';
import { SALLYPORT_BYPASS, SALLYPORT_SHADOW } from './rules/sallyport-bypass.ts';
import { SIDECAR_MISSING } from './rules/sidecar-missing.ts';
import { SPOOFED_SIDECAR } from './rules/spoofed-sidecar.ts';

export const meshRules: readonly Rule[] = [
  MTLS_NOT_STRICT,
  SIDECAR_MISSING,
  PORT_EXCLUDED,
  NO_AUTHORIZATION,
  PLAINTEXT_PASSES_POLICY,
  SPOOFED_SIDECAR,
  DESTINATION_DISABLE,
  INJECTION_CONFLICT,
  POLICY_IGNORED,
  IDENTITY_ABSENT,
  SALLYPORT_BYPASS,
  SALLYPORT_SHADOW,
];
