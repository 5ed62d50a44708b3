// A TCP listener in front of an upstream that does what a test says, both sides looked at octet by octet.

import { createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { UpstreamAddress } from '../../src/proxy/upstream-dial.ts';
import { type ProxyFixture, type ProxyOptions, startProxy } from './proxy-fixture.ts';
import type { TestSvid } from './svid-fixtures.ts';

export const CONNECT_POLICY = `
version: 1
trustDomain: ai.example
components:
  training: {}
  inference: {}
  registry: {}
access:
  training:
    allow: [{ registry: [connect] }]
  inference:
    deny: [registry]
`;

/** One end of a connection. */
export class End {
  readonly socket: Socket;
  received = 0;
  state: 'open' | 'ended' | 'closed' = 'open';
  error: string | null = null;
  #pieces: Buffer[] = [];
  #waiters: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.allowHalfOpen = true;
    socket.on('data', (bytes: Buffer) => {
      this.received += bytes.length;
      this.#pieces.push(bytes);
      this.#wake();
    });
    socket.on('end', () => this.#enter('ended'));
    socket.on('error', (error: Error & { code?: string }) => {
      this.error = error.code ?? error.message;
    });
    socket.on('close', () => this.#enter('closed'));
  }

  get bytes(): Buffer {
    const whole = Buffer.concat(this.#pieces);
    this.#pieces = [whole];
    return whole;
  }

  get text(): string {
    return this.bytes.toString('latin1');
  }

  /** Waits until `enough`, or until nothing can come any more. */
  async until(enough: (end: this) => boolean): Promise<string> {
    while (!enough(this) && this.state !== 'closed') await new Promise<void>((resolve) => this.#waiters.push(resolve));
    return this.text;
  }

  async has(text: string): Promise<void> {
    if (!(await this.until((end) => end.text.includes(text))).includes(text)) throw new Error(`never got ${text}`);
  }

  /** Waits until the other side has said that it is through. */
  async ended(): Promise<void> {
    await this.until(({ state }) => state !== 'open');
  }

  async closed(): Promise<void> {
    await this.until(() => false);
  }

  #enter(state: 'ended' | 'closed'): void {
    this.state = state;
    this.#wake();
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter();
  }
}

export class TcpServer {
  readonly port: number;
  /** In the order in which they were accepted. */
  readonly ends: End[] = [];
  #waiters: (() => void)[] = [];

  private constructor(port: number) {
    this.port = port;
  }

  static async start(onConnection: (socket: Socket) => void = () => undefined): Promise<TcpServer> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const self = new TcpServer(address.port);
    server.on('connection', (socket) => {
      self.ends.push(new End(socket));
      onConnection(socket);
      for (const waiter of self.#waiters.splice(0)) waiter();
    });
    onTestFinished(() => {
      server.close();
      for (const { socket } of self.ends) socket.destroy();
    });
    return self;
  }

  async accepted(count = 1): Promise<End> {
    while (this.ends.length < count) await new Promise<void>((resolve) => this.#waiters.push(resolve));
    const end = this.ends[count - 1];
    if (end === undefined) throw new Error('nothing was accepted');
    return end;
  }
}

export interface TcpSetting {
  readonly server: TcpServer;
  readonly proxy: ProxyFixture;
  readonly connect: (svid: TestSvid | null) => Promise<End>;
  /** `spiffe://ai.example/training/job`, which may connect, and its connection at the upstream; `!` has gone up already. */
  readonly open: (svid?: TestSvid) => Promise<{ readonly peer: End; readonly served: End }>;
}

export async function openTcp(
  options: ProxyOptions = {},
  onConnection?: (socket: Socket) => void,
): Promise<TcpSetting> {
  const server = await TcpServer.start(onConnection);
  const proxy = await startTcp(server.port, options);
  const connect = (svid: TestSvid | null): Promise<End> => connectEnd(proxy, svid);
  const open: TcpSetting['open'] = async (svid = proxy.authority.issue('/training/job')) => {
    const count = server.ends.length + 1;
    const peer = await connect(svid);
    const served = await server.accepted(count);
    // What the kernel has accepted need not have been told to the proxy yet.
    peer.socket.write('!');
    await served.has('!');
    return { peer, served };
  };
  return { server, proxy, connect, open };
}

export async function startTcp(upstream: number | UpstreamAddress, options: ProxyOptions = {}): Promise<ProxyFixture> {
  const proxy = await startProxy(upstream, { policy: CONNECT_POLICY, tcp: {}, ...options });
  onTestFinished(() => proxy.close());
  return proxy;
}

export async function connectEnd(proxy: ProxyFixture, svid: TestSvid | null): Promise<End> {
  const { socket } = await proxy.connect(svid);
  return new End(socket);
}
