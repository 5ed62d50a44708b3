// nginx or Caddy as deploy/ configures them, on ports and paths of a test, in front of an upstream that remembers what it was sent.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingHttpHeaders } from 'node:http';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { connect } from 'node:tls';
import { parseConfig } from '../../src/app/config.ts';
import { createLocalPlane } from '../../src/app/plane.ts';
import { type Sidecar, startSidecar } from '../../src/app/sidecar.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import type { RequestRecord } from '../../src/telemetry/recorder.ts';
import { ExternalProcess } from '../interop/external-process.ts';
import { connectPeer, type RawPeer } from '../support/proxy-fixture.ts';
import { writeIdentity } from '../support/sidecar-process.ts';
import { testAuthority, type TestSvid } from '../support/svid-fixtures.ts';
import { COMPONENTS, POLICIES } from './matrix.ts';
import { temporaryDirectory } from './setting.ts';

export type Program = 'nginx' | 'caddy';

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
  connect(svid: TestSvid, host: string): Promise<RawPeer>;
  close(): Promise<void>;
}

const EXAMPLES = resolve(import.meta.dirname, '../../deploy/data-planes');
const TRIES = 200;

export function isInstalled(program: Program): boolean {
  try {
    execFileSync(program, [program === 'nginx' ? '-v' : 'version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** The component is named by the Host of a request. */
export async function startDataPlane(program: Program): Promise<DataPlane> {
  const directory = temporaryDirectory();
  const path = (name: string): string => join(directory, name);
  const authority = testAuthority();
  const names = { dns: ['localhost', ...COMPONENTS] };
  writeIdentity(directory, 'own', authority.issue('/gateway/a', names));
  writeFileSync(path('bundle.pem'), authority.certificatePem);
  const records: RequestRecord[] = [];
  const sink = { write: () => undefined };
  const protocol = program === 'nginx' ? 'nginx' : 'forward-auth';
  const config = `
trustDomain: ai.example
identity:
  files: { certificate: own.pem, privateKey: own.key, trustBundles: { ai.example: bundle.pem } }
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
  const edit = program === 'nginx' ? editNginx : editCaddy;
  const file = path(program === 'nginx' ? 'nginx.conf' : 'Caddyfile');
  writeFileSync(
    file,
    edit(readFileSync(join(EXAMPLES, program === 'nginx' ? 'nginx.conf' : 'Caddyfile'), 'utf8'), {
      directory,
      port,
      upstreamPort,
    }),
  );
  const running = new ExternalProcess(
    program === 'nginx' ? 'nginx' : 'env',
    program === 'nginx'
      ? ['-p', directory, '-e', 'stderr', '-c', file, '-g', 'daemon off; master_process off;']
      : [`HOME=${directory}`, 'caddy', 'run', '--config', file, '--adapter', 'caddyfile'],
  );
  await untilListening(port, running);
  return {
    port,
    arrived,
    records,
    sidecar,
    connect: (svid, host) => connectPeer(port, svid, { ca: authority.certificatePem, servername: host }),
    close: async () => {
      process.kill(running.pid, 'SIGKILL');
      await running.ended;
      upstream.closeAllConnections();
      upstream.close();
      await sidecar.close();
    },
  };
}

interface Place {
  readonly directory: string;
  readonly port: number;
  readonly upstreamPort: number;
}

function editNginx(example: string, { directory, port, upstreamPort }: Place): string {
  return replaceAll(example, [
    [
      'http {',
      `error_log stderr crit;\npid ${directory}/nginx.pid;\nhttp {\n  access_log off;\n  keepalive_requests 100000;\n${temporaryPaths(directory)}`,
    ],
    ['unix:/run/sallyport/nginx.sock', `unix:${directory}/authz.sock`],
    ['127.0.0.1:5000', `127.0.0.1:${upstreamPort}`],
    ['listen 8443', `listen 127.0.0.1:${port}`],
    ['/run/svid/tls.crt', `${directory}/own.pem`],
    ['/run/svid/tls.key', `${directory}/own.key`],
    ['/run/svid/bundle.pem', `${directory}/bundle.pem`],
    ['http://sallyport/check;', 'http://sallyport/check/$http_host;'],
  ]);
}

function temporaryPaths(directory: string): string {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `  ${kind}_temp_path ${directory}/${kind};\n`)
    .join('');
}

function editCaddy(example: string, { directory, port, upstreamPort }: Place): string {
  return replaceAll(example, [
    ['https://:8443', `https://:${port}`],
    ['unix//run/sallyport/caddy.sock', `unix/${directory}/authz.sock`],
    ['127.0.0.1:5000', `127.0.0.1:${upstreamPort}`],
    ['/run/svid/tls.crt', `${directory}/own.pem`],
    ['/run/svid/tls.key', `${directory}/own.key`],
    ['/run/svid/bundle.pem', `${directory}/bundle.pem`],
    ['uri /check', 'uri /check/{http.request.host}'],
  ]);
}

/** Each has to be there, so that a test cannot change nothing. */
function replaceAll(text: string, changes: readonly (readonly [string, string])[]): string {
  return changes.reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`the example does not hold ${from}`);
    return changed.replaceAll(from, () => to);
  }, text);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise<void>((done) => server.close(() => done()));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

async function untilListening(port: number, running: ExternalProcess): Promise<void> {
  for (let left = TRIES; left > 0; left -= 1) {
    const isUp = await new Promise<boolean>((done) => {
      const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, servername: 'localhost' });
      socket.once('secureConnect', () => done(true));
      socket.once('error', () => setTimeout(() => done(false), 25));
      socket.once('close', () => socket.destroy());
      socket.once('secureConnect', () => socket.destroy());
    });
    if (isUp) return;
  }
  throw new Error(`it does not listen: ${running.lines.join('\n')}`);
}
