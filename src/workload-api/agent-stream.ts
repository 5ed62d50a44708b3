// One stream of the Workload API, opened again for as long as the agent may yet answer, and the state of what it has brought.
// SPIFFE_Workload_API.md §4.2 to §4.5; SPIFFE_Workload_Endpoint.md §6

import type { Clock } from '../core/clock.ts';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import type { AgentError } from './agent-error.ts';
import { backoffMs } from './backoff.ts';
import { type Agent, openStream } from './client.ts';
import { formatEndpointAddress } from './endpoint-address.ts';
import type { Reading, RejectedBundle } from './message-content.ts';
import type { EmptyRequest, Method } from './messages.ts';
import { nextState, type StreamEvent, type StreamState } from './stream-state.ts';

export interface AgentStreamPort {
  readonly agent: Agent;
  readonly clock: Clock;
  /** From 0 up to 1. */
  readonly random: () => number;
}

/** What goes wrong without a change of state. `method` is a path. */
export type WorkloadReport =
  /** A message could not be used; what the one before it said holds. */
  | { readonly kind: 'message-discarded'; readonly method: string; readonly error: Error }
  /** A message was used without this bundle. */
  | { readonly kind: 'bundle-rejected'; readonly method: string; readonly rejected: RejectedBundle };

export interface AgentStreamUse<Materials> {
  readonly method: Method<EmptyRequest, unknown>;
  /** Throws a SallyportError when the message is to be discarded. */
  readonly read: (message: Uint8Array) => Reading<Materials>;
  /** The longest wait for the next attempt, at present. */
  readonly maxBackoffMs: () => number;
  readonly onChange: () => void;
  readonly report: (report: WorkloadReport) => void;
}

// An agent that answers and hangs up at once is not one that works: its next stream waits as after a failure.
const PROVEN_MS = 5_000;

export class AgentStream<Materials> {
  readonly #port: AgentStreamPort;
  readonly #use: AgentStreamUse<Materials>;
  #state: StreamState<Materials>;
  #failedAttempts = 0;
  /** Ends what goes on at present: the stream, or the wait for the next one. */
  #cancel: () => void = () => undefined;

  constructor(port: AgentStreamPort, use: AgentStreamUse<Materials>) {
    this.#port = port;
    this.#use = use;
    const reason = `nothing has come yet from the agent at ${quote(formatEndpointAddress(port.agent.address))}`;
    this.#state = { kind: 'waiting', reason, sinceMs: port.clock.monotonicMs() };
  }

  get state(): StreamState<Materials> {
    return this.#state;
  }

  /** To be called once. */
  start(): void {
    this.#open();
  }

  /** Nothing changes any more. */
  close(): void {
    this.#cancel();
  }

  #open(): void {
    const { agent, clock } = this.#port;
    const openedMs = clock.monotonicMs();
    let hasBeenOfUse = false;
    this.#cancel = openStream(agent, this.#use.method, {
      onMessage: (message) => {
        const event = this.#read(message);
        if (event.kind !== 'discarded') hasBeenOfUse = true;
        this.#advance(event);
      },
      onEnd: (error) => {
        if (hasBeenOfUse && clock.monotonicMs() - openedMs >= PROVEN_MS) this.#failedAttempts = 0;
        this.#end(error);
      },
    });
  }

  #read(message: Uint8Array): StreamEvent<Materials> {
    const { method, read, report } = this.#use;
    const atMs = this.#port.clock.monotonicMs();
    let reading: Reading<Materials>;
    try {
      reading = read(message);
    } catch (error) {
      if (!(error instanceof SallyportError)) throw error;
      report({ kind: 'message-discarded', method: method.path, error });
      return { kind: 'discarded', reason: `a message of the agent was discarded: ${error.message}`, atMs };
    }
    if (reading.kind === 'redacted') return { kind: 'withdrawn', reason: reading.reason, atMs, nextAttemptMs: null };
    for (const rejected of reading.rejected) report({ kind: 'bundle-rejected', method: method.path, rejected });
    return { kind: 'received', materials: reading.materials, atMs };
  }

  #end(error: AgentError): void {
    const atMs = this.#port.clock.monotonicMs();
    const reason = error.message;
    if (error.code === 'invalid-argument' || error.code === 'unimplemented') {
      this.#advance({ kind: 'failed', reason, atMs, nextAttemptMs: null });
      return;
    }
    const { agent, random } = this.#port;
    const delayMs = backoffMs(this.#failedAttempts, this.#use.maxBackoffMs(), random());
    this.#failedAttempts += 1;
    this.#cancel = agent.schedule(delayMs, () => this.#open());
    const kind = error.code === 'permission-denied' ? 'withdrawn' : 'failed';
    // Told last, so that whoever hears of it can close us.
    this.#advance({ kind, reason, atMs, nextAttemptMs: atMs + delayMs });
  }

  #advance(event: StreamEvent<Materials>): void {
    const next = nextState(this.#state, event);
    if (next === this.#state) return;
    this.#state = next;
    this.#use.onChange();
  }
}
