// Asks an API server, over connections that are kept, and says in one word why it did not answer.

import {
  Agent as HttpAgent,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request as requestHttp,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps, type RequestOptions as HttpsRequestOptions } from 'node:https';
import { getCACertificates } from 'node:tls';
import type { Schedule } from '../core/clock.ts';
import { ApiError } from './api-error.ts';
import { readBody, readRefusal, toApiError } from './api-answer.ts';
import type { ClusterTarget } from './cluster-target.ts';
import type { ClusterCredential, Presented } from './credential.ts';

export interface ApiQuestion {
  /** Below that of the server: `/api/v1/pods`. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Aborts with its own reason. */
  readonly signal: AbortSignal;
}

export interface ApiTerms {
  readonly schedule: Schedule;
  /** For one whole answer, or for the beginning of a stream. */
  readonly answerMs: number;
  readonly maxAnswerBytes: number;
  /** Connections that answer questions; those that are watched come on top. */
  readonly maxConnections: number;
}

export class ApiClient {
  readonly target: ClusterTarget;
  readonly #credential: ClusterCredential;
  readonly #terms: ApiTerms;
  readonly #agent: HttpAgent;
  readonly #streamAgent: HttpAgent;
  readonly #authorities: readonly string[];
  /** Asked so far. */
  questions = 0;

  constructor(target: ClusterTarget, credential: ClusterCredential, terms: ApiTerms) {
    this.target = target;
    this.#credential = credential;
    this.#terms = terms;
    const Agent = target.server.protocol === 'http:' ? HttpAgent : HttpsAgent;
    this.#agent = new Agent({ keepAlive: true, maxSockets: terms.maxConnections });
    this.#streamAgent = new Agent();
    this.#authorities = authoritiesOf(target);
  }

  /**
   * One answer, as JSON.
   * @throws {ApiError | ConnectionError} or the reason of the signal
   */
  ask(question: ApiQuestion): Promise<unknown> {
    return this.#withCredential((presented) => this.#askOnce(question, presented));
  }

  /**
   * An answer that goes on. The deadline is for its beginning alone; what breaks it later, its reader is thrown.
   * @throws {ApiError | ConnectionError} or the reason of the signal
   */
  stream(question: ApiQuestion): Promise<AsyncIterable<Buffer>> {
    return this.#withCredential(async (presented) => {
      const deadline = this.#startDeadline(question);
      try {
        return await this.#open(question, { presented, agent: this.#streamAgent, signal: deadline.signal });
      } catch (error) {
        throw toApiError(error, { path: question.path, signal: deadline.signal });
      } finally {
        deadline.cancel();
      }
    });
  }

  close(): void {
    this.#agent.destroy();
    this.#streamAgent.destroy();
  }

  /** One that is refused is had anew, once. */
  async #withCredential<T>(use: (presented: Presented) => Promise<T>): Promise<T> {
    try {
      return await use(await this.#credential.present());
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 'unauthorized')) throw error;
      this.#credential.forget();
      return use(await this.#credential.present());
    }
  }

  async #askOnce(question: ApiQuestion, presented: Presented): Promise<unknown> {
    const deadline = this.#startDeadline(question);
    try {
      const response = await this.#open(question, { presented, agent: this.#agent, signal: deadline.signal });
      const body = await readBody(response, this.#terms.maxAnswerBytes);
      return JSON.parse(body.toString('utf8'));
    } catch (error) {
      throw toApiError(error, { path: question.path, signal: deadline.signal });
    } finally {
      deadline.cancel();
    }
  }

  #startDeadline({ signal, path }: ApiQuestion): { readonly signal: AbortSignal; readonly cancel: () => void } {
    const { schedule, answerMs } = this.#terms;
    const deadline = new AbortController();
    const error = new ApiError('timeout', `${path}: no answer in ${answerMs / 1000} s`);
    return {
      signal: AbortSignal.any([signal, deadline.signal]),
      cancel: schedule(answerMs, () => deadline.abort(error)),
    };
  }

  async #open({ path, query }: ApiQuestion, { presented, agent, signal }: Sending): Promise<IncomingMessage> {
    signal.throwIfAborted();
    this.questions += 1;
    const { server } = this.target;
    const search = new URLSearchParams(query).toString();
    const options: RequestOptions = {
      agent,
      signal,
      host: server.hostname.replace(/^\[|\]$/g, ''),
      port: server.port,
      path: `${server.pathname.replace(/\/$/, '')}${path}${search === '' ? '' : `?${search}`}`,
      headers: headersOf(this.target, presented.token),
    };
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const outgoing =
      server.protocol === 'http:' ? requestHttp(options) : requestHttps({ ...options, ...this.#tlsOptions(presented) });
    outgoing.on('response', resolve);
    outgoing.on('error', (error) => reject(signal.aborted ? signal.reason : error));
    outgoing.end();
    const response = await promise;
    if (response.statusCode === 200) return response;
    throw await readRefusal(response, path);
  }

  #tlsOptions({ identity }: Presented): TlsOptions {
    const { serverProof } = this.target;
    return {
      minVersion: 'TLSv1.2',
      ca: [...this.#authorities],
      rejectUnauthorized: serverProof.kind === 'verified',
      ...(serverProof.serverName === null ? {} : { servername: serverProof.serverName }),
      ...(identity === null ? {} : { cert: identity.certificatePem, key: identity.privateKeyPem }),
    };
  }
}

interface Sending {
  readonly presented: Presented;
  readonly agent: HttpAgent;
  readonly signal: AbortSignal;
}

type TlsOptions = Pick<HttpsRequestOptions, 'minVersion' | 'ca' | 'rejectUnauthorized' | 'servername' | 'cert' | 'key'>;

function authoritiesOf({ server, serverProof }: ClusterTarget): readonly string[] {
  if (server.protocol === 'http:' || serverProof.kind === 'none') return [];
  if (serverProof.authorities !== null) return [serverProof.authorities];
  return [...getCACertificates('default'), ...getCACertificates('system')];
}

function headersOf({ impersonation }: ClusterTarget, token: string | null): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {
    accept: 'application/json',
    'accept-encoding': 'gzip',
    'user-agent': 'sallyport-audit',
  };
  if (token !== null) headers['authorization'] = `Bearer ${token}`;
  if (impersonation === null) return headers;
  headers['impersonate-user'] = impersonation.user;
  if (impersonation.uid !== null) headers['impersonate-uid'] = impersonation.uid;
  if (impersonation.groups.length > 0) headers['impersonate-group'] = [...impersonation.groups];
  for (const [key, values] of impersonation.extra)
    headers[`impersonate-extra-${encodeURIComponent(key)}`] = [...values];
  return headers;
}
