// Accepts what our own program sends out, in plaintext and so from this machine alone; who it is to the outside is our own SVID.

import { createServer, type Server, type Socket } from 'node:net';
import type { SnapshotView } from '../core/snapshot.ts';
import { listenAtPath } from '../files/unix-socket.ts';
import type { CompiledPolicy } from '../policy/matrix.ts';
import { Connections, listenOnTcp } from './connections.ts';
import type { AdmissionSources, ListenerContext } from './context.ts';
import { type EgressHost, EgressSession } from './egress-session.ts';
import { usableIdentity } from './own-admission.ts';
import { refuseTunnel } from './refused-tunnel.ts';
import { TcpSession } from './tcp-session.ts';
import type { TcpTerms } from './tcp-tunnel.ts';

export type EgressBind =
  /** Port 0 takes any free one. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly sharesPort: boolean }
  /** `mode`: its permissions. */
  | { readonly kind: 'unix'; readonly path: string; readonly mode: number };

export type EgressAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

export interface EgressListenerOptions {
  readonly bind: EgressBind;
  readonly context: ListenerContext;
  readonly sources: AdmissionSources;
  readonly policy: SnapshotView<CompiledPolicy>;
  /** Null where HTTP is spoken; otherwise whatever it is goes to the upstream unread. */
  readonly tcp: TcpTerms | null;
}

export class EgressListener implements EgressHost {
  readonly context: ListenerContext;
  readonly sources: AdmissionSources;
  readonly #bind: EgressBind;
  readonly #server: Server;
  readonly #connections: Connections;

  constructor(options: EgressListenerOptions) {
    this.context = options.context;
    this.sources = options.sources;
    this.#bind = options.bind;
    this.#server = createServer({ noDelay: true });
    this.#connections = new Connections(this.#server, options);
    this.#server.on('connection', (socket: Socket) => {
      this.#connections.opened(socket);
      if (options.tcp === null) this.#connections.watch(new EgressSession(socket, this), socket);
      else this.#tunnel(socket, options.tcp);
    });
  }

  get isDraining(): boolean {
    return this.#connections.isDraining;
  }

  /** @returns the address it listens on. @throws {Error} with the system's code when the address cannot be had. */
  async listen(): Promise<EgressAddress> {
    return this.#connections.listen(async () => {
      const bind = this.#bind;
      if (bind.kind === 'unix') {
        await listenAtPath(this.#server, bind.path, bind.mode);
        return { kind: 'unix', path: bind.path };
      }
      const { address, port } = await listenOnTcp(this.#server, bind);
      return { kind: 'tcp', host: address, port };
    });
  }

  /** Stops accepting; lets requests in flight finish until `deadlineMs` from now, then cuts them. */
  async drain(deadlineMs: number): Promise<void> {
    await this.#connections.drain(deadlineMs);
  }

  /** Asks of every request in flight whether it still may be. */
  reverify(): void {
    this.#connections.reverify();
  }

  /** Ends everything at once. */
  close(): void {
    this.#connections.close();
  }

  #tunnel(socket: Socket, terms: TcpTerms): void {
    const own = usableIdentity(this.sources);
    if (own === null) {
      const reason = 'own-svid-withdrawn';
      return refuseTunnel(socket, this.context, { refusal: reason, termination: reason, principal: null });
    }
    const session = TcpSession.ofProgram(socket, this, { own, terms });
    this.#connections.watch(session, socket);
    session.connection.start();
  }
}
