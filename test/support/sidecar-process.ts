// The program as its users run it: a process of its own, a configuration file, a directory of certificates.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { testAuthority, type TestSvid } from './svid-fixtures.ts';

const MAIN = resolve(import.meta.dirname, '../../src/main.ts');

export interface SidecarProcess {
  readonly directory: string;
  readonly port: number;
  readonly adminPort: number;
  readonly pid: number;
  /** JSON log lines so far. */
  readonly log: readonly Record<string, unknown>[];
  readonly exited: Promise<number | null>;
  signal(name: NodeJS.Signals): void;
  /** A page of the admin listener. */
  get(path: string): Promise<{ status: number; body: string }>;
  /** Resident set size in bytes, from /proc. */
  residentBytes(): number;
  stop(): Promise<void>;
}

export function writeIdentity(directory: string, name: string, svid: TestSvid): void {
  writeFileSync(join(directory, `${name}.pem`), svid.certificatePem);
  writeFileSync(join(directory, `${name}.key`), svid.privateKeyPem, { mode: 0o600 });
}

/** Starts `run` with one listener for component `registry` in front of `upstreamPort`; `extra` is added to the configuration. */
export async function startSidecarProcess(options: {
  readonly upstreamPort: number;
  readonly policy: string;
  readonly extra: string;
}): Promise<SidecarProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-process-'));
  const authority = testAuthority();
  writeIdentity(directory, 'registry', authority.issue('/registry/proxy', { dns: ['localhost'], ips: ['127.0.0.1'] }));
  writeFileSync(join(directory, 'bundle.pem'), authority.certificatePem);
  writeFileSync(join(directory, 'policy.yaml'), options.policy);
  const config = join(directory, 'sallyport.yaml');
  writeFileSync(
    config,
    `trustDomain: ai.example
identity:
  files:
    certificate: registry.pem
    privateKey: registry.key
    trustBundles: { ai.example: bundle.pem }
policy: { path: policy.yaml }
listeners:
  - name: registry
    bind: 127.0.0.1:0
    component: registry
    upstream: http://127.0.0.1:${options.upstreamPort}
admin: { bind: 127.0.0.1:0 }
${options.extra}`,
  );
  const child = spawn(process.execPath, [MAIN, 'run', '--config', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  const log: Record<string, unknown>[] = [];
  const exited = new Promise<number | null>((done) => child.once('exit', (code) => done(code)));
  const { port, adminPort } = await readAddresses(child, log);
  return {
    directory,
    port,
    adminPort,
    pid: child.pid ?? 0,
    log,
    exited,
    signal: (name) => void child.kill(name),
    get: (path) => getPage(adminPort, path),
    residentBytes: () =>
      Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024,
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function readAddresses(
  child: ChildProcess,
  log: Record<string, unknown>[],
): Promise<{ port: number; adminPort: number }> {
  let errors = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    errors += bytes.toString();
  });
  if (child.stdout === null) throw new Error('the sidecar has no standard output');
  const lines = createInterface({ input: child.stdout });
  return new Promise((done, fail) => {
    child.once('exit', (code) => fail(new Error(`the sidecar ended with ${code}: ${errors}`)));
    lines.on('line', (line) => {
      const entry: unknown = JSON.parse(line);
      if (typeof entry !== 'object' || entry === null) return;
      log.push({ ...entry });
      if ('msg' in entry && entry.msg === 'ready') {
        const listening = log.find(({ msg }) => msg === 'listening');
        const admin = 'admin' in entry ? String(entry.admin) : '';
        done({ port: Number(listening?.['port']), adminPort: Number(admin.split(':').at(-1)) });
      }
    });
  });
}

function getPage(port: number, path: string): Promise<{ status: number; body: string }> {
  return new Promise((done, fail) => {
    const call = request({ host: '127.0.0.1', port, path }, (response) => {
      let body = '';
      response.on('data', (bytes: Buffer) => {
        body += bytes.toString();
      });
      response.on('end', () => done({ status: response.statusCode ?? 0, body }));
    });
    call.on('error', fail);
    call.end();
  });
}
