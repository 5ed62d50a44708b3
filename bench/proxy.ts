// What a request costs through the whole proxy beside nginx: same upstream, same certificates, same load, rounds taken in turn.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { webcrypto } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { createAuthority, toAuthorityFiles } from '../src/devca/authority.ts';
import { issueSvid } from '../src/devca/svid.ts';
import { parseSpiffeId, parseTrustDomain } from '../src/spiffe/spiffe-id.ts';
import { type Summary, summarise } from './summary.ts';

export interface ProxyEffort {
  readonly rounds: number;
  readonly connections: number;
  readonly warmupMs: number;
  readonly measureMs: number;
}

export interface ProxyFigures {
  readonly name: string;
  /** CPU of the proxy process, user and system. */
  readonly cpuMicrosPerRequest: Summary;
  readonly requestsPerSecond: Summary;
  /** CPU to nginx's, round by round. */
  readonly ratio: Summary;
}

/** Null, with the reason, when a peer is missing. */
export type ProxyOutcome = { readonly figures: readonly ProxyFigures[] } | { readonly missing: string };

interface Contender {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
}

const ROOT = resolve(import.meta.dirname, '..');
const PATH = '/api/2.0/mlflow/registered-models/get';
const BODY = '{"model":"bert","version":3,"stage":"production"}\\n';
// The proxy has one CPU for itself, load and upstream share the other.
const PROXY_CPU = '0';
const LOAD_CPU = '1';
const TICKS_PER_SECOND = 100;

export async function measureProxy(effort: ProxyEffort, progress: (line: string) => void): Promise<ProxyOutcome> {
  for (const [program, install] of [
    ['nginx', 'apt-get install nginx-light'],
    ['taskset', 'apt-get install util-linux'],
  ] as const) {
    if (spawnSync(program, ['--help']).error !== undefined)
      return { missing: `${program} is not installed (${install})` };
  }
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
  const processes: ChildProcess[] = [];
  try {
    await writeCredentials(directory);
    const contenders = await startContenders(directory, processes);
    return { figures: await takeRounds(contenders, directory, { effort, progress }) };
  } finally {
    await Promise.all(processes.map(stop));
    rmSync(directory, { recursive: true, force: true });
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = new Promise((done) => child.once('exit', done));
  child.kill('SIGTERM');
  await exited;
}

async function takeRounds(
  contenders: readonly Contender[],
  directory: string,
  { effort, progress }: { readonly effort: ProxyEffort; readonly progress: (line: string) => void },
): Promise<readonly ProxyFigures[]> {
  const cpu = new Map<string, number[]>();
  const rates = new Map<string, number[]>();
  for (let round = 1; round <= effort.rounds; round += 1) {
    for (const contender of contenders) {
      const { cpuMicrosPerRequest, requestsPerSecond } = await measureOnce(contender, directory, effort);
      progress(
        `round ${round}/${effort.rounds}: ${contender.name} ${cpuMicrosPerRequest.toFixed(1)} µs CPU/request, ${requestsPerSecond.toFixed(0)}/s`,
      );
      cpu.set(contender.name, [...(cpu.get(contender.name) ?? []), cpuMicrosPerRequest]);
      rates.set(contender.name, [...(rates.get(contender.name) ?? []), requestsPerSecond]);
    }
  }
  const reference = cpu.get('nginx') ?? [];
  return contenders.map(({ name }) => {
    const values = cpu.get(name) ?? [];
    return {
      name,
      cpuMicrosPerRequest: summarise(values),
      requestsPerSecond: summarise(rates.get(name) ?? []),
      ratio: summarise(values.map((value, round) => value / (reference[round] ?? Number.NaN))),
    };
  });
}

async function measureOnce(
  { port, pid }: Contender,
  directory: string,
  effort: ProxyEffort,
): Promise<{ cpuMicrosPerRequest: number; requestsPerSecond: number }> {
  const load = spawn(
    'taskset',
    [
      '-c',
      LOAD_CPU,
      process.execPath,
      join(ROOT, 'bench/load.ts'),
      ...[port, effort.connections, effort.warmupMs, effort.measureMs].map(String),
      directory,
      PATH,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let before = Number.NaN;
  for await (const line of createInterface({ input: load.stdout })) {
    if (line === 'start') {
      before = cpuSeconds(pid);
      continue;
    }
    const seconds = cpuSeconds(pid) - before;
    const result: unknown = JSON.parse(line);
    if (typeof result !== 'object' || result === null || !('requests' in result) || !('elapsedMs' in result)) break;
    const requests = Number(result.requests);
    return {
      cpuMicrosPerRequest: (seconds / requests) * 1e6,
      requestsPerSecond: (requests / Number(result.elapsedMs)) * 1000,
    };
  }
  throw new Error('the load generator ended without a result');
}

/** User and system time of a process so far: proc(5), fields 14 and 15. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

async function writeCredentials(directory: string): Promise<void> {
  const issuing = { nowMs: Date.now(), crypto: webcrypto };
  const trustDomain = parseTrustDomain('ai.example');
  const authority = await createAuthority(
    { trustDomain, ttlMs: 86_400_000, keyType: 'p256', signWith: 'root' },
    issuing,
  );
  writeFileSync(join(directory, 'bundle.pem'), toAuthorityFiles(authority).bundlePem);
  for (const [name, id] of [
    ['server', 'spiffe://ai.example/registry/proxy'],
    ['client', 'spiffe://ai.example/training/job'],
  ] as const) {
    const svid = await issueSvid(
      authority,
      { id: parseSpiffeId(id), ttlMs: 3_600_000, keyType: 'p256', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] },
      issuing,
    );
    writeFileSync(join(directory, `${name}.pem`), svid.certificatePem);
    writeFileSync(join(directory, `${name}.key`), svid.privateKeyPem, { mode: 0o600 });
  }
}

async function startContenders(directory: string, processes: ChildProcess[]): Promise<readonly Contender[]> {
  const [upstreamPort, nginxPort, sallyportPort] = [await freePort(), await freePort(), await freePort()];
  processes.push(
    startNginx(directory, 'upstream', {
      cpu: LOAD_CPU,
      server: `server { listen 127.0.0.1:${upstreamPort}; location / { return 200 '${BODY}'; } }`,
    }),
  );
  const nginx = startNginx(directory, 'nginx', {
    cpu: PROXY_CPU,
    server: `upstream service { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 1000000000; }
server {
  listen 127.0.0.1:${nginxPort} ssl;
  ssl_certificate ${directory}/server.pem; ssl_certificate_key ${directory}/server.key;
  ssl_client_certificate ${directory}/bundle.pem; ssl_verify_client on;
  ssl_session_tickets off; ssl_session_cache off;
  location / {
    proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header Host $host; proxy_set_header X-Forwarded-Client-Cert $ssl_client_fingerprint; proxy_set_header X-Forwarded-For $remote_addr;
  }
}`,
  });
  processes.push(nginx);
  const config = join(directory, 'sallyport.yaml');
  writeFileSync(
    config,
    `trustDomain: ai.example
identity: { files: { certificate: server.pem, privateKey: server.key, trustBundles: { ai.example: bundle.pem } } }
policy: { path: ${join(ROOT, 'policies')} }
listeners:
  - { name: registry, bind: "127.0.0.1:${sallyportPort}", component: registry, upstream: "http://127.0.0.1:${upstreamPort}" }
admin: { bind: "127.0.0.1:0" }
`,
  );
  const sallyport = spawn(
    'taskset',
    ['-c', PROXY_CPU, process.execPath, join(ROOT, 'src/main.ts'), 'run', '--config', config],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  processes.push(sallyport);
  for (const port of [upstreamPort, nginxPort, sallyportPort]) await untilOpen(port);
  return [
    { name: 'nginx', port: nginxPort, pid: nginx.pid ?? 0 },
    { name: 'sallyport', port: sallyportPort, pid: sallyport.pid ?? 0 },
  ];
}

/** One process without a master, so that its CPU clock is the whole of it. */
function startNginx(
  directory: string,
  name: string,
  options: { readonly cpu: string; readonly server: string },
): ChildProcess {
  mkdirSync(join(directory, name));
  const file = join(directory, name, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${directory}/${name}/${kind};`)
    .join(' ');
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${directory}/${name}/pid; error_log stderr error;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000000; default_type application/json; ${temporary}
${options.server} }
`,
  );
  return spawn('taskset', ['-c', options.cpu, 'nginx', '-c', file], { stdio: ['ignore', 'ignore', 'ignore'] });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function untilOpen(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const isOpen = await new Promise<boolean>((done) => {
      const socket = connect(port, '127.0.0.1', () => done(true));
      socket.on('error', () => done(false));
      socket.on('connect', () => socket.destroy());
    });
    if (isOpen) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`nothing listens on port ${port}`);
}
