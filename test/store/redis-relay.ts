// A wire between a store and its server, which a test can hold or cut at one moment of the conversation.

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export class RedisRelay {
  readonly port: number;
  /** What clients have sent, command by command, in the order of arrival. */
  readonly commands: string[] = [];
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  #held: (() => void)[] | null = null;
  #isCutAfterReply = false;

  static async start(serverPort: number): Promise<RedisRelay> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new RedisRelay(server, address.port, serverPort);
  }

  private constructor(server: Server, port: number, serverPort: number) {
    this.#server = server;
    this.port = port;
    server.on('connection', (client) => this.#relay(client, connect(serverPort, '127.0.0.1')));
  }

  /** Keeps back every answer to HGETALL from now on; returns how to let them through. */
  holdReadings(): () => void {
    const held: (() => void)[] = [];
    this.#held = held;
    return () => {
      this.#held = null;
      for (const release of held) release();
    };
  }

  /** Cuts every connection as soon as the next answer to HGETALL has gone through. */
  cutAfterReading(): void {
    this.#isCutAfterReply = true;
  }

  close(): void {
    this.#server.close();
    for (const client of this.#clients) client.destroy();
  }

  #relay(client: Socket, server: Socket): void {
    this.#clients.add(client);
    let isReading = false;
    let reply = '';
    client.on('data', (chunk) => {
      const command = String(chunk).split('\r\n')[2] ?? '';
      this.commands.push(command);
      isReading = command === 'HGETALL';
      reply = '';
      server.write(chunk);
    });
    server.on('data', (chunk) => {
      if (isReading && this.#held !== null) this.#held.push(() => client.write(chunk));
      else client.write(chunk);
      reply += String(chunk);
      if (!isReading || !this.#isCutAfterReply || !isWhole(reply)) return;
      this.#isCutAfterReply = false;
      for (const each of this.#clients) each.end();
    });
    for (const [socket, other] of [[client, server] as const, [server, client] as const]) {
      socket.on('error', () => other.destroy());
      socket.on('close', () => other.destroy());
    }
  }
}

/** An array of strings without line breaks. */
function isWhole(reply: string): boolean {
  const lines = reply.split('\r\n');
  return lines.length === 2 + 2 * Number(lines[0]?.slice(1));
}
