// What works and is hardly meant: told in the log at the start, and again when a reload brings it about.

import type { Clock } from '../core/clock.ts';
import { isLoopbackHost } from '../core/loopback.ts';
import type { Problem } from '../core/source-position.ts';
import { lintPolicy } from '../policy/lint.ts';
import type { Logger } from '../telemetry/logger.ts';
import { findOwnSvidProblem, findPolicyConflicts } from './agreement.ts';
import type { Config } from './config.ts';
import type { WatchedMaterial } from '../telemetry/recorder.ts';
import type { Materials } from './materials/materials.ts';

const MAX_LINT_WARNINGS = 20;
const LINT = 'the policy says what is hardly meant';
const CONFLICT = 'the policy does not fit the configuration';

export class Cautions {
  readonly #config: Config;
  readonly #materials: Materials;
  readonly #log: Logger;
  readonly #clock: Clock;

  constructor(config: Config, materials: Materials, { log, clock }: { readonly log: Logger; readonly clock: Clock }) {
    this.#config = config;
    this.#materials = materials;
    this.#log = log;
    this.#clock = clock;
  }

  /** Once, before anything is served. */
  onStart(): void {
    this.#ofPolicy();
    this.#ofDevelopmentIdentity();
    this.#ofOwnSvid();
    // Not at a reload: it takes longer than loading, and requests would wait for it. `policy validate` says the same.
    const warnings = lintPolicy(this.#materials.policy.current.value);
    for (const warning of warnings.slice(0, MAX_LINT_WARNINGS)) this.#ofProblem(warning, LINT);
    const left = warnings.length - MAX_LINT_WARNINGS;
    if (left > 0) this.#log.warn({ left }, 'more warnings of this kind; `policy validate` has them all');
  }

  onReload(what: WatchedMaterial): void {
    switch (what) {
      case 'policy':
        for (const conflict of findPolicyConflicts(this.#config, this.#materials.policy.current.value)) {
          this.#ofProblem(conflict, CONFLICT);
        }
        this.#ofPolicy();
        return;
      case 'identity':
        this.#ofDevelopmentIdentity();
        this.#ofOwnSvid();
        return;
      case 'trust-bundle':
        this.#ofOwnSvid();
        return;
      case 'revocation':
      case 'redis-password':
      case 'redis-ca':
      case 'bundle-endpoint':
    }
  }

  #ofPolicy(): void {
    const { mode, digest } = this.#materials.policy.current.value;
    if (mode === 'shadow') this.#log.warn({ digest }, 'the policy is in shadow: nothing is denied');
  }

  #ofDevelopmentIdentity(): void {
    const identity = this.#materials.identity.current.value;
    if (identity?.isDevelopment !== true) return;
    for (const { name, bind } of [...this.#config.listeners, ...this.#config.authorization]) {
      if (bind.kind === 'unix' || isLoopbackHost(bind.host)) continue;
      this.#log.warn(
        { listener: name, address: bind.host, spiffeId: identity.svid.id },
        'serving a non-loopback address with a certificate of the development CA',
      );
    }
  }

  #ofOwnSvid(): void {
    const identity = this.#materials.identity.current.value;
    if (identity === null) return;
    const bundles = this.#materials.trust.view.current.value;
    const problem = findOwnSvidProblem(this.#config, { identity, bundles }, this.#clock.wallMs());
    if (problem !== null) this.#ofProblem(problem, 'peers would refuse our own SVID');
  }

  #ofProblem({ code, message, position: { file, line } }: Problem, about: string): void {
    this.#log.warn({ code, place: `${file}:${line}`, detail: message }, about);
  }
}
