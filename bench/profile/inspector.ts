// The CPU profiler of another Node process, over its inspector.

import { setTimeout as sleep } from 'node:timers/promises';
import type { CpuProfile } from './attribute.ts';

interface Reply {
  readonly id?: number;
  readonly error?: { readonly message: string };
  readonly result?: { readonly profile?: CpuProfile };
}

const SAMPLING_MICROS = 200;

export class RemoteProfiler {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, { resolve: (reply: Reply) => void; reject: (error: Error) => void }>();
  #sent = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => this.#settle(JSON.parse(String(data)) as Reply));
  }

  /** To a process started with `--inspect=127.0.0.1:port`. */
  static async connect(port: number): Promise<RemoteProfiler> {
    const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
      webSocketDebuggerUrl: string;
    }[];
    const socket = new WebSocket(targets[0]?.webSocketDebuggerUrl ?? '');
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('open', () => resolve());
      socket.addEventListener('error', () => reject(new Error(`no inspector on port ${port}`)));
    });
    return new RemoteProfiler(socket);
  }

  async profile(milliseconds: number): Promise<CpuProfile> {
    await this.#call('Profiler.enable', {});
    await this.#call('Profiler.setSamplingInterval', { interval: SAMPLING_MICROS });
    await this.#call('Profiler.start', {});
    await sleep(milliseconds);
    const { result } = await this.#call('Profiler.stop', {});
    if (result?.profile === undefined) throw new Error('the profiler gave no profile');
    return result.profile;
  }

  close(): void {
    this.#socket.close();
  }

  #call(method: string, params: object): Promise<Reply> {
    this.#sent += 1;
    const id = this.#sent;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #settle(reply: Reply): void {
    if (reply.id === undefined) return;
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.error === undefined) waiting?.resolve(reply);
    else waiting?.reject(new Error(reply.error.message));
  }
}
