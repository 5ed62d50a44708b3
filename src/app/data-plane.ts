// The listeners of a configuration, each with its routes.

import type { BindAddress } from '../admin/bind-address.ts';
import type { AdmissionSources, Authentication, ListenerContext } from '../proxy/context.ts';
import { EgressListener } from '../proxy/egress-listener.ts';
import { Listener } from '../proxy/listener.ts';
import { RouteTable } from '../proxy/route.ts';
import type { TcpTerms } from '../proxy/tcp-tunnel.ts';
import { matchesIdPattern } from '../spiffe/id-pattern.ts';
import { VerifiedTokens } from '../spiffe/verified-tokens.ts';
import { RateLimit } from '../telemetry/rate-limit.ts';
import type { AuthenticateConfig } from './config-admission.ts';
import { isEgress, isOverTcp, type Config, type ListenerConfig } from './config.ts';
import {
  createAdmissionSources,
  createDeciding,
  type DecisionParts,
  MAX_ANONYMOUS_LINES_PER_SECOND,
} from './decision-parts.ts';
import { SOCKET_MODES } from './listen-at.ts';
import { NewDestinations } from './new-destinations.ts';
import { Upstreams } from './upstreams.ts';

const VERIFIED_TOKENS = 10_000;

/** One listener of whatever mode. */
interface RunningListener {
  /** @returns the address it listens on. @throws {Error} with the system's code when the address cannot be had. */
  listen(): Promise<BindAddress>;
  drain(deadlineMs: number): Promise<void>;
  reverify(): void;
  close(): void;
}

export class DataPlane {
  /** In the order of the configuration. */
  readonly listeners: readonly { readonly config: ListenerConfig; readonly listener: RunningListener }[];
  readonly #config: Config;
  readonly #parts: DecisionParts;
  readonly #sources: AdmissionSources;
  readonly #upstreams: Upstreams;
  readonly #anonymousLines: RateLimit;

  constructor(config: Config, parts: DecisionParts) {
    this.#config = config;
    this.#parts = parts;
    this.#sources = createAdmissionSources(parts);
    this.#upstreams = new Upstreams(config, this.#sources, parts);
    // As a limit over all workers.
    this.#anonymousLines = new RateLimit(MAX_ANONYMOUS_LINES_PER_SECOND / config.workers);
    this.listeners = config.listeners.map((each) => ({ config: each, listener: this.#createListener(each) }));
  }

  /** Stops accepting, and resolves when requests have finished or the configured time is over. */
  async drain(): Promise<void> {
    const { timeoutMs } = this.#config.drain;
    await Promise.all(this.listeners.map(({ listener }) => listener.drain(timeoutMs)));
  }

  /** Asks of every open connection whether it still may be. */
  reverify(): void {
    for (const { listener } of this.listeners) listener.reverify();
  }

  close(): void {
    for (const { listener } of this.listeners) listener.close();
    this.#upstreams.close();
  }

  #createListener(config: ListenerConfig): RunningListener {
    return isEgress(config.mode) ? this.#createEgress(config) : this.#createIngress(config);
  }

  #createIngress(listener: ListenerConfig): RunningListener {
    const { name, bind, authenticate } = listener;
    const { materials, log, clock } = this.#parts;
    if (bind.kind === 'unix') throw new Error(`peers do not come to the unix socket of ${name}`);
    const created = new Listener({
      host: bind.host,
      port: bind.port,
      sharesPort: this.#config.workers > 1,
      sources: this.#sources,
      authentication: toAuthentication(authenticate),
      policy: materials.policy,
      speaksHttp2: listener.http2,
      tcp: this.#tcpTermsOf(listener),
      onAnonymous: (reason, detail, remoteAddress) => {
        if (!this.#anonymousLines.admits(reason, clock.monotonicMs())) return;
        log.info({ listener: name, reason, detail, remoteAddress }, 'peer not authenticated');
      },
      onRefusedToken: (reason, detail) => {
        if (!this.#anonymousLines.admits(reason, clock.monotonicMs())) return;
        log.info({ listener: name, reason, detail }, 'token not accepted');
      },
      context: { ...this.#contextOf(listener), egress: null },
    });
    return {
      listen: async () => {
        const { address, port } = await created.listen();
        return { kind: 'tcp', host: address, port };
      },
      drain: (deadlineMs) => created.drain(deadlineMs),
      reverify: () => created.reverify(),
      close: () => created.close(),
    };
  }

  #createEgress(listener: ListenerConfig): RunningListener {
    const { name, bind, openTo } = listener;
    const { materials, recorder, log, clock } = this.#parts;
    const { workers } = this.#config;
    return new EgressListener({
      bind: bind.kind === 'tcp' ? { ...bind, sharesPort: workers > 1 } : { ...bind, mode: SOCKET_MODES[openTo] },
      sources: this.#sources,
      policy: materials.policy,
      tcp: this.#tcpTermsOf(listener),
      context: {
        ...this.#contextOf(listener),
        egress: new NewDestinations({ listener: name, log, recorder, clock, workers }),
      },
    });
  }

  #contextOf({ name, mode, component, limits, leases, routes }: ListenerConfig): Omit<ListenerContext, 'egress'> {
    return {
      name,
      component,
      routes: new RouteTable(
        (isOverTcp(mode) ? [] : routes).map((route) => ({
          host: route.host?.includes(':') === true ? `[${route.host}]` : route.host,
          port: route.port,
          pathPrefix: route.pathPrefix,
          component: route.component,
          upstream: this.#upstreams.of(route),
        })),
      ),
      limits,
      deadlines: this.#config.upstream,
      leases,
      clock: this.#parts.clock,
      ...createDeciding(this.#parts),
    };
  }

  #tcpTermsOf({ name, mode, routes: [route], proxyProtocol }: ListenerConfig): TcpTerms | null {
    if (!isOverTcp(mode)) return null;
    if (route === undefined) throw new Error(`the TCP listener ${name} leads nowhere`);
    return {
      component: route.component,
      upstream: this.#upstreams.overTcp(route),
      sendsProxyHeader: proxyProtocol !== null,
    };
  }
}

function toAuthentication({ x509, jwt }: AuthenticateConfig): Authentication {
  if (jwt === null) return { x509, tokens: null };
  const { audiences, maxAudiences, delegations } = jwt;
  return {
    x509,
    tokens: {
      verifier: new VerifiedTokens(VERIFIED_TOKENS, { audiences, maxAudiences }),
      mayCarry: (peer, subject) =>
        delegations.some(
          (delegation) =>
            matchesIdPattern(delegation.peer, peer) &&
            delegation.subjects.some((pattern) => matchesIdPattern(pattern, subject)),
        ),
    },
  };
}
