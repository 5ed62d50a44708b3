// The configuration as the admin endpoint shows it: plain JSON, every key named here, so that a secret is shown only by decision.

import type { LeaseTerms } from '../proxy/lease.ts';
import { formatEndpointAddress } from '../workload-api/endpoint-address.ts';
import type { JwtConfig } from './config-admission.ts';
import { type AuthorizationServiceConfig, componentsOf } from './config-authorization.ts';
import type { IdentityConfig } from './config-identity.ts';
import type { RedisConfig } from './config-revocation.ts';
import type { BundleEndpointConfig, FederationConfig, TrustConfig } from './config-trust.ts';
import { isEgress, type Config, type ListenerConfig, type RouteConfig } from './config.ts';
import { formatUpstream } from './config-upstreams.ts';
import { formatAddress } from './config-values.ts';

const NOT_SHOWN = '(not shown)';

/** A value for `JSON.stringify`. The paths of private keys and of a password are left out; nothing else in a configuration is secret. */
export function toConfigView(config: Config): object {
  const { trustDomain, identity, trust, revocation, policy, listeners, authorization, admin, probes } = config;
  const { workers, decisionLog, log, cache, drain, upstream, limits, leases } = config;
  return {
    trustDomain,
    identity: toIdentityView(identity),
    trust: toTrustView(trust),
    revocation: { file: revocation.file, redis: revocation.redis === null ? null : toRedisView(revocation.redis) },
    policy: { path: policy.path, mode: policy.mode },
    workers,
    listeners: listeners.map(toListenerView),
    authorization: authorization.map(toAuthorizationView),
    admin: admin === null ? null : { bind: formatAddress(admin.bind) },
    probes: probes === null ? null : { bind: formatAddress(probes.bind) },
    decisionLog: { allow: decisionLog.allow, queueEntries: decisionLog.queueEntries },
    log: { level: log.level },
    cache: { ...cache },
    drain: { ...drain },
    upstream: { ...upstream },
    limits: { ...limits },
    leases: toLeasesView(leases),
  };
}

function toIdentityView(identity: IdentityConfig): object {
  switch (identity.kind) {
    case 'files': {
      const { certificate, trustBundles } = identity;
      return { files: { certificate, privateKey: NOT_SHOWN, trustBundles: toObject(trustBundles) } };
    }
    case 'workload-api': {
      const { socket, spiffeId, hint, startTimeoutMs } = identity;
      const address = socket === null ? null : formatEndpointAddress(socket);
      return { workloadApi: { socket: address, spiffeId, hint, startTimeoutMs } };
    }
  }
}

function toTrustView({ bundles, federation, endpoint }: TrustConfig): object {
  return {
    bundles: toObject(bundles),
    federation: toObject(federation.map((federated) => [federated.trustDomain, toFederationView(federated)])),
    endpoint: endpoint === null ? null : toEndpointView(endpoint),
  };
}

function toFederationView({ url, profile, bundle, maxAgeMs }: FederationConfig): object {
  switch (profile.kind) {
    case 'https_web':
      return { url, profile: profile.kind, ca: profile.ca, bundle, maxAgeMs };
    case 'https_spiffe':
      return { url, profile: profile.kind, endpointSpiffeId: profile.endpointId, bundle, maxAgeMs };
  }
}

function toEndpointView({ bind, profile, path, refreshHintMs }: BundleEndpointConfig): object {
  const shared = { bind: formatAddress(bind), profile: profile.kind, path, refreshHintMs };
  if (profile.kind === 'https_spiffe') return shared;
  return { ...shared, certificate: profile.certificate, privateKey: NOT_SHOWN };
}

function toRedisView(redis: RedisConfig): object {
  const { server, username, passwordFile, ca, key, startTimeoutMs, maxAgeMs } = redis;
  const password = passwordFile === null ? null : NOT_SHOWN;
  return { url: server.url, username, passwordFile: password, ca, key, startTimeoutMs, maxAgeMs };
}

function toListenerView(listener: ListenerConfig): object {
  const { name, bind, mode, openTo, component, routes, authenticate, proxyProtocol, http2, limits, leases } = listener;
  const methods = [...(authenticate.x509 ? ['x509'] : []), ...(authenticate.jwt === null ? [] : ['jwt'])];
  return {
    name,
    bind: formatAddress(bind),
    mode,
    openTo: bind.kind === 'unix' ? openTo : null,
    component,
    routes: routes.map(toRouteView),
    authenticate: isEgress(mode) ? [] : methods,
    jwt: authenticate.jwt === null ? null : toJwtView(authenticate.jwt),
    proxyProtocol,
    http2,
    limits: { ...limits },
    leases: toLeasesView(leases),
  };
}

function toAuthorizationView(service: AuthorizationServiceConfig): object {
  const { name, protocol, bind, openTo, callers } = service;
  return {
    name,
    protocol,
    bind: formatAddress(bind),
    openTo: bind.kind === 'unix' ? openTo : null,
    components: componentsOf(service),
    callers: callers?.map(({ text }) => text) ?? null,
  };
}

function toJwtView({ audiences, maxAudiences, delegations }: JwtConfig): object {
  return {
    audiences,
    maxAudiences,
    delegations: delegations.map(({ peer, subjects }) => ({
      peer: peer.text,
      subjects: subjects.map(({ text }) => text),
    })),
  };
}

function toLeasesView({ graceMs, onLapse }: LeaseTerms): object {
  return { graceMs, onLapse: { ...onLapse } };
}

/** `__proto__` is a legal trust domain: `fromEntries` defines it as a key like any other. */
function toObject(entries: Iterable<readonly [string, unknown]>): object {
  return Object.fromEntries(entries);
}

function toRouteView({ host, port, pathPrefix, component, upstream, serverIds }: RouteConfig): object {
  const serverId = serverIds.length === 0 ? null : serverIds.map(({ text }) => text);
  return { host, port, pathPrefix, component, upstream: formatUpstream(upstream), serverId };
}
