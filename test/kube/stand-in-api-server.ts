// A stand-in for the API server of a cluster: real pages, continue tokens and watch streams over TLS, and the ways in which real ones fail.
//
//   const server = await StandInApiServer.start();
//   server.store.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'shop' }, spec: {} });   // watches hear of it
//   const kubeconfig = server.kubeconfig();                          // text, with a token; or server.kubeconfig({ user: { exec: … } })
//   server.fail({ path: /networkpolicies/, status: 403 });           // every time; `times: 2` for the next two
//   server.fail({ path: /pods/, status: 429, retryAfter: 1, times: 1 });
//   server.fail({ path: /secrets/, status: 'hang' });                // or 'drop': the connection is cut
//   server.store.compact();                                          // continue tokens and watches from before are 410 Gone
//   server.endWatches();                                             // cleanly, as a real server does after some minutes; or cutWatches()
//   await server.close();

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type PeerCertificate, TLSSocket } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { dnsName, ipName, issueSvid, pemOf, selfSigned, type TestCertificate } from '../support/certificate-builder.ts';
import { STAND_IN_KINDS } from './stand-in-kinds.ts';
import {
  type Snapshot,
  type StandInEvent,
  type StandInKind,
  type StandInObject,
  StandInStore,
} from './stand-in-store.ts';

export interface StandInFailure {
  readonly path: RegExp;
  readonly status: number | 'hang' | 'drop' | 'not-json' | 'no-list';
  /** Instead of what would be answered; with status 200, a lie. */
  readonly body?: unknown;
  /** Seconds. */
  readonly retryAfter?: number;
  /** Left out: every time. */
  readonly times?: number;
  /** Watches only, or everything but watches; left out: both. */
  readonly of?: 'watch' | 'rest';
}

export interface StandInRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** Common name of the client certificate; null without one that was verified. */
  readonly client: string | null;
}

export interface KubeconfigParts {
  readonly cluster?: Readonly<Record<string, unknown>>;
  readonly user?: Readonly<Record<string, unknown>>;
  readonly namespace?: string;
}

export class StandInApiServer {
  readonly store = new StandInStore();
  readonly requests: StandInRequest[] = [];
  /** Bearer tokens that are taken. */
  readonly tokens = new Set(['let-me-in']);
  readonly authority: TestCertificate;
  /** How a watch from before `compact` is refused: with a status, or with an event in a stream that has begun. */
  goneAs: 'status' | 'event' = 'event';
  kinds: readonly StandInKind[];
  /** Called before each list; what it returns is answered instead. */
  onList: (request: StandInRequest) => unknown = () => null;
  /** Called when a credential is not taken. */
  onRefused: () => unknown = () => null;
  readonly #server: Server;
  readonly #failures: { failure: StandInFailure; left: number }[] = [];
  readonly #watches = new Set<ServerResponse>();
  readonly #lists = new Map<string, Snapshot>();

  private constructor(kinds: readonly StandInKind[]) {
    this.kinds = kinds;
    this.authority = selfSigned({ subject: [['CN', 'kubernetes']] });
    const names = [dnsName('localhost'), dnsName('kubernetes.default.svc'), ipName(127, 0, 0, 1)];
    const leaf = issueSvid(this.authority, 'spiffe://stand-in.example/api-server', { names });
    const tls = {
      cert: pemOf(leaf),
      key: leaf.privateKeyPem,
      ca: this.authority.pem,
      requestCert: true,
      rejectUnauthorized: false,
    };
    this.#server = createServer(tls, (request, response) => this.#answer(request, response));
    this.#server.keepAliveTimeout = 60_000;
  }

  static async start(kinds: readonly StandInKind[] = STAND_IN_KINDS): Promise<StandInApiServer> {
    const server = new StandInApiServer(kinds);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get watches(): number {
    return this.#watches.size;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  /** Of a user with the token, unless told otherwise. */
  kubeconfig({ cluster = {}, user = { token: 'let-me-in' }, namespace }: KubeconfigParts = {}): string {
    const authority = Buffer.from(this.authority.pem).toString('base64');
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'stand-in',
      contexts: [
        {
          name: 'stand-in',
          context: { cluster: 'stand-in', user: 'somebody', ...(namespace === undefined ? {} : { namespace }) },
        },
      ],
      clusters: [
        { name: 'stand-in', cluster: { server: this.url, 'certificate-authority-data': authority, ...cluster } },
      ],
      users: [{ name: 'somebody', user }],
    });
  }

  /** For `client-certificate-data` and `client-key-data`. */
  clientIdentity(name: string): { readonly certificatePem: string; readonly privateKeyPem: string } {
    const leaf = issueSvid(this.authority, 'spiffe://stand-in.example/client', { subject: [['CN', name]] });
    return { certificatePem: leaf.pem, privateKeyPem: leaf.privateKeyPem };
  }

  fail(failure: StandInFailure): void {
    this.#failures.push({ failure, left: failure.times ?? Number.POSITIVE_INFINITY });
  }

  succeed(): void {
    this.#failures.length = 0;
  }

  endWatches(): void {
    for (const response of this.#watches) response.end();
  }

  cutWatches(): void {
    for (const response of this.#watches) response.destroy();
  }

  /** A line in the streams of a path, true or not. */
  sayToWatches(path: RegExp, event: unknown): void {
    for (const response of this.#watches) {
      if (path.test(response.req.url ?? '')) response.write(`${JSON.stringify(event)}\n`);
    }
  }

  sendBookmarks(): void {
    for (const response of this.#watches) response.emit('bookmark');
  }

  requestsTo(path: RegExp): readonly StandInRequest[] {
    return this.requests.filter((request) => path.test(request.path));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'https://stand-in.example');
    const client = clientOf(request);
    const isWatch = url.searchParams.get('watch') === 'true';
    const { method = '', headers } = request;
    const asked: StandInRequest = { method, path: url.pathname, query: url.searchParams, headers, client };
    this.requests.push(asked);
    if (method !== 'GET') return sendStatus(response, 405, 'this cluster is only looked at');
    const failure = this.#failureFor(url.pathname, isWatch);
    if (failure !== null) return this.#refuse(failure, response);
    const token = /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1];
    if (client === null && (token === undefined || !this.tokens.has(token))) {
      this.onRefused();
      return sendStatus(response, 401, 'Unauthorized');
    }
    const discovery = this.#discover(url.pathname);
    if (discovery !== null) return send(response, discovery, request);
    const place = this.#placeOf(url.pathname);
    if (place === null) return sendStatus(response, 404, 'the server could not find the requested resource');
    if (isWatch) return this.#watch(place, url.searchParams, response);
    const instead = this.onList(asked) ?? null;
    if (instead !== null) return send(response, instead, request);
    if (place.name === null) return this.#list(place, url.searchParams, { request, response });
    const [object] = this.store.list((each) => isAt(each, place) && each.metadata.name === place.name).objects;
    if (object === undefined) return sendStatus(response, 404, `${place.kind.resource} "${place.name}" not found`);
    send(response, object, request);
  }

  #failureFor(path: string, isWatch: boolean): StandInFailure | null {
    const found = this.#failures.find(({ failure, left }) => {
      return left > 0 && failure.path.test(path) && (failure.of === undefined || (failure.of === 'watch') === isWatch);
    });
    if (found === undefined) return null;
    found.left -= 1;
    return found.failure;
  }

  #refuse({ status, retryAfter, body }: StandInFailure, response: ServerResponse): void {
    if (status === 'hang') return;
    if (body !== undefined && typeof status === 'number') {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
      return;
    }
    if (status === 'drop') {
      response.destroy();
      return;
    }
    if (typeof status === 'number') {
      if (retryAfter !== undefined) response.setHeader('retry-after', String(retryAfter));
      sendStatus(response, status, `told to answer ${status}`);
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(status === 'not-json' ? '<html>' : '{"kind":"Status"}');
  }

  #discover(path: string): unknown {
    if (path === '/api') return { kind: 'APIVersions', versions: ['v1'] };
    if (path === '/apis') return { kind: 'APIGroupList', apiVersion: 'v1', groups: this.#groups() };
    const match = /^\/apis?\/(.+)$/.exec(path);
    const groupVersion = match?.[1];
    const kinds = this.kinds.filter((kind) => apiVersionOf(kind) === groupVersion);
    if (kinds.length === 0) return null;
    const resources = kinds.flatMap(({ kind, resource, isNamespaced, verbs = ['get', 'list', 'watch'] }) => [
      { name: resource, singularName: kind.toLowerCase(), namespaced: isNamespaced, kind, verbs },
      { name: `${resource}/status`, singularName: '', namespaced: isNamespaced, kind, verbs: ['get'] },
    ]);
    return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources };
  }

  #groups(): readonly unknown[] {
    const groups = Map.groupBy(
      this.kinds.filter(({ group }) => group !== ''),
      ({ group }) => group,
    );
    return [...groups].map(([name, kinds]) => {
      const versions = [...new Set(kinds.map(({ version }) => version))].map((version) => ({
        groupVersion: `${name}/${version}`,
        version,
      }));
      return { name, versions, preferredVersion: versions[0] };
    });
  }

  #placeOf(path: string): Place | null {
    const match = /^\/(?:api|apis\/([^/]+))\/([^/]+)\/(?:namespaces\/([^/]+)\/([^/]+)|([^/]+))(?:\/([^/]+))?$/.exec(
      path,
    );
    if (match === null) return null;
    const [, group = '', version, namespace, namespaced, resource = namespaced, name = null] = match;
    const kind = this.kinds.find(
      (each) => each.group === group && each.version === version && each.resource === resource,
    );
    if (kind === undefined && namespaced === undefined) return null;
    if (kind !== undefined) return { kind, namespace: namespace ?? null, name };
    return null;
  }

  #list(place: Place, query: URLSearchParams, { request, response }: Exchange): void {
    const token = query.get('continue');
    const known = token === null ? undefined : this.#lists.get(token);
    if (token !== null && (known === undefined || known.version < this.store.compactedVersion)) {
      sendStatus(
        response,
        410,
        'The provided continue parameter is too old to display a consistent list result.',
        'Expired',
      );
      return;
    }
    const snapshot =
      known ?? this.store.list((each) => isAt(each, place) && isSelected(each, query.get('labelSelector')));
    const limit = Number(query.get('limit') ?? 0) || snapshot.objects.length;
    const rest = snapshot.objects.slice(limit);
    const next = rest.length === 0 ? '' : `page-${this.#lists.size + 1}`;
    if (rest.length > 0) this.#lists.set(next, { version: snapshot.version, objects: rest });
    const { kind } = place;
    const items = snapshot.objects
      .slice(0, limit)
      .map((object) => (kind.isCustom === true ? object : withoutKind(object)));
    const metadata = {
      resourceVersion: String(snapshot.version),
      ...(next === '' ? {} : { continue: next, remainingItemCount: rest.length }),
    };
    send(response, { kind: `${kind.kind}List`, apiVersion: apiVersionOf(kind), metadata, items }, request);
  }

  #watch(place: Place, query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion') ?? 0);
    if (from < this.store.compactedVersion && this.goneAs === 'status') {
      return sendStatus(response, 410, `too old resource version: ${from}`, 'Expired');
    }
    response.writeHead(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' });
    response.flushHeaders();
    if (from < this.store.compactedVersion) {
      const status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'Expired', code: 410 };
      response.end(`${JSON.stringify({ type: 'ERROR', object: status })}\n`);
      return;
    }
    const selects = (object: StandInObject): boolean =>
      isAt(object, place) && isSelected(object, query.get('labelSelector'));
    const say = ({ type, object }: Pick<StandInEvent, 'type' | 'object'>): void => {
      if (selects(object) && !response.writableEnded) response.write(`${JSON.stringify({ type, object })}\n`);
    };
    for (const event of this.store.since(from)) say(event);
    const unsubscribe = this.store.subscribe(say);
    const bookmark = (): void => {
      const object = {
        kind: place.kind.kind,
        apiVersion: apiVersionOf(place.kind),
        metadata: { resourceVersion: String(this.store.version) },
      };
      response.write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
    };
    if (query.get('allowWatchBookmarks') === 'true') response.on('bookmark', bookmark);
    this.#watches.add(response);
    response.on('close', () => {
      unsubscribe();
      this.#watches.delete(response);
    });
  }
}

interface Place {
  readonly kind: StandInKind;
  readonly namespace: string | null;
  readonly name: string | null;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

function apiVersionOf({ group, version }: StandInKind): string {
  return group === '' ? version : `${group}/${version}`;
}

function isAt({ apiVersion, kind, metadata }: StandInObject, place: Place): boolean {
  const isKind = apiVersion === apiVersionOf(place.kind) && kind === place.kind.kind;
  return isKind && (place.namespace === null || metadata.namespace === place.namespace);
}

/** `a=b,c!=d,e`. */
function isSelected({ metadata }: StandInObject, selector: string | null): boolean {
  return (selector ?? '').split(',').every((term) => {
    const [key = '', value] = term.split(/!?=/);
    if (key === '') return true;
    const label = metadata.labels?.[key];
    if (value === undefined) return label !== undefined;
    return (label === value) !== term.includes('!=');
  });
}

function withoutKind({ apiVersion: _version, kind: _kind, ...rest }: StandInObject): unknown {
  return rest;
}

function clientOf(request: IncomingMessage): string | null {
  const { socket } = request;
  if (!(socket instanceof TLSSocket) || !socket.authorized) return null;
  const { subject }: Partial<PeerCertificate> = socket.getPeerCertificate();
  return subject === undefined ? null : String(subject.CN);
}

function send(response: ServerResponse, body: unknown, request: IncomingMessage): void {
  const text = Buffer.from(JSON.stringify(body));
  const isCompressed = text.length > 2048 && String(request.headers['accept-encoding']).includes('gzip');
  response.writeHead(200, {
    'content-type': 'application/json',
    ...(isCompressed ? { 'content-encoding': 'gzip' } : {}),
  });
  response.end(isCompressed ? gzipSync(text) : text);
}

function sendStatus(response: ServerResponse, code: number, message: string, reason = 'Failure'): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code }),
  );
}
