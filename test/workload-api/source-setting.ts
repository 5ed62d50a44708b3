// A source and its agent under test: real sockets, a clock that stands still, and every state in the order in which it was told.

import { join } from 'node:path';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import type { WorkloadReport } from '../../src/workload-api/agent-stream.ts';
import { ANSWER_TIMEOUT_MS } from '../../src/workload-api/client.ts';
import type { EndpointAddress } from '../../src/workload-api/endpoint-address.ts';
import { FETCH_JWT_BUNDLES, FETCH_X509_SVID } from '../../src/workload-api/messages.ts';
import {
  WorkloadApiSource,
  type WorkloadApiSourceOptions,
  type WorkloadMaterials,
  type WorkloadState,
} from '../../src/workload-api/source.ts';
import { svidMessage, x509Response } from './agent-messages.ts';
import { type AgentCall, FakeAgent, socketDirectory } from './fake-agent.ts';
import { FakeTime } from './fake-time.ts';

export const ID = 'spiffe://ai.example/registry';
export const OTHER_ID = 'spiffe://ai.example/other';
export const X509 = FETCH_X509_SVID.path;
export const JWT = FETCH_JWT_BUNDLES.path;
export const DAY_MS = 24 * 3_600_000;

export const idOf = ({ identity }: WorkloadMaterials): string => identity.svid.id;
export const domainsOf = ({ bundles }: WorkloadMaterials): readonly string[] => [...bundles.keys()];

export class SourceSetting {
  readonly time = new FakeTime();
  readonly directory = socketDirectory();
  readonly socketPath = join(this.directory.path, 'agent.sock');
  readonly address: EndpointAddress = { kind: 'unix', path: this.socketPath };
  #agent: FakeAgent | null = null;
  readonly #followed: Followed[] = [];

  async close(): Promise<void> {
    for (const { source } of this.#followed) source.close();
    await this.stopAgent();
    this.directory.remove();
  }

  async listen(): Promise<FakeAgent> {
    this.#agent = await FakeAgent.listen(this.address);
    return this.#agent;
  }

  async stopAgent(): Promise<void> {
    await this.#agent?.close();
    this.#agent = null;
  }

  follow(options: Partial<WorkloadApiSourceOptions> = {}): Followed {
    const { clock, schedule } = this.time;
    const one = new Followed({
      address: this.address,
      trustDomain: parseTrustDomain('ai.example'),
      select: { spiffeId: null, hint: null },
      jwtBundles: false,
      clock,
      schedule,
      random: () => 1,
      ...options,
    });
    this.#followed.push(one);
    one.source.start();
    return one;
  }

  /** A source that has its first SVID, and the stream that it came on. */
  async followCurrent(
    options: Partial<WorkloadApiSourceOptions> = {},
    message = x509Response([svidMessage(ID)]),
  ): Promise<{ readonly one: Followed; readonly call: AgentCall; readonly from: FakeAgent }> {
    const from = await this.listen();
    const one = this.follow(options);
    const call = await from.nextCall(X509);
    call.send(message);
    await one.reach('current');
    return { one, call, from };
  }

  /** The delay until the only thing that is planned. */
  plannedMs(): number {
    const [delayMs, ...others] = this.time.delaysMs;
    if (delayMs === undefined || others.length > 0) throw new Error(`planned: ${this.time.delaysMs.join(', ')}`);
    return delayMs;
  }

  /** Whether the last attempt has ended and the next one is planned. */
  isPlanned(): boolean {
    return this.time.delaysMs.length === 1 && !this.time.delaysMs.includes(ANSWER_TIMEOUT_MS);
  }

  /** Lets the next attempt happen and takes it up. */
  async retry(from: FakeAgent, path = X509): Promise<AgentCall> {
    this.time.advance(this.plannedMs());
    return from.nextCall(path);
  }
}

/** Resolves when it is so, for what nobody is told of. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** A source under test, and everything it has told. */
export class Followed {
  readonly source: WorkloadApiSource;
  readonly reports: WorkloadReport[] = [];
  readonly #states: WorkloadState[] = [];
  #arrival: (() => void) | null = null;

  constructor(options: WorkloadApiSourceOptions) {
    this.source = new WorkloadApiSource(options);
    this.source.subscribe((state) => {
      this.#states.push(state);
      this.#arrival?.();
    });
    this.source.subscribeReports((report) => {
      this.reports.push(report);
      this.#arrival?.();
    });
  }

  /** States that nobody has taken. */
  get told(): readonly string[] {
    return this.#states.map(({ kind }) => kind);
  }

  /** The next state that it tells, or told and nobody has taken. */
  async next(): Promise<WorkloadState> {
    await this.#until(() => this.#states.length > 0);
    const [state] = this.#states.splice(0, 1);
    if (state === undefined) throw new Error('no state');
    return state;
  }

  /** Takes states up to the one that is wanted. */
  async reach<Kind extends WorkloadState['kind']>(kind: Kind): Promise<Extract<WorkloadState, { kind: Kind }>> {
    for (;;) {
      const state = await this.next();
      if (isOf(kind, state)) return state;
    }
  }

  async reported(count: number): Promise<readonly WorkloadReport[]> {
    await this.#until(() => this.reports.length >= count);
    return this.reports;
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        this.#arrival = resolve;
      });
    }
  }
}

function isOf<Kind extends WorkloadState['kind']>(
  kind: Kind,
  state: WorkloadState,
): state is Extract<WorkloadState, { kind: Kind }> {
  return state.kind === kind;
}
