// The peers of the demo: mutual TLS with one identity each, and requests that leave exactly as they are written.

import {
  Agent as PlainAgent,
  type IncomingMessage,
  request as startPlainRequest,
  type RequestOptions,
} from 'node:http';
import { Agent, request as startRequest } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { type Caller, CALLER_FIELDS } from './services/service.ts';

export interface PeerCredential {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

export interface PeerRequest {
  readonly method: string;
  readonly path: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

export interface PeerAnswer {
  readonly status: number;
  readonly body: Buffer;
  /** The decision id the sidecar told the peer, when it answered itself. */
  readonly decisionId: string | null;
  /** Who the service was told is calling; null when it was not the service that answered. */
  readonly caller: Caller | null;
}

/** An answer that is read as it comes, and forgotten. */
export interface PeerStream {
  readonly status: number;
  /** Resolves to whether it came to its proper end. */
  readonly ended: Promise<boolean>;
}

export interface PeerClient {
  /** @throws {Error} of the system or `ETIMEDOUT`, with a `code`, when there is no answer. */
  ask(request: PeerRequest): Promise<PeerAnswer>;
  /** @throws {Error} as `ask` */
  follow(request: PeerRequest): Promise<PeerStream>;
  /** Breaks off what is under way; whoever asks again begins a new connection. */
  close(): Promise<void>;
}

/** Without progress, from connecting to the last byte of an answer. */
const DEADLINE_MS = 5_000;
const KEEP_ALIVE_MS = 4_000;
const ONE_CONNECTION = { keepAlive: true, timeout: KEEP_ALIVE_MS, maxSockets: 1 };

/** One keep-alive connection to `origin`; without `credential` the peer presents no certificate. */
export function createPeerClient(
  origin: string,
  trusting: { readonly bundlePem: string },
  credential: PeerCredential | null,
): PeerClient {
  const own = credential === null ? {} : { cert: credential.certificatePem, key: credential.privateKeyPem };
  return clientOf(origin, new Agent({ ca: trusting.bundlePem, ...own, ...ONE_CONNECTION, maxCachedSessions: 0 }));
}

/** A program that has no certificate and knows nothing of TLS. */
export function createPlainClient(origin: string): PeerClient {
  return clientOf(origin, new PlainAgent(ONE_CONNECTION));
}

function clientOf(origin: string, agent: PlainAgent): PeerClient {
  const send = ({ method, path, fields, body }: PeerRequest): Promise<IncomingMessage> => {
    const length = body === undefined ? {} : { 'content-length': body.length };
    const headers = { ...fields, ...length };
    return startAsking(origin, { agent, method, path, headers, family: 4, timeout: DEADLINE_MS }, body);
  };
  return {
    ask: async (request) => {
      const response = await send(request);
      const field = (name: string): string | null => {
        const value = response.headers[name];
        return typeof value === 'string' ? value : null;
      };
      return {
        status: response.statusCode ?? 0,
        body: await buffer(response),
        decisionId: field('x-sallyport-decision-id'),
        caller: callerIn(field),
      };
    },
    follow: async (request) => {
      const response = await send(request);
      const ended = new Promise<boolean>((resolve) => {
        response.once('close', () => resolve(response.complete));
      });
      // What matters about an error is that 'close' follows it.
      response.on('error', () => undefined);
      response.resume();
      return { status: response.statusCode ?? 0, ended };
    },
    close: () => {
      agent.destroy();
      return Promise.resolve();
    },
  };
}

function startAsking(origin: string, options: RequestOptions, body: Buffer | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const start = origin.startsWith('https:') ? startRequest : startPlainRequest;
    const outgoing = start(origin, options, resolve);
    outgoing.on('timeout', () => {
      outgoing.destroy(Object.assign(new Error('there was no answer in time'), { code: 'ETIMEDOUT' }));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** What the service repeated of what it was told. */
export function callerIn(field: (name: string) => string | null): Caller | null {
  const decisionId = field(CALLER_FIELDS.decisionId);
  if (decisionId === null) return null;
  return { spiffeId: field(CALLER_FIELDS.spiffeId), component: field(CALLER_FIELDS.component), decisionId };
}
