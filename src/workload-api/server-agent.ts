// An agent for one developer's machine: issues SVIDs for its entries, renews them at half their life and serves them to everybody.
// What it is made of survives stop() and start(), as a real agent's trust domain survives a restart of the agent.

import { webcrypto } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type Clock, type Schedule, systemClock, systemSchedule } from '../core/clock.ts';
import { SnapshotCell } from '../core/snapshot.ts';
import type { DevelopmentAuthority } from '../devca/authority.ts';
import { DevCaError } from '../devca/error.ts';
import { createJwtAuthority, type DevelopmentJwtAuthority } from '../devca/jwt.ts';
import type { Issuing } from '../devca/sign.ts';
import { issueSvid } from '../devca/svid.ts';
import { parseCertificate } from '../pki/certificate.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts';
import type { TrustBundle, TrustBundles } from '../spiffe/trust-bundle.ts';
import { formatEndpointAddress } from './endpoint-address.ts';
import { type StreamedAnswers, WorkloadApiServer } from './server.ts';
import {
  type AgentTrust,
  answerJwtSvid,
  answerValidation,
  composeStreamed,
  type IssuedEntry,
  type JwtSvidIssue,
} from './server-answers.ts';
import { DevelopmentAgentError, type AgentEntry, requireDistinct, toFederated } from './server-entries.ts';
import type { AgentSocket } from './server-socket.ts';

export interface DevelopmentAgentOptions {
  readonly authority: DevelopmentAuthority;
  readonly socket: AgentSocket;
  readonly entries: readonly AgentEntry[];
  readonly federatedBundles: readonly TrustBundle[];
  readonly port: AgentPort;
  readonly report: (event: AgentEvent) => void;
}

export interface AgentPort {
  readonly clock: Clock;
  readonly crypto: webcrypto.Crypto;
  readonly schedule: Schedule;
}

export const systemAgentPort: AgentPort = { clock: systemClock, crypto: webcrypto, schedule: systemSchedule };

/** Why new X.509-SVIDs were issued, or others are served than before. */
export type IssueCause = 'start' | 'half-life' | 'entries' | 'asked';

export type AgentEvent =
  | {
      readonly kind: 'issued';
      readonly cause: IssueCause;
      /** Those that are new; none when entries were only taken away. */
      readonly svids: readonly { readonly id: SpiffeId; readonly notAfterMs: number }[];
      /** How many are served now. */
      readonly served: number;
      /** Open streams. */
      readonly streams: number;
    }
  /** The last SVIDs stay, until they end; tried again. */
  | { readonly kind: 'not-issued'; readonly error: DevCaError; readonly retryMs: number }
  | ({ readonly kind: 'jwt-issued' } & JwtSvidIssue);

export interface DevelopmentAgent {
  /** What `SPIFFE_ENDPOINT_SOCKET` is set to; once it has started, with the port that was found free. */
  readonly endpoint: string;
  /** Of its own trust domain: for whoever should trust what it issues. */
  readonly bundle: TrustBundle;
  readonly entries: readonly AgentEntry[];
  /** How many are open. */
  readonly streams: number;
  /**
   * Issues for every entry, then listens: at the address of the last time, if there was one.
   * @throws {AgentSocketError | DevCaError | DevelopmentAgentError}
   */
  start(): Promise<void>;
  /** Breaks every connection and removes the socket. Keys and entries stay for the next start(). */
  stop(): Promise<void>;
  /** As stop(), and for good. */
  close(): Promise<void>;
  /** New keys and X.509-SVIDs for every entry, now. @throws {DevCaError} */
  rotateNow(): Promise<void>;
  /**
   * In place of those it had; entries that stay as they were keep their SVIDs. Without any, everybody is refused.
   * @throws {DevelopmentAgentError | DevCaError} and then nothing has changed
   */
  setEntries(entries: readonly AgentEntry[]): Promise<void>;
  /** @throws {DevelopmentAgentError | DevCaError} and then nothing has changed */
  addEntry(entry: AgentEntry): Promise<void>;
  removeEntry(id: SpiffeId): Promise<void>;
  /** In place of those it had. @throws {DevelopmentAgentError} and then nothing has changed */
  setFederatedBundles(bundles: readonly TrustBundle[]): Promise<void>;
  /** DER; in place of those it had. */
  setCrls(crls: readonly Uint8Array[]): Promise<void>;
}

interface Renewable extends IssuedEntry {
  /** In wall time. */
  readonly dueMs: number;
}

const RETRY_MS = 5_000;
/** Wall time may jump and timers may not be set for more than 24.8 days: looked at least this often. */
const MAX_WAIT_MS = 3_600_000;

/** The agent is as good as its port: nothing happens before start(). @throws {DevelopmentAgentError} */
export async function createDevelopmentAgent(options: DevelopmentAgentOptions): Promise<DevelopmentAgent> {
  const { trustDomain } = options.authority;
  requireDistinct(options.entries);
  const federated = toFederated(options.federatedBundles, trustDomain);
  const jwtAuthority = await createJwtAuthority({ trustDomain, keyType: 'p256' }, options.port);
  return new Agent(options, jwtAuthority, federated);
}

class Agent implements DevelopmentAgent {
  readonly #options: DevelopmentAgentOptions;
  readonly #jwtAuthority: DevelopmentJwtAuthority;
  readonly #streamed = new SnapshotCell<StreamedAnswers | null>(null);
  #socket: AgentSocket;
  #entries: readonly AgentEntry[];
  #trust: AgentTrust;
  #issued: readonly Renewable[] = [];
  #server: WorkloadApiServer | null = null;
  #isClosed = false;
  #cancelTimer: (() => void) | null = null;
  /** Whatever changes what is served, one after the other. */
  #steps: Promise<void> = Promise.resolve();

  constructor(
    options: DevelopmentAgentOptions,
    jwtAuthority: DevelopmentJwtAuthority,
    federated: ReadonlyMap<TrustDomain, TrustBundle>,
  ) {
    this.#options = options;
    this.#jwtAuthority = jwtAuthority;
    this.#socket = options.socket;
    this.#entries = options.entries;
    const { trustDomain, root } = options.authority;
    const own: TrustBundle = {
      trustDomain,
      authorities: [parseCertificate(Buffer.from(root.rawData))],
      jwtAuthorities: new Map([[jwtAuthority.keyId, jwtAuthority]]),
    };
    this.#trust = { own, federated, crls: [] };
  }

  get endpoint(): string {
    return formatEndpointAddress(this.#socket.address);
  }

  get bundle(): TrustBundle {
    return this.#trust.own;
  }

  get entries(): readonly AgentEntry[] {
    return this.#entries;
  }

  get streams(): number {
    return this.#server?.streams ?? 0;
  }

  start(): Promise<void> {
    return this.#step(async () => {
      if (this.#isClosed) throw new DevelopmentAgentError('cannot-start', 'the agent has been closed');
      if (this.#server !== null) throw new DevelopmentAgentError('cannot-start', 'the agent has been started already');
      const server = this.#createServer();
      try {
        await this.#serve('start', this.#entries, () => false);
        this.#socket = { ...this.#socket, address: await server.listen(this.#socket) };
      } catch (error) {
        await server.close();
        throw error;
      }
      this.#server = server;
      this.#planRenewal();
    });
  }

  stop(): Promise<void> {
    return this.#step(async () => {
      this.#cancelTimer?.();
      this.#cancelTimer = null;
      const server = this.#server;
      this.#server = null;
      await server?.close();
    });
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return this.stop();
  }

  rotateNow(): Promise<void> {
    return this.#step(() => this.#serve('asked', this.#entries, () => false));
  }

  setEntries(entries: readonly AgentEntry[]): Promise<void> {
    return this.#changeEntries(() => entries);
  }

  addEntry(entry: AgentEntry): Promise<void> {
    return this.#changeEntries((entries) => [...entries, entry]);
  }

  removeEntry(id: SpiffeId): Promise<void> {
    return this.#changeEntries((entries) => entries.filter((entry) => entry.id !== id));
  }

  setFederatedBundles(bundles: readonly TrustBundle[]): Promise<void> {
    return this.#step(() => {
      this.#trust = { ...this.#trust, federated: toFederated(bundles, this.#trust.own.trustDomain) };
      this.#publish();
    });
  }

  setCrls(crls: readonly Uint8Array[]): Promise<void> {
    return this.#step(() => {
      this.#trust = { ...this.#trust, crls };
      this.#publish();
    });
  }

  #createServer(): WorkloadApiServer {
    const { port, report } = this.#options;
    return new WorkloadApiServer({
      streamed: this.#streamed,
      answerJwtSvid: (request) =>
        answerJwtSvid(
          request,
          { entries: this.#entries, authority: this.#jwtAuthority },
          { ...this.#issuing(), onIssued: (issue) => report({ kind: 'jwt-issued', ...issue }) },
        ),
      answerValidation: (request) => answerValidation(request, this.#trustForValidation(), port.clock.wallMs()),
    });
  }

  #trustForValidation(): TrustBundles {
    const { own, federated } = this.#trust;
    const ours: [TrustDomain, TrustBundle] = [own.trustDomain, own];
    return new Map(this.#entries.length === 0 ? [ours] : [ours, ...federated]);
  }

  #step(step: () => void | Promise<void>): Promise<void> {
    const done = this.#steps.then(step);
    // Whoever asked for the step is told of its failure; the next one begins all the same.
    this.#steps = done.catch(() => undefined);
    return done;
  }

  #changeEntries(change: (entries: readonly AgentEntry[]) => readonly AgentEntry[]): Promise<void> {
    return this.#step(async () => {
      const entries = change(this.#entries);
      requireDistinct(entries);
      await this.#serve('entries', entries, () => true);
    });
  }

  /** Serves these entries, with the SVIDs at hand that may stay and new ones for the others. */
  async #serve(
    cause: IssueCause,
    entries: readonly AgentEntry[],
    mayStay: (issued: Renewable) => boolean,
  ): Promise<void> {
    // One time for all of them, so that those of equal life are renewed together.
    const issuing = this.#issuing();
    const atHand = new Map(this.#issued.filter(mayStay).map((issued) => [issued.entry.id, issued]));
    const fresh: Renewable[] = [];
    const issued: Renewable[] = [];
    for (const entry of entries) {
      const last = atHand.get(entry.id);
      const isKept = last !== undefined && isDeepStrictEqual(last.entry, entry);
      const each = isKept ? last : await this.#issue(entry, issuing);
      if (!isKept) fresh.push(each);
      issued.push(each);
    }
    this.#entries = entries;
    this.#issued = issued;
    this.#publish();
    this.#planRenewal();
    const svids = fresh.map(({ entry, svid }) => ({ id: entry.id, notAfterMs: svid.notAfterMs }));
    this.#options.report({ kind: 'issued', cause, svids, served: issued.length, streams: this.streams });
  }

  async #issue(entry: AgentEntry, issuing: Issuing): Promise<Renewable> {
    const request = { ...entry, keyType: 'p256', ipAddresses: [] } as const;
    const svid = await issueSvid(this.#options.authority, request, issuing);
    // Of the life that is left: certificates begin before they are issued.
    return { entry, svid, dueMs: (issuing.nowMs + svid.notAfterMs) / 2 };
  }

  #issuing(): Issuing {
    const { clock, crypto } = this.#options.port;
    return { nowMs: clock.wallMs(), crypto };
  }

  #publish(): void {
    this.#streamed.swap(composeStreamed(this.#issued, this.#trust));
  }

  #planRenewal(): void {
    const dueMs = Math.min(...this.#issued.map((issued) => issued.dueMs));
    this.#wake(Math.min(Math.max(dueMs - this.#options.port.clock.wallMs(), 0), MAX_WAIT_MS));
  }

  #wake(delayMs: number): void {
    this.#cancelTimer?.();
    if (this.#server === null) return;
    // A defect is nobody's to catch: the process ends rather than serve what it can no longer renew.
    this.#cancelTimer = this.#options.port.schedule(delayMs, () => void this.#step(() => this.#renew()));
  }

  async #renew(): Promise<void> {
    if (this.#server === null) return;
    const nowMs = this.#options.port.clock.wallMs();
    if (this.#issued.every(({ dueMs }) => dueMs > nowMs)) {
      this.#planRenewal();
      return;
    }
    try {
      await this.#serve('half-life', this.#entries, ({ dueMs }) => dueMs > nowMs);
    } catch (error) {
      if (!(error instanceof DevCaError)) throw error;
      this.#options.report({ kind: 'not-issued', error, retryMs: RETRY_MS });
      this.#wake(RETRY_MS);
    }
  }
}
