// Programs on a CPU of their own: started, found ready, stopped.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { delimiter, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Program {
  readonly pid: number;
  /** From the start until the port accepted. */
  readonly startMs: number;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 20_000;
const LOOK_MS = 1;
/** For programs that are scripts of Node: of the Node that runs this one. */
const PATH = `${dirname(process.execPath)}${delimiter}${process.env['PATH']}`;

/** @throws {Error} when nothing listens on `port`, or the path of a Unix socket, in time; with what the program said. */
export async function startProgram(
  command: readonly string[],
  place: {
    readonly cpu: string;
    readonly port: number | string;
    readonly env?: NodeJS.ProcessEnv;
    /** A file descriptor; without one, what the program writes is thrown away. */
    readonly stdout?: number;
  },
): Promise<Program> {
  const { cpu, port, env, stdout } = place;
  const startedAt = performance.now();
  const child = spawn('taskset', ['-c', cpu, ...command], {
    stdio: ['ignore', stdout ?? 'ignore', 'pipe'],
    env: { ...process.env, PATH, ...env },
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2_000);
  });
  const stop = (): Promise<void> => stopProcess(child);
  while (!(await accepts(port))) {
    if (child.exitCode !== null || performance.now() - startedAt > START_TIMEOUT_MS) {
      await stop();
      throw new Error(`${command[0]} does not listen on ${port}:\n${said}`);
    }
    await sleep(LOOK_MS);
  }
  return { pid: child.pid ?? 0, startMs: performance.now() - startedAt, stop };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** What the program says its version is, or null when it is not installed. */
export function findVersion(program: string, args: readonly string[]): string | null {
  const { error, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined) return null;
  return /\d+\.\d+(?:\.\d+)?/.exec(`${stdout}${stderr}`)?.[0] ?? 'unknown';
}

async function accepts(port: number | string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(typeof port === 'string' ? { path: port } : { port, host: '127.0.0.1' }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((done) => child.once('exit', done));
  child.kill('SIGKILL');
  await exited;
}
