// One GET of a bundle document: redirects followed under the same terms, and nothing taken in that is not bounded.
// SPIFFE_Federation.md §5.2.1.4, §5.2.2.4, §7.5.1

import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { buildConnector, Client, Dispatcher } from 'undici';
import type { Clock } from '../core/clock.ts';
import {
  connectEndpoint,
  createWebContexts,
  type EndpointAuthentication,
  type WebContexts,
} from './endpoint-connection.ts';
import { parseRedirect } from './endpoint-url.ts';
import { FederationError } from './federation-error.ts';
import { guardLookup, isOffLimits } from './off-limits.ts';

export interface DocumentRequest {
  /** As configured: each fetch begins here, wherever earlier ones were sent (§7.5.1). */
  readonly url: URL;
  readonly authentication: EndpointAuthentication;
  /** Its reason is what the fetch fails with. */
  readonly signal: AbortSignal;
}

export interface FetchedDocument {
  readonly body: Buffer;
  /** That answered, after all redirects. */
  readonly url: string;
}

/** @throws {FederationError} */
export type FetchDocument = (request: DocumentRequest) => Promise<FetchedDocument>;

export interface Network {
  readonly clock: Clock;
  readonly lookup: LookupFunction;
  /** Addresses to which no redirect is followed. */
  readonly isOffLimits: (address: string) => boolean;
}

export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export function createFetchDocument(clock: Clock): FetchDocument {
  return createFetcher({ clock, lookup, isOffLimits });
}

/** No proxies and no credentials of the environment, no cookies, no connection or session used twice. */
export function createFetcher(network: Network): FetchDocument {
  const webContext = createWebContexts();
  return async (request) => {
    try {
      // Not needed, and not loaded, where nothing is fetched.
      const undici = await import('undici');
      return await followRedirects(request, { ...network, webContext, client: undici.Client });
    } catch (error) {
      if (error instanceof FederationError || !(error instanceof Error)) throw error;
      const code = 'code' in error ? ` (${String(error.code)})` : '';
      throw new FederationError('unreachable', `${request.url.href}: ${error.message}${code}`, { cause: error });
    }
  };
}

interface Means extends Network {
  readonly webContext: WebContexts;
  readonly client: typeof Client;
}

async function followRedirects(request: DocumentRequest, means: Means): Promise<FetchedDocument> {
  let url = request.url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const answer = await askOnce(url, request, means);
    if (answer.kind === 'document') return { body: answer.body, url: url.href };
    url = parseRedirect(answer.location, url, request.url);
  }
  throw new FederationError('redirect', `${request.url.href}: more than ${MAX_REDIRECTS} redirects`);
}

type Answer =
  | { readonly kind: 'document'; readonly body: Buffer }
  | { readonly kind: 'redirect'; readonly location: string };

async function askOnce(
  url: URL,
  { url: configured, authentication, signal }: DocumentRequest,
  means: Means,
): Promise<Answer> {
  const lookup = url.origin === configured.origin ? means.lookup : guardLookup(means.lookup, means.isOffLimits);
  const { webContext, clock } = means;
  const socket = await connectEndpoint(url, { authentication, webContext, lookup, signal, nowMs: clock.wallMs() });
  const client = new means.client(url.origin, { connect: onlyOnce(socket), allowH2: false });
  try {
    const response = await client.request({
      method: 'GET',
      path: `${url.pathname}${url.search}`,
      headers: { accept: 'application/json', 'accept-encoding': 'identity' },
      signal,
    });
    return await readAnswer(url, response);
  } finally {
    await client.destroy();
  }
}

/** The client gets the connection that was checked, and never opens one of its own. */
function onlyOnce(socket: TLSSocket): buildConnector.connector {
  let isTaken = false;
  return (_options, callback) => {
    const isFree = !isTaken && !socket.destroyed;
    isTaken = true;
    // A connector that answers before it returns is not heard.
    queueMicrotask(() => {
      if (isFree) callback(null, socket);
      else callback(new Error('the endpoint closed the connection'), null);
    });
  };
}

async function readAnswer(url: URL, { statusCode, headers, body }: Dispatcher.ResponseData): Promise<Answer> {
  if (REDIRECTS.has(statusCode)) {
    const { location } = headers;
    if (typeof location === 'string') return { kind: 'redirect', location };
    throw new FederationError('redirect', `${url.href}: a redirect (${statusCode}) without one Location`);
  }
  if (statusCode !== 200) throw new FederationError('status', `${url.href}: the answer is ${statusCode}, not 200`);
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    throw new FederationError('encoded-body', `${url.href}: the body is encoded, which was not asked for`);
  }
  return { kind: 'document', body: await readBody(url, body) };
}

async function readBody(url: URL, body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MAX_DOCUMENT_BYTES) {
      throw new FederationError('too-large', `${url.href}: the body has more than ${MAX_DOCUMENT_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
