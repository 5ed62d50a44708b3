// A real listener with real engines in front of a scripted upstream, and raw clients that say exactly the bytes a test wants.

import { randomFillSync } from 'node:crypto';
import { connect as connectPlain, createServer, type Socket } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { EveryNth } from '../../src/core/every-nth.ts';
import { SnapshotCell } from '../../src/core/snapshot.ts';
import type { AuthzRequest } from '../../src/policy/decide.ts';
import type { CompiledPolicy } from '../../src/policy/matrix.ts';
import { DecisionCache } from '../../src/policy/decision-cache.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import type { ListenerLimits, TokenTerms, UpstreamDeadlines } from '../../src/proxy/context.ts';
import { type EgressBind, EgressListener } from '../../src/proxy/egress-listener.ts';
import { Http2Pool } from '../../src/proxy/http2-pool.ts';
import { IdentityFieldFilter } from '../../src/proxy/identity-fields.ts';
import type { LapseAction, LapseReason } from '../../src/proxy/lease.ts';
import { Listener, type ListenerOptions } from '../../src/proxy/listener.ts';
import { RouteTable } from '../../src/proxy/route.ts';
import type { TcpTerms } from '../../src/proxy/tcp-tunnel.ts';
import { TcpUpstream, type TcpUpstreamOptions } from '../../src/proxy/tcp-upstream.ts';
import { DecisionIds } from '../../src/proxy/trace-context.ts';
import { type Dial, plainDial, type UpstreamAddress } from '../../src/proxy/upstream-dial.ts';
import { UpstreamPool, type UpstreamPoolOptions } from '../../src/proxy/upstream-pool.ts';
import { type ServerFault, UpstreamTls } from '../../src/proxy/upstream-tls.ts';
import type { Upstream } from '../../src/proxy/upstream.ts';
import { NO_REVOCATIONS, type Revocations } from '../../src/revocation/revocations.ts';
import { parseIdPattern } from '../../src/spiffe/id-pattern.ts';
import { type OwnIdentity, parseOwnIdentity } from '../../src/spiffe/own-identity.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundlePem, type TrustBundles } from '../../src/spiffe/trust-bundle.ts';
import { VerifiedSvids } from '../../src/spiffe/verified-svids.ts';
import type { Recorder, RequestRecord } from '../../src/telemetry/recorder.ts';
import { type TestAuthority, testAuthority, type TestSvid } from './svid-fixtures.ts';

export const ARTICLE_POLICY = `
version: 1
trustDomain: ai.example
components:
  training: {}
  inference: {}
  registry: {}
  feature-store: {}
access:
  training:
    allow: [registry, feature-store]
  inference:
    allow:
      - registry: [read]
`;

/** The same, and `training` may open WebSockets to the registry as well. */
export const WEBSOCKET_POLICY = ARTICLE_POLICY.replace(
  'allow: [registry, feature-store]',
  'allow: [registry, feature-store, { target: registry, verbs: [read], upgrades: [websocket] }]',
);

const TEST_LIMITS: ListenerLimits = {
  maxConnections: 1000,
  maxConnectionsPerPrincipal: 100,
  handshakeTimeoutMs: 5_000,
  maxHeadBytes: 16 * 1024,
  maxFieldCount: 100,
  headTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  tunnelIdleTimeoutMs: 60_000,
  minBodyBytesPerSecond: 240,
  bodyGraceMs: 5_000,
  maxBodyBytes: 0,
  maxPipelinedRequests: 16,
  maxConcurrentStreams: 100,
  maxConnectionAgeMs: 3_600_000,
};

const ON_LAPSE: Readonly<Record<LapseReason, LapseAction>> = {
  'svid-expired': 'reset',
  'token-expired': 'reset',
  'trust-changed': 'reset',
  revoked: 'reset',
  'policy-changed': 'reset',
  'maximum-age': 'drain',
  'own-svid-withdrawn': 'reset',
};

const POOL_OPTIONS: UpstreamPoolOptions = {
  connectTimeoutMs: 2_000,
  idleTimeoutMs: 60_000,
  maxConnections: 64,
  maxIdleConnections: 16,
  maxPending: 64,
  failuresToEject: 5,
  ejectMs: 300,
};

/** A figure that can be waited for. */
class Gauge {
  #value = 0;
  #waiters: (() => void)[] = [];

  add(difference: number): void {
    this.#value += difference;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }

  async until(enough: (value: number) => boolean): Promise<void> {
    while (!enough(this.#value)) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }
}

/** Keeps what it is told, for tests to look at. */
export class RecordingRecorder implements Recorder {
  readonly requests: RequestRecord[] = [];
  readonly handshakes: string[] = [];
  readonly terminations: string[] = [];
  readonly newDestinations: string[] = [];
  readonly open = new Gauge();

  request(record: RequestRecord): void {
    // A copy: the caller may use its object again.
    this.requests.push({ ...record });
  }
  handshake(result: 'accepted' | 'refused', reason: string): void {
    this.handshakes.push(`${result}: ${reason}`);
  }
  connectionOpened(): void {
    this.open.add(1);
  }
  connectionClosed(): void {
    this.open.add(-1);
  }
  connectionTerminated(reason: string): void {
    this.terminations.push(reason);
  }
  reload(): void {}
  clockJump(): void {}
  cacheDisagreement(): void {}
  newDestination(listener: string): void {
    this.newDestinations.push(listener);
  }
}

export function compilePolicy(text: string, mode: 'enforce' | 'shadow' = 'enforce'): CompiledPolicy {
  return loadPolicy([{ file: 'policy.yaml', kind: 'policy', bytes: Buffer.from(text) }, GENERIC_PROTOCOL], mode);
}

const GENERIC_PROTOCOL = {
  file: 'protocols/generic.yaml',
  kind: 'protocol' as const,
  bytes: Buffer.from(`protocol: generic
routes:
  - { path: /, methods: [GET, HEAD, OPTIONS], verb: read }
  - { path: "/**", methods: [GET, HEAD, OPTIONS], verb: read }
  - { path: /, methods: ["*"], verb: write }
  - { path: "/**", methods: ["*"], verb: write }
`),
};

export interface ProxyOptions {
  readonly policy?: string;
  readonly limits?: Partial<ListenerLimits>;
  readonly deadlines?: Partial<UpstreamDeadlines>;
  readonly pool?: Partial<UpstreamPoolOptions>;
  /** Whether peers are offered HTTP/2; they are by default. */
  readonly speaksHttp2?: boolean;
  /** What the upstream speaks; HTTP/1.1 by default. */
  readonly speaks?: 'http/2';
  readonly clock?: Clock;
  readonly authority?: TestAuthority;
  readonly bundles?: readonly TestAuthority[];
  /** Host-based routes instead of one for everything; all lead to the same upstream. */
  readonly leases?: { readonly graceMs?: number; readonly onLapse?: Partial<Record<LapseReason, LapseAction>> };
  /** Default: X.509 alone. */
  readonly authentication?: { readonly x509: boolean; readonly tokens: TokenTerms | null };
  /** In place of HTTP. */
  readonly tcp?: Partial<Pick<TcpTerms, 'sendsProxyHeader'> & TcpUpstreamOptions & { readonly dial: Dial }>;
  readonly routes?: readonly { host: string | null; port?: number; pathPrefix: string | null; component: string }[];
  /** An egress listener instead, at an address of its own choice or at this one; its own ID is `/training/job`. */
  readonly egress?: EgressBind | 'anywhere';
  /** The upstream is a TLS server that has to prove one of these IDs. */
  readonly server?: { readonly ids: readonly string[]; readonly name?: string };
}

export interface ProxyFixture {
  readonly port: number;
  readonly listener: Pick<Listener, 'drain' | 'reverify' | 'close'>;
  /** `principal authority` of requests for destinations that no route knows. */
  readonly unrouted: string[];
  readonly recorder: RecordingRecorder;
  readonly authority: TestAuthority;
  readonly policy: SnapshotCell<CompiledPolicy>;
  readonly trust: SnapshotCell<TrustBundles>;
  readonly revocations: SnapshotCell<Revocations>;
  readonly identity: SnapshotCell<OwnIdentity | null>;
  readonly pool: Upstream;
  /** Every question put to the policy. */
  readonly asked: AuthzRequest[];
  readonly anonymous: string[];
  /** Why tokens were not accepted. */
  readonly refusedTokens: string[];
  /** Servers that did not prove themselves, or do not any longer. */
  readonly faults: ServerFault[];
  /** Waits until that many requests have been decided since the start; each has asked for a connection by then. */
  untilDecided(count: number): Promise<void>;
  /** Waits until at most `left` authenticated or refused connections are open. */
  untilClosed(left?: number): Promise<void>;
  connect(svid: TestSvid | null, options?: ConnectionOptions): Promise<RawPeer>;
  /** The own program, to an egress listener. */
  connectProgram(): Promise<RawPeer<Socket>>;
  close(): Promise<void>;
}

export function bundlesOf(authorities: readonly TestAuthority[]): TrustBundles {
  return new Map(
    authorities.map((authority) => {
      const trustDomain = parseTrustDomain(authority.trustDomain);
      return [trustDomain, parseTrustBundlePem(trustDomain, Buffer.from(authority.certificatePem), 'bundle.pem')];
    }),
  );
}

export function identityOf(authority: TestAuthority, svid: TestSvid): OwnIdentity {
  return parseOwnIdentity(
    {
      certificate: Buffer.from(svid.certificatePem),
      certificateFile: 'own.pem',
      privateKey: Buffer.from(svid.privateKeyPem),
      privateKeyFile: 'own.key',
    },
    parseTrustDomain(authority.trustDomain),
  );
}

/** A proxy for component `registry` in front of a port of this machine, or another address. */
export async function startProxy(
  upstream: number | UpstreamAddress,
  options: ProxyOptions = {},
): Promise<ProxyFixture> {
  const clock = options.clock ?? systemClock;
  const authority = options.authority ?? testAuthority();
  const own = authority.issue(options.egress === undefined ? '/registry/proxy' : '/training/job', {
    dns: ['localhost'],
    ips: ['127.0.0.1'],
  });
  const identity = new SnapshotCell<OwnIdentity | null>(identityOf(authority, own));
  const revocations = new SnapshotCell(NO_REVOCATIONS);
  const trust = new SnapshotCell(bundlesOf(options.bundles ?? [authority]));
  const policy = new SnapshotCell(compilePolicy(options.policy ?? ARTICLE_POLICY));
  const cache = new DecisionCache({
    maxEntries: 10_000,
    maxEntriesPerPrincipal: 1000,
    verifyEvery: 0,
    onDisagreement: () => undefined,
  });
  const recorder = new RecordingRecorder();
  const sources = { clock, identity, trust, revocations, verified: new VerifiedSvids(1000) };
  const faults: ServerFault[] = [];
  const { server } = options;
  const address =
    typeof upstream === 'number' ? ({ kind: 'tcp', host: '127.0.0.1', port: upstream } as const) : upstream;
  const dial =
    server === undefined
      ? plainDial(address)
      : new UpstreamTls(sources, (fault) => faults.push(fault)).dialTo({
          address,
          serverName: server.name ?? null,
          serverIds: server.ids.map((id) => parseIdPattern(id, parseTrustDomain('ai.example'))),
          protocol: options.tcp !== undefined ? null : options.speaks === 'http/2' ? 'h2' : 'http/1.1',
        });
  const poolOptions = { ...POOL_OPTIONS, ...options.pool };
  const pool =
    options.speaks === 'http/2'
      ? new Http2Pool({ dial, scheme: server === undefined ? 'http' : 'https' }, poolOptions, clock)
      : new UpstreamPool(dial, poolOptions, clock);
  const tcp =
    options.tcp === undefined
      ? null
      : new TcpUpstream(options.tcp.dial ?? dial, { connectTimeoutMs: 2_000, maxConnections: 64, ...options.tcp });
  const routes = options.routes ?? [{ host: null, pathPrefix: null, component: 'registry' }];
  const anonymous: string[] = [];
  const refusedTokens: string[] = [];
  const decided = new Gauge();
  const asked: AuthzRequest[] = [];
  const unrouted: string[] = [];
  const shared: Pick<ListenerOptions, 'sources' | 'policy' | 'context'> = {
    sources,
    policy,
    context: {
      name: 'registry',
      component: 'registry',
      routes: new RouteTable(routes.map((route) => ({ port: null, ...route, upstream: pool }))),
      limits: { ...TEST_LIMITS, ...options.limits },
      deadlines: { responseHeadTimeoutMs: 10_000, bodyIdleTimeoutMs: 10_000, ...options.deadlines },
      leases: { graceMs: options.leases?.graceMs ?? 1_000, onLapse: { ...ON_LAPSE, ...options.leases?.onLapse } },
      clock,
      recorder,
      authorizer: {
        admit: (svid, trustEpoch) => cache.admit(svid, trustEpoch),
        decide: (partition, request) => {
          decided.add(1);
          asked.push(request);
          return cache.decide(partition, policy.current, request, clock.wallMs());
        },
      },
      timedDecisions: new EveryNth(16),
      decisionIds: new DecisionIds(randomFillSync),
      identityFields: new IdentityFieldFilter(),
      egress:
        options.egress === undefined
          ? null
          : { unrouted: (principal: string, to: string) => void unrouted.push(`${principal} ${to}`) },
    },
  };
  const { egress } = options;
  const sendsProxyHeader = options.tcp?.sendsProxyHeader ?? false;
  const tcpTerms = tcp === null ? null : { component: 'registry', upstream: tcp, sendsProxyHeader };
  const listener =
    egress === undefined
      ? new Listener({
          host: '127.0.0.1',
          port: 0,
          sharesPort: false,
          ...shared,
          authentication: options.authentication ?? { x509: true, tokens: null },
          speaksHttp2: options.speaksHttp2 ?? true,
          tcp: tcpTerms,
          onAnonymous: (reason) => anonymous.push(reason),
          onRefusedToken: (reason) => refusedTokens.push(reason),
        })
      : new EgressListener({
          ...shared,
          tcp: tcpTerms,
          bind: egress === 'anywhere' ? { kind: 'tcp', host: '127.0.0.1', port: 0, sharesPort: false } : egress,
        });
  const at = await listener.listen();
  const port = 'port' in at ? at.port : 0;
  const peers: RawPeer<Socket>[] = [];
  return {
    port,
    listener,
    recorder,
    authority,
    policy,
    trust,
    revocations,
    identity,
    pool,
    asked,
    anonymous,
    refusedTokens,
    faults,
    unrouted,
    untilDecided: async (count) => decided.until((reached) => reached >= count),
    untilClosed: async (left = 0) => recorder.open.until((open) => open <= left),
    connect: async (svid, overrides = {}) => {
      const peer = await connectPeer(port, svid, { ca: authority.certificatePem, ...overrides });
      peers.push(peer);
      return peer;
    },
    connectProgram: async () => {
      const program = await connectProgram('path' in at ? { path: at.path } : { host: '127.0.0.1', port });
      peers.push(program);
      return program;
    },
    close: async () => {
      for (const peer of peers) peer.socket.destroy();
      listener.close();
      pool.close();
      tcp?.close();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

/** A client that speaks in bytes. */
export class RawPeer<Held extends Socket = TLSSocket> {
  readonly socket: Held;
  received = '';
  ended = false;
  #waiters: (() => void)[] = [];

  constructor(socket: Held) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.received += bytes.toString('latin1');
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('end', () => this.#end());
    socket.on('close', () => this.#end());
  }

  send(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** Sends a request without a body, fields beyond Host as given. */
  request(method: string, target: string, fields = ''): void {
    this.send(`${method} ${target} HTTP/1.1\r\nhost: registry\r\n${fields}\r\n`);
  }

  /** Waits until what was received satisfies `enough`, or until the connection has ended; returns all that was received. */
  async until(enough: (received: string) => boolean): Promise<string> {
    while (!enough(this.received) && !this.ended) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
    return this.received;
  }

  /** One whole response with a Content-Length or no body; takes it out of what was received. */
  async response(): Promise<{ status: number; head: string; body: string }> {
    await this.until((received) => wholeResponse(received) !== null);
    const whole = wholeResponse(this.received);
    if (whole === null) throw new Error(`no whole response: ${JSON.stringify(this.received)}`);
    this.received = this.received.slice(whole.head.length + whole.body.length);
    return { status: Number(whole.head.slice(9, 12)), ...whole };
  }

  async closed(): Promise<string> {
    return this.until(() => false);
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }

  #end(): void {
    this.ended = true;
    this.#wake();
  }
}

function wholeResponse(received: string): { head: string; body: string } | null {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const head = received.slice(0, end + 4);
  const length = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1] ?? 0);
  const body = received.slice(head.length, head.length + length);
  return body.length === length ? { head, body } : null;
}

export async function connectPeer(
  port: number,
  svid: Pick<TestSvid, 'certificatePem' | 'privateKeyPem'> | null,
  options: ConnectionOptions,
): Promise<RawPeer> {
  const credentials = svid === null ? {} : { cert: svid.certificatePem, key: svid.privateKeyPem };
  const socket = connect({ host: '127.0.0.1', port, ...credentials, checkServerIdentity: () => undefined, ...options });
  const peer = new RawPeer(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed during the handshake')));
  });
  return peer;
}

/** Our own program, which speaks plaintext. */
export async function connectProgram(
  to: { readonly path: string } | { readonly host: string; readonly port: number },
): Promise<RawPeer<Socket>> {
  const socket = connectPlain(to);
  const peer = new RawPeer(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return peer;
}

/** An upstream that answers by script, one request head at a time, and remembers every byte it was sent. */
export class ScriptedUpstream {
  readonly port: number;
  readonly sockets: Socket[] = [];
  received = '';
  receivedBytes = 0;
  readonly #close: () => void;
  #waiters: (() => void)[] = [];

  private constructor(port: number, close: () => void) {
    this.port = port;
    this.#close = close;
  }

  /** `answer` is called with each request head and its socket; it may write nothing, something, or end. */
  static async start(answer: (head: string, socket: Socket) => void): Promise<ScriptedUpstream> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const upstream = new ScriptedUpstream(address.port, () => {
      server.close();
      for (const socket of upstream.sockets) socket.destroy();
    });
    server.on('connection', (socket) => {
      upstream.sockets.push(socket);
      socket.on('error', () => undefined);
      let pending = '';
      socket.on('data', (bytes) => {
        const text = bytes.toString('latin1');
        upstream.receivedBytes += bytes.length;
        if (upstream.received.length < MAX_REMEMBERED) upstream.received += text;
        pending = (pending + text).slice(-MAX_REMEMBERED);
        for (let end = pending.indexOf('\r\n\r\n'); end >= 0; end = pending.indexOf('\r\n\r\n')) {
          const head = pending.slice(0, end + 4);
          pending = pending.slice(end + 4);
          // What is left of a body may stand before it.
          const start = head.search(/[A-Za-z]+ \/\S* HTTP\/1\.1\r\n/);
          if (start >= 0) answer(head.slice(start), socket);
        }
        upstream.#wake();
      });
    });
    return upstream;
  }

  /** Waits until what was received, on all connections, satisfies `enough`. */
  async until(enough: (upstream: ScriptedUpstream) => boolean): Promise<void> {
    while (!enough(this)) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  close(): void {
    this.#close();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }
}

const MAX_REMEMBERED = 256 * 1024;

export const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
