// A federation client between a fake clock and fake endpoints: each fetch waits until the test answers it.

import type { FederationState } from '../../src/federation/bundle-refresher.ts';
import { FederationClient } from '../../src/federation/federation-client.ts';
import type { DocumentRequest, FetchedDocument } from '../../src/federation/fetch-document.ts';
import { FEDERATION_TIMING } from '../../src/federation/refresh-times.ts';
import type { FederatedTrustDomain } from '../../src/federation/relationship.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import type { TrustBundles } from '../../src/spiffe/trust-bundle.ts';
import { documentText, type DocumentSpec } from './documents.ts';
import { FakeTime } from './fake-time.ts';

interface Pending {
  readonly request: DocumentRequest;
  readonly resolve: (fetched: FetchedDocument) => void;
  readonly reject: (error: unknown) => void;
}

export const PARTNER = 'partner.example';
const URL_OF_PARTNER = 'https://bundles.partner.example/bundle.json';

export function webDomain(more: Partial<FederatedTrustDomain> = {}): FederatedTrustDomain {
  return {
    trustDomain: parseTrustDomain(PARTNER),
    url: URL_OF_PARTNER,
    profile: { kind: 'https_web', ca: null },
    initial: null,
    maxAgeMs: null,
    ...more,
  };
}

export function spiffeDomain(endpointId: string, more: Partial<FederatedTrustDomain> = {}): FederatedTrustDomain {
  return webDomain({ profile: { kind: 'https_spiffe', endpointId: parseSpiffeId(endpointId) }, ...more });
}

export class FederationSetting {
  readonly time = new FakeTime();
  readonly client: FederationClient;
  /** Every state that was told, in order. */
  readonly told: FederationState[] = [];
  trust: TrustBundles = new Map();
  random = 0.5;
  readonly #pending: Pending[] = [];
  #tell: (() => void) | null = null;

  constructor(...domains: readonly FederatedTrustDomain[]) {
    this.client = new FederationClient({
      domains,
      trust: () => this.trust,
      clock: this.time.clock,
      schedule: this.time.schedule,
      random: () => this.random,
      timing: FEDERATION_TIMING,
      fetchDocument: (request) =>
        new Promise((resolve, reject) => {
          this.#pending.push({ request, resolve, reject });
          request.signal.addEventListener('abort', () => reject(request.signal.reason));
        }),
    });
    this.client.subscribe((state) => {
      this.told.push(state);
      this.#tell?.();
    });
  }

  /** Of the only domain, or the first. */
  get state(): FederationState {
    const [state] = this.client.states;
    if (state === undefined) throw new Error('no domain is configured');
    return state;
  }

  /** Authorities of the partner's bundle in force; null when there is none in force. */
  get authorities(): number | null {
    return this.client.bundles.get(parseTrustDomain(PARTNER))?.authorities.length ?? null;
  }

  get delayMs(): number | null {
    const { nextAttemptMs } = this.state;
    return nextAttemptMs === null ? null : nextAttemptMs - this.time.clock.monotonicMs();
  }

  /** Fetches that nobody has answered. */
  get asked(): readonly DocumentRequest[] {
    return this.#pending.filter(({ request }) => !request.signal.aborted).map(({ request }) => request);
  }

  /** Answers the fetch that waits longest, and resolves when the client has told what it made of that. */
  async answer(document: DocumentSpec | string, url = URL_OF_PARTNER): Promise<FederationState> {
    const { resolve } = this.#take();
    const text = typeof document === 'string' ? document : documentText(document);
    return this.#untilTold(() => resolve({ body: Buffer.from(text), url }));
  }

  /** An answer that arrives in the same moment in which the client is closed. */
  answerAndClose(document: DocumentSpec): void {
    this.#take().resolve({ body: Buffer.from(documentText(document)), url: URL_OF_PARTNER });
    this.client.close();
  }

  async fail(error: unknown): Promise<FederationState> {
    const { reject } = this.#take();
    return this.#untilTold(() => reject(error));
  }

  /** Lets the next planned thing happen, which has to be told of. */
  async step(): Promise<FederationState> {
    return this.#untilTold(() => void this.time.step());
  }

  /** Lets time pass until the next fetch begins. */
  untilNextFetch(): void {
    while (this.asked.length === 0) {
      if (!this.time.step()) throw new Error('nothing is planned any more');
    }
  }

  #take(): Pending {
    const pending = this.#pending.shift();
    if (pending === undefined) throw new Error('nothing is being fetched');
    return pending;
  }

  async #untilTold(act: () => void): Promise<FederationState> {
    const before = this.told.length;
    const told = new Promise<void>((resolve) => {
      this.#tell = resolve;
    });
    act();
    if (this.told.length === before) await told;
    const state = this.told.at(-1);
    if (state === undefined) throw new Error('nothing was told');
    return state;
  }
}
