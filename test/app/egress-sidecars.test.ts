// Two sidecars, each with files of its own: the own program → egress → ingress → the service.

import { readFileSync } from 'node:fs';
import {
  type ClientHttp2Stream,
  connect as connectHttp2,
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
} from 'node:http2';
import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseConfig } from '../../src/app/config.ts';
import { createLocalPlane } from '../../src/app/plane.ts';
import { type Sidecar, startSidecar } from '../../src/app/sidecar.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { ask } from '../admin/http.ts';
import { portOf } from '../support/port-of.ts';
import { ARTICLE_POLICY, connectProgram, OK, type RawPeer, ScriptedUpstream } from '../support/proxy-fixture.ts';
import { runSidecar, type SidecarFiles, writeSidecarFiles } from '../support/sidecar-process.ts';
import { testAuthority } from '../support/svid-fixtures.ts';

const EVENTS_HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';
const EVENT = 'c\r\ndata: first\n\r\n';
const NO_TRAINING = ARTICLE_POLICY.replace('    allow: [registry, feature-store]', '    allow: [feature-store]');

type LogLine = Readonly<Record<string, unknown>>;

interface RunningSidecar {
  readonly files: SidecarFiles;
  readonly sidecar: Sidecar;
  /** Waits for a line of either log with these fields. */
  readonly logged: (fields: LogLine) => Promise<LogLine>;
  readonly metrics: () => Promise<string>;
}

async function run(files: SidecarFiles): Promise<RunningSidecar> {
  onTestFinished(() => files.remove());
  const lines: LogLine[] = [];
  const waiters: (() => void)[] = [];
  const destination = {
    write: (text: string | Buffer): void => {
      for (const line of String(text).split('\n')) if (line !== '') lines.push(JSON.parse(line));
      for (const waiter of waiters.splice(0)) waiter();
    },
  };
  const file = files.path('sallyport.yaml');
  const sidecar = await startSidecar({
    config: parseConfig(readFileSync(file), file),
    log: createLogger({ level: 'info', destination }),
    decisionLog: destination,
    logWriteFailures: () => 0,
    createPlane: createLocalPlane,
    onRequest: null,
    endpointSocket: null,
    signal: new AbortController().signal,
  });
  onTestFinished(() => sidecar.close());
  return {
    files,
    sidecar,
    logged: async (fields) => {
      for (;;) {
        const found = lines.find((line) => Object.entries(fields).every(([key, value]) => line[key] === value));
        if (found !== undefined) return found;
        await new Promise<void>((resolve) => waiters.push(resolve));
      }
    },
    metrics: async () => {
      const { admin } = sidecar;
      if (admin?.kind !== 'tcp') throw new Error('no admin');
      return (await ask(admin, { path: '/metrics' })).body;
    },
  };
}

function writeIngress(servicePort: number, policy: string): SidecarFiles {
  return writeSidecarFiles({ upstreamPort: servicePort, policy, extra: 'decisionLog: { allow: all }\n' });
}

/** Of `spiffe://ai.example/training/job`, towards `registry` at this port. */
function writeEgress(ingressPort: number, policy: string, extra = ''): SidecarFiles {
  const own = testAuthority().issue('/training/job');
  const files = writeSidecarFiles({ upstreamPort: 1, policy, own, extra: `decisionLog: { allow: all }\n${extra}` });
  const text = readFileSync(files.path('sallyport.yaml'), 'utf8');
  const listener = text.slice(text.indexOf('  - name'), text.indexOf('admin:'));
  files.write(
    'sallyport.yaml',
    text.replace(
      listener,
      `  - name: out
    bind: 127.0.0.1:0
    mode: egress
    routes:
      - { host: registry.ai.example, component: registry, upstream: "https://127.0.0.1:${ingressPort}", serverId: /registry/* }
`,
    ),
  );
  return files;
}

interface Pair {
  readonly service: ScriptedUpstream;
  readonly ingress: RunningSidecar;
  readonly egress: RunningSidecar;
  readonly program: RawPeer<Socket>;
}

interface PairOptions {
  readonly ingressPolicy?: string;
  readonly egressPolicy?: string;
}

async function connectOut(port: number): Promise<RawPeer<Socket>> {
  const program = await connectProgram({ host: '127.0.0.1', port });
  onTestFinished(() => void program.socket.destroy());
  return program;
}

async function openPair(
  answer: (head: string, socket: Socket) => void,
  { ingressPolicy = ARTICLE_POLICY, egressPolicy = ARTICLE_POLICY }: PairOptions = {},
): Promise<Pair> {
  const service = await ScriptedUpstream.start(answer);
  onTestFinished(() => service.close());
  const ingress = await run(writeIngress(service.port, ingressPolicy));
  const egress = await run(writeEgress(portOf(ingress.sidecar.listeners.get('registry')), egressPolicy));
  return { service, ingress, egress, program: await connectOut(portOf(egress.sidecar.listeners.get('out'))) };
}

function request(program: RawPeer<Socket>, method: string, target: string, host = 'registry.ai.example'): void {
  program.send(`${method} ${target} HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 0\r\n\r\n`);
}

describe('a request through two sidecars', () => {
  it('gets to the service, decided twice, in the name of the SVID of the first', async () => {
    const { service, ingress, egress, program } = await openPair((_head, socket) => socket.write(OK));
    request(program, 'PUT', '/models/1?a=b');
    expect(await program.response()).toMatchObject({ status: 200, body: 'ok' });
    expect(service.received).toMatch(/^PUT \/models\/1\?a=b HTTP\/1\.1\r\nhost: registry\.ai\.example\r\n/);
    expect(service.received).toContain('\r\nx-spiffe-id: spiffe://ai.example/training/job\r\n');
    expect(service.received).toMatch(
      /\r\nx-forwarded-client-cert: By=spiffe:\/\/ai\.example\/registry\/proxy;Hash=[0-9a-f]{64};URI=spiffe:\/\/ai\.example\/training\/job\r\n/,
    );
    const allowed = { msg: 'request allowed', principal: 'spiffe://ai.example/training/job', target: 'registry' };
    const [first, second] = await Promise.all([egress.logged(allowed), ingress.logged(allowed)]);
    expect(first['listener']).toBe('out');
    expect(second['listener']).toBe('registry');
    // One trace for both.
    expect(first['traceId']).toMatch(/^[0-9a-f]{32}$/);
    expect(second['traceId']).toBe(first['traceId']);
    expect(await egress.metrics()).toMatch(
      /sallyport_decisions_total\{listener="out",source="training",target="registry",verb="write",effect="allow",reason="[a-z-]+"\} 1\n/,
    );
  });

  it('is denied at the egress, and never leaves', async () => {
    const { service, ingress, program } = await openPair((_head, socket) => socket.write(OK), {
      egressPolicy: NO_TRAINING,
    });
    request(program, 'GET', '/models/1');
    expect((await program.response()).status).toBe(403);
    expect(service.sockets).toHaveLength(0);
    expect(await ingress.metrics()).toContain('sallyport_connections_open 0\n');
  });

  it('is allowed at the egress and denied at the ingress', async () => {
    const { service, ingress, egress, program } = await openPair((_head, socket) => socket.write(OK), {
      ingressPolicy: NO_TRAINING,
    });
    request(program, 'GET', '/models/1');
    const { status, body } = await program.response();
    expect(status).toBe(403);
    expect(service.sockets).toHaveLength(0);
    const [allowed, denied] = await Promise.all([
      egress.logged({ msg: 'request allowed' }),
      ingress.logged({ msg: 'request denied' }),
    ]);
    expect(allowed['status']).toBe(403);
    // The program has the id under which the ingress tells why.
    expect(JSON.parse(body)).toMatchObject({ decisionId: denied['decisionId'] });
  });

  it('is refused for a destination that nobody has named, which is told once', async () => {
    const { egress, program } = await openPair((_head, socket) => socket.write(OK));
    for (let i = 0; i < 3; i += 1) {
      request(program, 'GET', '/x', 'evil.example:8080');
      expect((await program.response()).status).toBe(404);
    }
    expect(await egress.logged({ msg: 'new destination' })).toMatchObject({
      level: 'warn',
      listener: 'out',
      principal: 'spiffe://ai.example/training/job',
      authority: 'evil.example:8080',
    });
    expect(await egress.metrics()).toContain('sallyport_new_destinations_total{listener="out"} 3\n');
  });

  it('is not sent to a server of another ID than the route expects', async () => {
    const { ingress, egress, program } = await openPair((_head, socket) => socket.write(OK));
    const port = portOf(ingress.sidecar.listeners.get('registry'));
    const text = readFileSync(egress.files.path('sallyport.yaml'), 'utf8').replace(
      'serverId: /registry/*',
      'serverId: /store/*',
    );
    const files = writeEgress(port, ARTICLE_POLICY);
    files.write('sallyport.yaml', text);
    const other = await run(files);
    const peer = await connectOut(portOf(other.sidecar.listeners.get('out')));
    request(peer, 'GET', '/x');
    expect((await peer.response()).status).toBe(502);
    expect(await other.logged({ msg: 'upstream server not trusted' })).toMatchObject({
      reason: 'unexpected-server-id',
      serverId: 'spiffe://ai.example/registry/proxy',
      expectedIds: ['/store/*'],
      upstream: `127.0.0.1:${port}`,
    });
    expect(program.ended).toBe(false);
  });
});

describe('SNI towards an ingress with routes by host', () => {
  it.each([
    ['the host of the route', 'host: registry.ai.example, ', 200],
    ['the host of the upstream where the route has none, which is refused where Host differs', '', 421],
  ])('is %s', async (_, host, status) => {
    const service = await ScriptedUpstream.start((_head, socket) => socket.write(OK));
    onTestFinished(() => service.close());
    const behind = writeIngress(service.port, ARTICLE_POLICY);
    const text = readFileSync(behind.path('sallyport.yaml'), 'utf8');
    behind.write(
      'sallyport.yaml',
      text.replace(
        / {4}component: registry\n {4}upstream: (.*)\n/,
        '    routes: [{ host: registry.ai.example, component: registry, upstream: "$1" }]\n',
      ),
    );
    const ingress = await run(behind);
    const before = writeEgress(portOf(ingress.sidecar.listeners.get('registry')), ARTICLE_POLICY);
    before.write(
      'sallyport.yaml',
      readFileSync(before.path('sallyport.yaml'), 'utf8')
        .replace('host: registry.ai.example, ', host)
        .replace('https://127.0.0.1', 'https://localhost'),
    );
    const egress = await run(before);
    const program = await connectOut(portOf(egress.sidecar.listeners.get('out')));
    request(program, 'GET', '/x');
    expect((await program.response()).status).toBe(status);
  });
});

describe('a stream through two sidecars', () => {
  const openEvents = async (): Promise<Pair> => {
    const pair = await openPair((_head, socket) => socket.write(EVENTS_HEAD + EVENT));
    request(pair.program, 'GET', '/events');
    await pair.program.until((text) => text.includes('first'));
    return pair;
  };

  it.each(['egress', 'ingress'] as const)('is cut within a second when the policy of the %s turns', async (side) => {
    const pair = await openEvents();
    const startMs = performance.now();
    pair[side].files.write('policy.yaml', NO_TRAINING);
    await pair.program.closed();
    expect(performance.now() - startMs).toBeLessThan(1_000);
    expect(await pair[side].logged({ msg: 'request denied' })).toMatchObject({ refusal: 'policy-changed' });
  });

  it.each(['egress', 'ingress'] as const)('goes on when the policy of the %s changes for others', async (side) => {
    const pair = await openEvents();
    pair[side].files.write(
      'policy.yaml',
      ARTICLE_POLICY.replace('      - registry: [read]', '      - registry: [write]'),
    );
    await pair[side].logged({ msg: 'reloaded', what: 'policy' });
    pair.service.sockets[0]?.write('d\r\ndata: second\n\r\n0\r\n\r\n');
    expect(await pair.program.until((text) => text.endsWith('0\r\n\r\n'))).toContain('second');
  });

  it('is cut when the files of our SVID become those of another', async () => {
    const pair = await openEvents();
    const next = testAuthority().issue('/inference/server');
    const startMs = performance.now();
    pair.egress.files.write('registry.key', next.privateKeyPem);
    pair.egress.files.write('registry.pem', next.certificatePem);
    await pair.program.closed();
    expect(performance.now() - startMs).toBeLessThan(1_000);
    await pair.egress.logged({ listener: 'out', refusal: 'own-svid-withdrawn' });
  });
});

describe('a call of gRPC through two sidecars', () => {
  const POLICY = ARTICLE_POLICY.replace('  registry: {}', '  registry: { protocol: generic }');

  it('is HTTP/2 all the way, with its trailers, and ends with a status when policy turns', async () => {
    const service = createHttp2Server();
    const seen: IncomingHttpHeaders[] = [];
    service.on('stream', (stream, headers) => {
      seen.push(headers);
      stream.on('error', () => undefined);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.on('data', (bytes: Buffer) => void stream.write(bytes));
      stream.on('end', () => stream.end());
    });
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void service.close());
    const at = service.address();
    const servicePort = typeof at === 'object' && at !== null ? at.port : 0;
    const behind = writeIngress(servicePort, POLICY);
    behind.write('sallyport.yaml', readFileSync(behind.path('sallyport.yaml'), 'utf8').replace('http://', 'h2c://'));
    const ingress = await run(behind);
    const before = writeEgress(portOf(ingress.sidecar.listeners.get('registry')), POLICY);
    before.write('sallyport.yaml', readFileSync(before.path('sallyport.yaml'), 'utf8').replace('https://', 'h2://'));
    const egress = await run(before);
    const client = connectHttp2(`http://127.0.0.1:${portOf(egress.sidecar.listeners.get('out'))}`);
    onTestFinished(() => client.destroy());
    const call = (): ClientHttp2Stream =>
      client.request({
        ':method': 'POST',
        ':path': '/registry.Models/Get',
        ':authority': 'registry.ai.example',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
    const statusOf = (stream: ClientHttp2Stream): Promise<unknown> =>
      new Promise((resolve) => {
        stream.on('error', () => undefined);
        stream.once('trailers', (trailers) => resolve(trailers['grpc-status']));
      });
    const message = Buffer.from([0, 0, 0, 0, 2, 8, 1]);
    const unary = call();
    unary.end(message);
    unary.resume();
    expect(await statusOf(unary)).toBe('0');
    expect(seen[0]?.['x-spiffe-id']).toBe('spiffe://ai.example/training/job');
    const streaming = call();
    const echoed = new Promise<Buffer>((resolve) => streaming.once('data', resolve));
    streaming.write(message);
    expect(await echoed).toEqual(message);
    const status = statusOf(streaming);
    const startMs = performance.now();
    ingress.files.write(
      'policy.yaml',
      POLICY.replace('    allow: [registry, feature-store]', '    allow: [feature-store]'),
    );
    expect(await status).toBe('7');
    expect(performance.now() - startMs).toBeLessThan(1_000);
  });
});

describe('an egress listener of several workers', () => {
  it('serves in each of them, and counts over all', async () => {
    const service = await ScriptedUpstream.start((_head, socket) => socket.write(OK));
    onTestFinished(() => service.close());
    const ingress = await run(writeIngress(service.port, ARTICLE_POLICY));
    const port = portOf(ingress.sidecar.listeners.get('registry'));
    const sidecar = await runSidecar(writeEgress(port, ARTICLE_POLICY, 'workers: 2\n'), []);
    onTestFinished(() => sidecar.stop());
    for (let i = 0; i < 4; i += 1) {
      const program = await connectOut(sidecar.port);
      request(program, 'GET', '/x');
      expect((await program.response()).status).toBe(200);
      request(program, 'GET', '/x', 'evil.example');
      expect((await program.response()).status).toBe(404);
    }
    const { body } = await sidecar.get('/metrics');
    expect(body).toContain('sallyport_new_destinations_total{listener="out"} 4\n');
  });
});
