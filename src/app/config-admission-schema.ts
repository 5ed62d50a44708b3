// How a listener is told who may connect, and what becomes of who has connected: `authenticate`, `jwt`, `leases`.

import type { z } from 'zod';
import { choice, count, duration, list, mapping, text } from './config-fields.ts';
import { parseAudience } from './config-names.ts';
import { parseDuration } from './config-values.ts';

const MAX_AUDIENCES = 16;

/** Of a listener that says nothing; an egress listener cannot say anything. */
export const DEFAULT_AUTHENTICATION = ['x509'] as const;

export const authenticate = list(choice('x509', 'jwt'), 'a list of `x509`, `jwt` or both');

// Read by the rules, since `/path` means a path of the own trust domain.
const pattern = text('a pattern of SPIFFE IDs such as `/training/**`', (value) => value);

export const jwt = mapping({
  audiences: list(text('an audience', parseAudience), 'a list of audiences').max(MAX_AUDIENCES, {
    error: `the list has more than ${MAX_AUDIENCES} entries`,
  }),
  maxAudiences: count(1, MAX_AUDIENCES).prefault(1),
  delegations: list(
    mapping({ peer: pattern, subjects: list(pattern, 'a list of patterns of SPIFFE IDs') }),
    'a list of delegations',
  ).optional(),
});

const action = choice('drain', 'reset');

/** Of one listener, each key optional: the listener's own come before the file's `leases`, those before `LEASE_DEFAULTS`. */
export const leases = mapping({
  grace: duration('0ms', '1h').exactOptional(),
  svidExpired: action.exactOptional(),
  tokenExpired: action.exactOptional(),
  trustChanged: action.exactOptional(),
  revoked: action.exactOptional(),
  policyChanged: action.exactOptional(),
  maximumAge: action.exactOptional(),
  ownSvidWithdrawn: action.exactOptional(),
});

export type LeasesDocument = z.output<typeof leases>;

/** What is over by itself ends gently, what was taken away at once. */
export const LEASE_DEFAULTS = {
  grace: parseDuration('5s'),
  svidExpired: 'drain',
  tokenExpired: 'drain',
  trustChanged: 'reset',
  revoked: 'reset',
  policyChanged: 'reset',
  maximumAge: 'drain',
  ownSvidWithdrawn: 'reset',
} as const satisfies Required<LeasesDocument>;
