// nginx, Caddy or Envoy as deploy/ configures them, on ports and paths of a test, in front of an upstream that remembers what it was sent.

import { writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { parseConfig } from '../../src/app/config.ts';
import { createLocalPlane } from '../../src/app/plane.ts';
import { type Sidecar, startSidecar } from '../../src/app/sidecar.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import type { RequestRecord } from '../../src/telemetry/recorder.ts';
import { ExternalProcess } from '../interop/external-process.ts';
import { freePort } from '../support/free-port.ts';
import { connectPeer, type RawPeer } from '../support/proxy-fixture.ts';
import { writeIdentity } from '../support/sidecar-process.ts';
import type { TestAuthority, TestSvid } from '../support/svid-fixtures.ts';
import { type Program, PROGRAMS } from './data-plane-programs.ts';
import { COMPONENTS, POLICIES } from './matrix.ts';
import { temporaryDirectory } from './setting.ts';

/** As an upstream sees it. */
export interface Arrived {
  readonly method: string;
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
}

export interface DataPlane {
  readonly port: number;
  readonly arrived: readonly Arrived[];
  readonly records: readonly RequestRecord[];
  readonly sidecar: Sidecar;
  connect(svid: Pick<TestSvid, 'certificatePem' | 'privateKeyPem'>, host: string): Promise<RawPeer>;
  close(): Promise<void>;
}

/** Where the data plane and Sallyport have their SVIDs from. */
export type IdentitySource =
  | { readonly kind: 'files'; readonly authority: TestAuthority }
  | { readonly kind: 'agent'; readonly socket: string; readonly ownId: string; readonly bundlePem: string };

/** The component is named by the Host of a request. */
export async function startDataPlane(program: Program, source: IdentitySource): Promise<DataPlane> {
  const directory = temporaryDirectory();
  const path = (name: string): string => join(directory, name);
  const ca = source.kind === 'files' ? source.authority.certificatePem : source.bundlePem;
  if (source.kind === 'files') {
    const names = { dns: ['localhost', ...COMPONENTS] };
    writeIdentity(directory, 'own', source.authority.issue('/gateway/a', names));
    writeFileSync(path('bundle.pem'), ca);
  }
  const identity =
    source.kind === 'files'
      ? 'files: { certificate: own.pem, privateKey: own.key, trustBundles: { ai.example: bundle.pem } }'
      : `workloadApi: { socket: "${source.socket}", spiffeId: "${source.ownId}" }`;
  const records: RequestRecord[] = [];
  const sink = { write: () => undefined };
  const { protocol, configure } = PROGRAMS[program];
  const config = `
trustDomain: ai.example
identity: { ${identity} }
policy: { path: ${POLICIES} }
listeners: []
authorization:
  - { name: checks, protocol: ${protocol}, bind: "unix:authz.sock", components: [${COMPONENTS.join(', ')}] }
admin: { bind: none }
`;
  const sidecar = await startSidecar({
    config: parseConfig(Buffer.from(config), path('sallyport.yaml')),
    log: createLogger({ level: 'fatal', destination: sink }),
    decisionLog: sink,
    logWriteFailures: () => 0,
    createPlane: createLocalPlane,
    onRequest: (record) => records.push({ ...record }),
    endpointSocket: null,
    signal: new AbortController().signal,
  });
  const arrived: Arrived[] = [];
  const upstream = createHttpServer((request, response) => {
    arrived.push({ method: request.method ?? '', target: request.url ?? '', headers: request.headers });
    request.resume();
    response.writeHead(200, { 'content-length': 0 }).end();
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const address = upstream.address();
  const upstreamPort = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const port = await freePort();
  const started = configure({
    directory,
    port,
    upstreamPort,
    agentSocket: source.kind === 'agent' ? source.socket.slice('unix://'.length) : null,
  });
  const running = new ExternalProcess(started.program, started.parameters);
  await untilListening(port, running);
  return {
    port,
    arrived,
    records,
    sidecar,
    connect: (svid, host) => connectPeer(port, svid, { ca, servername: host }),
    close: async () => {
      process.kill(running.pid, 'SIGKILL');
      await running.ended;
      upstream.closeAllConnections();
      upstream.close();
      await sidecar.close();
    },
  };
}

/** A busy machine may take that long to load a program that was fetched just before. */
const LISTENING_WITHIN_MS = 60_000;

async function untilListening(port: number, running: ExternalProcess): Promise<void> {
  const deadline = performance.now() + LISTENING_WITHIN_MS;
  while (!running.hasEnded && performance.now() < deadline) {
    if (await isListening(port)) return;
    await new Promise((done) => setTimeout(done, 25));
  }
  await running.end('SIGKILL');
  throw new Error(`it does not listen: ${running.lines.join('\n')}`);
}

function isListening(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, servername: 'localhost' });
    socket.setTimeout(1_000, () => socket.destroy());
    socket.once('error', () => undefined);
    socket.once('secureConnect', () => {
      done(true);
      socket.destroy();
    });
    socket.once('close', () => done(false));
  });
}
