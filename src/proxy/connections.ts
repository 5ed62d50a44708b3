// The connections of one listener over their life, whatever is spoken on them: asked again when something changes, swept, drained.

import type { AddressInfo, Server, Socket } from 'node:net';
import type { SnapshotView } from '../core/snapshot.ts';
import { startListening } from '../files/unix-socket.ts';
import type { CompiledPolicy } from '../policy/matrix.ts';
import type { AdmissionSources, ListenerContext } from './context.ts';
import type { DownstreamConnection } from './downstream-connection.ts';

/** A connection that was let in, and what it was let in on. */
export interface Watched {
  readonly connection: Pick<DownstreamConnection, 'hasExchange' | 'redecide' | 'terminate'>;
  /** Something it may rest on has changed. */
  reverify(): void;
  /** A few times a second. */
  sweep(nowMs: number, elapsedMs: number): void;
}

export interface ConnectionsOptions {
  readonly context: ListenerContext;
  readonly sources: AdmissionSources;
  readonly policy: SnapshotView<CompiledPolicy>;
}

const SWEEP_INTERVAL_MS = 250;
// Trust changes make every connection verify its peer again, which takes half a millisecond each; in slices of this length, so that requests
// in between are not held up. Each of those asks for itself first, so that none rests on what has changed.
const SLICE_MS = 5;

export class Connections {
  readonly #server: Server;
  readonly #context: ListenerContext;
  readonly #watched = new Set<Watched>();
  readonly #sockets = new Set<Socket>();
  /** The sockets below TLS, from before the handshake on. */
  readonly #transports = new Set<Socket>();
  readonly #unsubscribe: readonly (() => void)[];
  #sweeper: NodeJS.Timeout | null = null;
  #sweptMs: number;
  #sweeping = false;
  #draining = false;
  #onEmpty: (() => void) | null = null;

  /** Of the sockets that `server` accepts from now on. */
  constructor(server: Server, { context, sources, policy }: ConnectionsOptions) {
    this.#server = server;
    this.#context = context;
    this.#sweptMs = context.clock.monotonicMs();
    server.maxConnections = context.limits.maxConnections;
    server.on('connection', (transport: Socket) => {
      this.#transports.add(transport);
      transport.on('close', () => this.#transports.delete(transport));
    });
    server.on('drop', () => context.recorder.handshake('refused', 'connection-limit'));
    this.#unsubscribe = [
      sources.identity.subscribe(() => this.reverify()),
      sources.trust.subscribe(() => this.reverify()),
      sources.revocations.subscribe(() => this.reverify()),
      policy.subscribe(() => {
        for (const { connection } of this.#watched) connection.redecide();
      }),
    ];
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  /** `start` has the server listen. @throws {Error} with the system's code when the address cannot be had. */
  async listen<Address>(start: () => Promise<Address>): Promise<Address> {
    const address = await start();
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS);
    return address;
  }

  /** `socket` is one that something is to be heard on or said to, be it a refusal. */
  opened(socket: Socket): void {
    this.#sockets.add(socket);
    this.#context.recorder.connectionOpened();
    // What matters about an error is that 'close' follows it.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#context.recorder.connectionClosed();
      if (this.#sockets.size === 0) this.#onEmpty?.();
    });
  }

  /** From now on, in the turn in which it was let in. */
  watch(watched: Watched, socket: Socket): void {
    this.#watched.add(watched);
    socket.on('close', () => this.#watched.delete(watched));
  }

  /** Stops accepting; lets requests in flight finish until `deadlineMs` from now, then cuts them. */
  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true;
    this.#server.close();
    if (this.#sockets.size > 0) {
      const empty = new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
      });
      const deadline = setTimeout(() => this.#cutAll(), deadlineMs);
      await empty;
      clearTimeout(deadline);
    }
    this.close();
  }

  /** Asks of every open connection whether it still may be. */
  reverify(): void {
    this.#visitAll((watched) => watched.reverify());
  }

  /** Ends everything at once. */
  close(): void {
    this.#draining = true;
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#server.close();
    for (const transport of this.#transports) transport.destroy();
  }

  #sweep(): void {
    const nowMs = this.#context.clock.monotonicMs();
    for (const upstream of this.#context.routes.upstreams) upstream.sweep(nowMs);
    // The one before may find much to verify again.
    if (this.#sweeping) return;
    this.#sweeping = true;
    const elapsedMs = nowMs - this.#sweptMs;
    this.#sweptMs = nowMs;
    this.#visitAll(
      (watched) => watched.sweep(nowMs, elapsedMs),
      () => {
        this.#sweeping = false;
      },
    );
  }

  /** As many in one turn of the event loop as a slice has time for; those that are not asking anything wait for those that are. */
  #visitAll(visit: (watched: Watched) => void, onEnd = (): void => undefined): void {
    const { clock } = this.#context;
    const all = [...this.#watched];
    const asking = all.filter(({ connection }) => connection.hasExchange);
    const inTurn = [...asking, ...all.filter(({ connection }) => !connection.hasExchange)].values();
    const visitSome = (): void => {
      const endMs = clock.monotonicMs() + SLICE_MS;
      for (let next = inTurn.next(); next.done !== true; next = inTurn.next()) {
        visit(next.value);
        if (clock.monotonicMs() >= endMs) {
          setImmediate(visitSome);
          return;
        }
      }
      onEnd();
    };
    visitSome();
  }

  #cutAll(): void {
    for (const { connection } of this.#watched) connection.terminate('drain-deadline');
    for (const transport of this.#transports) transport.destroy();
  }
}

const BACKLOG = 1_024;

/** Listens at an address of TCP; where `sharesPort`, beside other processes, and the system gives each connection to one of them (SO_REUSEPORT). */
export async function listenOnTcp(
  server: Server,
  at: { readonly host: string; readonly port: number; readonly sharesPort: boolean },
): Promise<AddressInfo> {
  const { host, port, sharesPort } = at;
  await startListening(server, () => server.listen({ host, port, reusePort: sharesPort, backlog: BACKLOG }));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has no address');
  return address;
}
