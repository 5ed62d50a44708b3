// A partner in a process of its own, as a test sees it.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';

export interface OwnSide {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  /** All authorities of its trust domain. */
  readonly bundlePem: string;
}

export type PartnerCommand =
  | {
      readonly kind: 'federate';
      readonly trustDomain: string;
      readonly url: string;
      readonly endpointId: string;
      readonly initialPem: string;
    }
  | ({ readonly kind: 'become' } & OwnSide)
  | { readonly kind: 'refresh' };

export interface Fetched {
  readonly kind: 'fetched';
  readonly trustDomain: string;
  /** SHA-256 of those in force. */
  readonly authorities: readonly string[];
  readonly sequence: string;
  readonly failure: string | null;
}

export type PartnerEvent =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'became'; readonly sequence: string }
  | Fetched;

export class Partner {
  readonly #child: ChildProcess;
  readonly #events: AsyncIterator<string>;
  #port = 0;

  private constructor(child: ChildProcess, output: NodeJS.ReadableStream) {
    this.#child = child;
    this.#events = createInterface({ input: output })[Symbol.asyncIterator]();
  }

  /** `port` 0 takes any free one. */
  static async start(trustDomain: string, side: OwnSide, port: number): Promise<Partner> {
    const program = fileURLToPath(new URL('partner-process.ts', import.meta.url));
    const child = spawn(process.execPath, [program, JSON.stringify({ trustDomain, port, ...side })], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const partner = new Partner(child, child.stdout);
    const event = await partner.#next();
    if (event.kind !== 'listening') throw new Error(`not listening: ${JSON.stringify(event)}`);
    partner.#port = event.port;
    return partner;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}/bundle.json`;
  }

  /** Gives what came of the first fetch. */
  federate(terms: Omit<PartnerCommand & { kind: 'federate' }, 'kind'>): Promise<Fetched> {
    this.#say({ kind: 'federate', ...terms });
    return this.#nextFetch();
  }

  refresh(): Promise<Fetched> {
    this.#say({ kind: 'refresh' });
    return this.#nextFetch();
  }

  async become(side: OwnSide): Promise<bigint> {
    this.#say({ kind: 'become', ...side });
    const event = await this.#next();
    if (event.kind !== 'became') throw new Error(`did not become anything: ${JSON.stringify(event)}`);
    return BigInt(event.sequence);
  }

  /** Gives its exit code. */
  end(): Promise<number | null> {
    return new Promise((resolve) => {
      this.#child.once('close', resolve);
      this.#child.stdin?.end();
    });
  }

  async #nextFetch(): Promise<Fetched> {
    const event = await this.#next();
    if (event.kind !== 'fetched') throw new Error(`nothing was fetched: ${JSON.stringify(event)}`);
    return event;
  }

  async #next(): Promise<PartnerEvent> {
    const { value, done } = await this.#events.next();
    if (done === true) throw new Error('the partner has ended');
    return JSON.parse(value);
  }

  #say(command: PartnerCommand): void {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
  }
}
