// The configuration as the admin endpoint shows it: plain JSON, every key named here, so that a secret is shown only by decision.

import type { Config, ListenerConfig, RouteConfig } from './config.ts';
import { formatAddress } from './config-values.ts';

/** A value for `JSON.stringify`. The path of the private key is left out; nothing else in a configuration is secret. */
export function toConfigView(config: Config): object {
  const { trustDomain, identity, policy, listeners, admin, probes } = config;
  const { decisionLog, log, cache, drain, upstream, limits } = config;
  return {
    trustDomain,
    identity: {
      files: {
        certificate: identity.files.certificate,
        privateKey: '(not shown)',
        // `__proto__` is a legal trust domain: `fromEntries` defines it as a key like any other.
        trustBundles: Object.fromEntries(identity.files.trustBundles),
      },
    },
    policy: { path: policy.path, mode: policy.mode },
    listeners: listeners.map(toListenerView),
    admin: admin === null ? null : { bind: formatAddress(admin.bind) },
    probes: probes === null ? null : { bind: formatAddress(probes.bind) },
    decisionLog: { allow: decisionLog.allow, queueEntries: decisionLog.queueEntries },
    log: { level: log.level },
    cache: { ...cache },
    drain: { ...drain },
    upstream: { ...upstream },
    limits: { ...limits },
  };
}

function toListenerView({ name, bind, component, routes, limits }: ListenerConfig): object {
  return { name, bind: formatAddress(bind), component, routes: routes.map(toRouteView), limits: { ...limits } };
}

function toRouteView({ host, pathPrefix, component, upstream }: RouteConfig): object {
  const address = formatAddress(upstream);
  return { host, pathPrefix, component, upstream: upstream.kind === 'unix' ? address : `http://${address}` };
}
