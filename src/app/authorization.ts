// The authorization services of a configuration: always in the first process, whoever serves its listeners.

import type { BindAddress } from '../admin/bind-address.ts';
import { systemSchedule } from '../core/clock.ts';
import type { AuthorizationService, ServiceContext } from '../extauthz/service.ts';
import type { AdmissionSources } from '../proxy/context.ts';
import { matchesIdPattern } from '../spiffe/id-pattern.ts';
import { RateLimit } from '../telemetry/rate-limit.ts';
import type { AuthorizationServiceConfig } from './config-authorization.ts';
import type { Config } from './config.ts';
import {
  createAdmissionSources,
  createDeciding,
  type DecisionParts,
  MAX_ANONYMOUS_LINES_PER_SECOND,
} from './decision-parts.ts';
import { listenAt, SOCKET_MODES } from './listen-at.ts';

export class Authorization {
  readonly #config: Config;
  readonly #parts: DecisionParts;
  readonly #sources: AdmissionSources;
  readonly #anonymousLines = new RateLimit(MAX_ANONYMOUS_LINES_PER_SECOND);
  readonly #services: AuthorizationService[] = [];

  constructor(config: Config, parts: DecisionParts) {
    this.#config = config;
    this.#parts = parts;
    this.#sources = createAdmissionSources(parts);
  }

  /** Resolves when every service accepts, each of which is told. @throws {StartError} */
  async listen(onListening: (service: AuthorizationServiceConfig, address: BindAddress) => void): Promise<void> {
    for (const config of this.#config.authorization) {
      const service = await this.#create(config);
      this.#services.push(service);
      onListening(config, await listenAt(config, () => service.listen()));
    }
  }

  reverify(): void {
    for (const service of this.#services) service.reverify();
  }

  /** Takes no new connections, and resolves when the checks under way are answered or the configured time is over. */
  async drain(): Promise<void> {
    const { timeoutMs } = this.#config.drain;
    await Promise.all(this.#services.map((service) => service.drain(timeoutMs)));
  }

  close(): void {
    for (const service of this.#services) service.close();
  }

  async #create(config: AuthorizationServiceConfig): Promise<AuthorizationService> {
    const { protocol, bind, openTo, callers } = config;
    const context = this.#contextOf(config);
    const mode = SOCKET_MODES[openTo];
    if (protocol === 'envoy') {
      const { GrpcService } = await import('../extauthz/grpc-service.ts');
      const mayAsk = (id: Parameters<typeof matchesIdPattern>[1]): boolean =>
        callers?.some((pattern) => matchesIdPattern(pattern, id)) ?? false;
      return new GrpcService(context, bind.kind === 'unix' ? { ...bind, mode } : { ...bind, mayAsk });
    }
    const { HttpService } = await import('../extauthz/http-service.ts');
    return new HttpService(context, protocol, bind.kind === 'unix' ? { ...bind, mode } : bind);
  }

  #contextOf({ name, components }: AuthorizationServiceConfig): ServiceContext {
    const { log, clock } = this.#parts;
    return {
      name,
      served: components.kind === 'one' ? components : { kind: 'named', components: new Set(components.components) },
      sources: this.#sources,
      ...createDeciding(this.#parts),
      schedule: systemSchedule,
      onNoIdentity: (reason, detail) => {
        if (!this.#anonymousLines.admits(reason, clock.monotonicMs())) return;
        log.info({ listener: name, reason, detail }, 'no identity in a check');
      },
    };
  }
}
