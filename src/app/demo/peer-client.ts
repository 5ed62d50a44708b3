// The peers of the demo: mutual TLS with one identity each, and requests that leave exactly as they are written.

import { Client } from 'undici';
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

export interface PeerClient {
  /** @throws {Error} of undici or the system, with a `code`, when there is no answer. */
  ask(request: PeerRequest): Promise<PeerAnswer>;
  close(): Promise<void>;
}

const DEADLINE_MS = 5_000;

/** One keep-alive connection to `origin`; without `credential` the peer presents no certificate. */
export function createPeerClient(
  origin: string,
  trusting: { readonly bundlePem: string },
  credential: PeerCredential | null,
): PeerClient {
  const own = credential === null ? {} : { cert: credential.certificatePem, key: credential.privateKeyPem };
  const client = new Client(origin, {
    connect: { ca: trusting.bundlePem, ...own, timeout: DEADLINE_MS, maxCachedSessions: 0 },
    headersTimeout: DEADLINE_MS,
    bodyTimeout: DEADLINE_MS,
  });
  return {
    ask: async ({ method, path, fields, body }) => {
      const response = await client.request({ method, path, headers: fields ?? {}, body: body ?? null });
      const field = (name: string): string | null => {
        const value = response.headers[name];
        return typeof value === 'string' ? value : null;
      };
      return {
        status: response.statusCode,
        body: Buffer.from(await response.body.arrayBuffer()),
        decisionId: field('x-sallyport-decision-id'),
        caller: callerIn(field),
      };
    },
    close: () => client.destroy(),
  };
}

function callerIn(field: (name: string) => string | null): Caller | null {
  const decisionId = field(CALLER_FIELDS.decisionId);
  if (decisionId === null) return null;
  return { spiffeId: field(CALLER_FIELDS.spiffeId), component: field(CALLER_FIELDS.component), decisionId };
}
