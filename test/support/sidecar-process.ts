// The program as its users run it: a process of its own, a configuration file, a directory of certificates.

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { BindAddress } from '../../src/admin/bind-address.ts';
import { ask } from '../admin/http.ts';
import { testAuthority, type TestSvid } from './svid-fixtures.ts';

const MAIN = resolve(import.meta.dirname, '../../src/main.ts');

export type LogLine = Readonly<Record<string, unknown>>;

export interface SidecarProcess {
  readonly directory: string;
  readonly port: number;
  readonly adminPort: number;
  readonly pid: number;
  /** JSON log lines so far. */
  readonly log: readonly LogLine[];
  /** What was written to standard error so far. */
  readonly errors: string;
  readonly exited: Promise<number | null>;
  signal(name: NodeJS.Signals): void;
  /** A page of the admin listener. */
  get(path: string): Promise<{ status: number; body: string }>;
  /** The first line, earlier or later, that has these fields; fails when the process ends without. */
  logged(fields: LogLine): Promise<LogLine>;
  /** Reads its output no more, so that the pipe fills. */
  stopReading(): void;
  resumeReading(): void;
  /** Resident set size in bytes, from /proc. */
  residentBytes(): number;
  /** Kills the process if it is still there and removes its directory. */
  stop(): Promise<void>;
}

export interface SidecarFiles {
  readonly directory: string;
  path(name: string): string;
  /** Puts a whole file in place of another, or of none. */
  write(name: string, contents: string): void;
  remove(): void;
}

export interface SidecarFilesOptions {
  readonly upstreamPort: number;
  readonly policy: string;
  /** Added to the configuration. */
  readonly extra: string;
  readonly bind?: string;
  readonly mode?: 'enforce' | 'shadow';
  readonly admin?: string;
  readonly own?: TestSvid;
}

export function writeIdentity(directory: string, name: string, svid: TestSvid): void {
  writeFileSync(join(directory, `${name}.pem`), svid.certificatePem, { mode: 0o600 });
  writeFileSync(join(directory, `${name}.key`), svid.privateKeyPem, { mode: 0o600 });
}

/** Everything that `run` needs for one listener for component `registry` in front of `upstreamPort`, in a new directory. */
export function writeSidecarFiles(options: SidecarFilesOptions): SidecarFiles {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-process-'));
  const authority = testAuthority();
  const { own = authority.issue('/registry/proxy', { dns: ['localhost'], ips: ['127.0.0.1'] }) } = options;
  writeIdentity(directory, 'registry', own);
  const path = (name: string): string => join(directory, name);
  writeFileSync(path('bundle.pem'), authority.certificatePem, { mode: 0o600 });
  writeFileSync(path('policy.yaml'), options.policy);
  writeFileSync(
    path('sallyport.yaml'),
    `trustDomain: ai.example
identity:
  files:
    certificate: registry.pem
    privateKey: registry.key
    trustBundles: { ai.example: bundle.pem }
policy: { path: policy.yaml, mode: ${options.mode ?? 'enforce'} }
listeners:
  - name: registry
    bind: ${options.bind ?? '127.0.0.1:0'}
    component: registry
    upstream: http://127.0.0.1:${options.upstreamPort}
admin: { bind: "${options.admin ?? '127.0.0.1:0'}" }
${options.extra}`,
  );
  return {
    directory,
    path,
    write: (name, contents) => {
      writeFileSync(path(`${name}.new`), contents, { mode: 0o600 });
      renameSync(path(`${name}.new`), path(name));
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Writes the files and runs the sidecar on them. */
export async function startSidecarProcess(options: SidecarFilesOptions): Promise<SidecarProcess> {
  return runSidecar(writeSidecarFiles(options), []);
}

/** Resolves when the sidecar is ready; fails when it ends before. `program` is the file of another build of it. */
export async function runSidecar(
  files: SidecarFiles,
  nodeOptions: readonly string[],
  program?: string,
): Promise<SidecarProcess> {
  const running = new RunningProcess(spawnSidecar(files, nodeOptions, program));
  const ready = await running.logged({ msg: 'ready' });
  const listening = await running.logged({ msg: 'listening' });
  const adminPort = Number(String(ready['admin']).split(':').at(-1));
  const admin: BindAddress = { kind: 'tcp', host: '127.0.0.1', port: adminPort };
  return {
    directory: files.directory,
    port: Number(listening['port']),
    adminPort,
    pid: running.pid,
    log: running.log,
    get errors() {
      return running.errors;
    },
    exited: running.exited,
    signal: (name) => running.signal(name),
    get: (path) => ask(admin, { path }),
    logged: (fields) => running.logged(fields),
    stopReading: () => running.stopReading(),
    resumeReading: () => running.resumeReading(),
    residentBytes: () =>
      Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${running.pid}/status`, 'utf8'))?.[1]) * 1024,
    stop: async () => {
      // A worker that was stopped ends by nothing else, and holds our pipes as long.
      for (const child of childrenOf(running.pid)) killIfThere(child);
      running.signal('SIGKILL');
      running.resumeReading();
      await running.exited;
      files.remove();
    },
  };
}

export interface Ended {
  readonly exitCode: number | null;
  readonly errors: string;
  readonly log: readonly LogLine[];
}

/** Runs a sidecar that is expected not to start, to its end. */
export async function runToEnd(files: SidecarFiles, nodeOptions: readonly string[] = []): Promise<Ended> {
  const running = new RunningProcess(spawnSidecar(files, nodeOptions));
  const exitCode = await running.exited;
  return { exitCode, errors: running.errors, log: running.log };
}

/** Long enough for a busy machine; what takes longer does not come. */
const LOGGED_WITHIN_MS = 10_000;

type Child = ChildProcessByStdio<null, Readable, Readable>;

function spawnSidecar(files: SidecarFiles, nodeOptions: readonly string[], program = MAIN): Child {
  const command = [...nodeOptions, program, 'run', '--config', files.path('sallyport.yaml')];
  return spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] });
}

class RunningProcess {
  readonly log: LogLine[] = [];
  readonly exited: Promise<number | null>;
  errors = '';
  readonly #child: Child;
  #hasFailed = false;
  #waiters: (() => void)[] = [];

  constructor(child: Child) {
    this.#child = child;
    child.stderr.on('data', (bytes: Buffer) => {
      this.errors += bytes.toString();
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      const entry: unknown = JSON.parse(line);
      if (typeof entry === 'object' && entry !== null) this.log.push({ ...entry });
      this.#wake();
    });
    // After the last of its output has been read.
    this.exited = new Promise((done) => {
      child.once('close', (code) => {
        this.#fail();
        done(code);
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  stopReading(): void {
    this.#child.stdout.pause();
  }

  resumeReading(): void {
    this.#child.stdout.resume();
  }

  async logged(fields: LogLine): Promise<LogLine> {
    const deadline = setTimeout(() => this.#fail(), LOGGED_WITHIN_MS);
    try {
      for (;;) {
        const found = this.log.find((line) => Object.entries(fields).every(([key, value]) => line[key] === value));
        if (found !== undefined) return found;
        if (this.#hasFailed) {
          const last = this.log.slice(-10).map((line) => JSON.stringify(line));
          throw new Error(`no line with ${JSON.stringify(fields)}, but ${last.join('\n')}\n${this.errors}`);
        }
        await new Promise<void>((resolve) => this.#waiters.push(resolve));
      }
    } finally {
      clearTimeout(deadline);
    }
  }

  /** Nobody is to wait any longer: the process has ended, or does not say what it should. */
  #fail(): void {
    this.#hasFailed = true;
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }
}

function childrenOf(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  } catch {
    // It has ended, and they with it.
    return [];
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
