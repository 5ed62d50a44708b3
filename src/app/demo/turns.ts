// Which requests of the peers that are there all the time are worth a line: where one is refused, and where it is let in again.

import type { RequestRecord } from '../../telemetry/recorder.ts';
import type { Observation } from './decision-tap.ts';

export class Turns {
  readonly #peers: readonly string[];
  readonly #refused = new Set<string>();

  /** `peers`: the SPIFFE IDs of whoever is there all the time; of anybody else everything is worth a line. */
  constructor(peers: readonly string[]) {
    this.#peers = peers;
  }

  isTurn(observation: Observation, record: RequestRecord): boolean {
    const peer = this.#peers.find((id) => isOf(id, observation, record));
    if (peer === undefined) return true;
    const wasRefused = this.#refused.has(peer);
    const isRefused = observation.effect !== 'allow' && observation.effect !== 'would-deny';
    if (isRefused) this.#refused.add(peer);
    else this.#refused.delete(peer);
    return observation.effect === 'cut' || isRefused !== wasRefused;
  }
}

/** Who was not authenticated has no ID; where it showed one all the same, it is in the explanation. */
function isOf(id: string, { detail }: Observation, { principal }: RequestRecord): boolean {
  return principal === id || (principal === null && detail.includes(`\`${id}\``));
}
