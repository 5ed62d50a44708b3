// What a configuration may say and this version does not do yet: refused at the start, since none of it may go unnoticed.

import type { Problem, SourcePosition } from '../core/source-position.ts';
import { LEASE_DEFAULTS } from './config-admission-schema.ts';
import { toLeaseTerms } from './config-admission.ts';
import type { Config, ListenerConfig } from './config.ts';

export function findUnsupported(config: Config): readonly Problem[] {
  const { identity, trust, revocation, positions } = config;
  const found: (readonly [string, SourcePosition | undefined])[] = [
    ...(identity.kind === 'workload-api' ? [['an identity from a Workload API', identity.position] as const] : []),
    ...[...trust.bundles.values()].map((file) => ['`trust.bundles`', positions.files.get(file)] as const),
    ...trust.federation.map(({ position }) => ['`trust.federation`', position] as const),
    ...(trust.endpoint === null ? [] : [['`trust.endpoint`', trust.endpoint.position] as const]),
    ...(revocation.file === null ? [] : [['`revocation.file`', positions.files.get(revocation.file)] as const]),
    ...(revocation.redis === null ? [] : [['`revocation.redis`', revocation.redis.position] as const]),
    ...config.listeners.flatMap(findUnsupportedOfListener),
  ];
  return found.map(([what, position]) => ({
    code: 'not-supported-yet',
    message: `${what} is not supported yet`,
    position: position ?? positions.policy,
  }));
}

function findUnsupportedOfListener({ authenticate, leases, position }: ListenerConfig) {
  const found: (readonly [string, SourcePosition])[] = [];
  if (authenticate.jwt !== null) found.push(['`authenticate: [jwt]`', authenticate.jwt.position]);
  if (JSON.stringify(leases) !== JSON.stringify(toLeaseTerms(LEASE_DEFAULTS))) found.push(['`leases`', position]);
  return found;
}
