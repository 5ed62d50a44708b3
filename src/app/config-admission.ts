// Who may connect to a listener and what becomes of who has connected, as the program uses it.

import type { LeaseTerms } from '../proxy/lease.ts';
import { type IdPattern, parseIdPattern } from '../spiffe/id-pattern.ts';
import { DEFAULT_AUTHENTICATION, LEASE_DEFAULTS, type LeasesDocument } from './config-admission-schema.ts';
import type { Origin } from './config-origin.ts';
import type { ConfigDocument } from './config-schema.ts';

/** At least one of the two. */
export interface AuthenticateConfig {
  readonly x509: boolean;
  /** Null when no tokens are taken. */
  readonly jwt: JwtConfig | null;
}

export interface JwtConfig {
  /** At least one, each another; a token must be for one of them. */
  readonly audiences: readonly string[];
  /** A token for more audiences is refused. */
  readonly maxAudiences: number;
  /** Empty unless `x509` is asked for too. */
  readonly delegations: readonly DelegationConfig[];
}

/** Whose connection may carry whose token. */
export interface DelegationConfig {
  readonly peer: IdPattern;
  readonly subjects: readonly IdPattern[];
}

type ListenerDocument = ConfigDocument['listeners'][number];

export function toAuthenticateConfig({ authenticate, jwt }: ListenerDocument, origin: Origin): AuthenticateConfig {
  const methods: readonly string[] = authenticate ?? DEFAULT_AUTHENTICATION;
  const pattern = (text: string): IdPattern => parseIdPattern(text, origin.trustDomain);
  return {
    x509: methods.includes('x509'),
    jwt:
      jwt === undefined
        ? null
        : {
            audiences: jwt.audiences,
            maxAudiences: jwt.maxAudiences,
            delegations: (jwt.delegations ?? []).map(({ peer, subjects }) => ({
              peer: pattern(peer),
              subjects: subjects.map(pattern),
            })),
          },
  };
}

export function toLeaseTerms(own: LeasesDocument): LeaseTerms {
  const leases = { ...LEASE_DEFAULTS, ...own };
  return {
    graceMs: leases.grace,
    onLapse: {
      'svid-expired': leases.svidExpired,
      'token-expired': leases.tokenExpired,
      'trust-changed': leases.trustChanged,
      revoked: leases.revoked,
      'policy-changed': leases.policyChanged,
      'maximum-age': leases.maximumAge,
      'own-svid-withdrawn': leases.ownSvidWithdrawn,
    },
  };
}
