// One connection to Redis: every command under a deadline, every reply under a limit, and no life of its own: it never reconnects or queues.

import type { Redis, RedisOptions } from 'ioredis';
import { quote } from '../core/quote.ts';
import { StoreError } from './store-error.ts';

export interface RedisEndpoint {
  /** A name or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
  readonly database: number;
  readonly isEncrypted: boolean;
}

/** What it takes to be let in. */
export interface RedisAccess {
  readonly credentials: {
    /** Null: the default user. */ readonly username: string | null;
    readonly password: string;
  } | null;
  /** PEM; null: the authorities of the system. Counts for an encrypted connection only. */
  readonly ca: Uint8Array | null;
}

export interface RedisTarget {
  readonly endpoint: RedisEndpoint;
  readonly access: RedisAccess;
}

export interface ConnectionPort {
  /** Calls back once; returns the way out. */
  readonly schedule: (delayMs: number, callback: () => void) => () => void;
  readonly timing: ConnectionTiming;
}

export interface ConnectionTiming {
  /** For TCP and TLS. */
  readonly connectMs: number;
  /** For the answer to a command. */
  readonly replyMs: number;
}

export type RedisArgument = string | number;

/** Of the replies that one command waits for, or of one message, as they stand on the wire. */
export const MAX_REPLY_BYTES = 32 * 1024 * 1024;

const CLOSED_HERE = 'the connection was closed here';

export class RedisConnection {
  readonly #redis: Redis;
  readonly #name: string;
  readonly #port: ConnectionPort;
  readonly #ending: PromiseWithResolvers<StoreError> = Promise.withResolvers();
  #cause: StoreError | null = null;
  #isConnected = false;
  #unansweredBytes = 0;

  /**
   * @param abandoned closes it, also while it is being opened
   * @throws {StoreError}
   */
  static async open(target: RedisTarget, port: ConnectionPort, abandoned: AbortSignal): Promise<RedisConnection> {
    // Loaded here, so that who has no Redis does not carry its client.
    const { Redis } = await import('ioredis');
    const connection = new RedisConnection(new Redis(toOptions(target)), nameOf(target.endpoint), port);
    if (abandoned.aborted) throw connection.#end('disconnected', CLOSED_HERE);
    abandoned.addEventListener('abort', () => connection.#end('disconnected', CLOSED_HERE), { once: true });
    try {
      await connection.#connect(target);
      return connection;
    } catch (error) {
      connection.#end('disconnected', CLOSED_HERE);
      throw error;
    }
  }

  private constructor(redis: Redis, name: string, port: ConnectionPort) {
    this.#redis = redis;
    this.#name = name;
    this.#port = port;
    redis.on('error', (error: Error) => this.#fail(error));
    redis.on('end', () => this.#end('disconnected', 'the connection was closed'));
  }

  /** Resolves once, with why this connection is of no use any more. */
  get ended(): Promise<StoreError> {
    return this.#ending.promise;
  }

  /**
   * Strings arrive as bytes, since not all of them are text. A command without an answer in time ends the connection.
   * @throws {StoreError}
   */
  async call(command: string, ...args: readonly RedisArgument[]): Promise<unknown> {
    return this.#answer(command, this.#port.timing.replyMs, this.#redis.callBuffer(command, ...args));
  }

  /** @throws {StoreError} */
  async subscribe(channel: string, onMessage: () => void): Promise<void> {
    this.#redis.on('messageBuffer', () => {
      this.#unansweredBytes = 0;
      onMessage();
    });
    await this.#answer('SUBSCRIBE', this.#port.timing.replyMs, this.#redis.subscribe(channel));
  }

  async #connect({ endpoint: { database, isEncrypted }, access: { credentials } }: RedisTarget): Promise<void> {
    // A server without TLS waits for the rest of a handshake that it takes for a command.
    await this.#answer(isEncrypted ? 'a TLS handshake' : 'connect', this.#port.timing.connectMs, this.#redis.connect());
    this.#isConnected = true;
    this.#redis.stream.on('data', (chunk: Buffer) => {
      this.#unansweredBytes += chunk.length;
      if (this.#unansweredBytes > MAX_REPLY_BYTES) {
        this.#end('list-too-large', `a reply of more than ${MAX_REPLY_BYTES} bytes`);
      }
    });
    if (credentials !== null) await this.#authenticate(credentials);
    if (database !== 0) await this.call('SELECT', database);
  }

  async #authenticate({ username, password }: NonNullable<RedisAccess['credentials']>): Promise<void> {
    // Without a user name in the form from before there were users: a server without a password refuses that one, and then is not
    // the server that was meant.
    const args = username === null ? [password] : [username, password];
    try {
      await this.call('AUTH', ...args);
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'command-refused') throw error;
      // What the server says is not told further: one that does not know the command repeats its arguments.
      throw this.#end('credentials-refused', 'the server does not accept the user name and password');
    }
  }

  /** The end of the connection is an answer as well: whatever waits for one is refused then. */
  async #answer<T>(command: string, deadlineMs: number, reply: Promise<T>): Promise<T> {
    const cancel = this.#port.schedule(deadlineMs, () => {
      this.#end('timed-out', `no answer to ${command} within ${deadlineMs} ms`);
    });
    try {
      const answer = await reply;
      this.#unansweredBytes = 0;
      return answer;
    } catch (error) {
      throw this.#refused(command, error);
    } finally {
      cancel();
    }
  }

  #refused(command: string, error: unknown): StoreError {
    if (!(error instanceof Error)) throw error;
    if (error.name !== 'ReplyError') return this.#fail(error);
    if (error.message.startsWith('NOAUTH')) return this.#end('credentials-refused', 'the server wants a password');
    return this.#error('command-refused', `${command}: ${quote(error.message)}`);
  }

  #fail(error: Error): StoreError {
    return this.#end(this.#isConnected ? 'disconnected' : 'unreachable', explain(error));
  }

  /** What ended it first is why it ended. */
  #end(code: StoreError['code'], what: string): StoreError {
    if (this.#cause === null) {
      this.#cause = this.#error(code, what);
      this.#redis.disconnect();
      // A server that hangs would not answer the polite end of a connection, and everybody who waits would wait for that.
      this.#redis.stream?.destroy();
      this.#ending.resolve(this.#cause);
    }
    return this.#cause;
  }

  #error(code: StoreError['code'], what: string): StoreError {
    return new StoreError(code, `redis ${this.#name}: ${what}`);
  }
}

// ioredis reconnects, resubscribes and resends by itself, with a queue without limit. All of that is off: what becomes of a list
// after a gap is for the store to decide. RESP2, because in RESP3 a password that the server did not want mixes up its replies.
function toOptions({
  endpoint: { host, port, isEncrypted },
  access: { ca },
}: RedisTarget): Omit<RedisOptions, 'replyMapping'> {
  const tls = ca === null ? {} : { ca: Buffer.from(ca) };
  return {
    host,
    port,
    protocol: 2,
    lazyConnect: true,
    retryStrategy: null,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    disableClientInfo: true,
    connectTimeout: 0,
    ...(isEncrypted ? { tls: { minVersion: 'TLSv1.2', ...tls } } : {}),
  };
}

function nameOf({ host, port }: RedisEndpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function explain(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : null;
  return code === null || error.message.includes(code) ? quote(error.message) : `${code}: ${quote(error.message)}`;
}
