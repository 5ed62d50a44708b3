// A real redis-server of a test's own: in a temporary directory, on a free port, without persistence unless asked to save.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../support/free-port.ts';

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

export class RedisServer {
  readonly port: number;
  readonly directory = mkdtempSync(join(tmpdir(), 'sallyport-redis-'));
  readonly #options: readonly string[];
  #process: ChildProcess | null = null;

  static async start(...options: readonly string[]): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), (port) => ['--port', port, ...options]);
    await server.start();
    return server;
  }

  static async startWithTls(certificatePem: string, privateKeyPem: string): Promise<RedisServer> {
    const files = ['--tls-cert-file', 'server.pem', '--tls-key-file', 'server.key', '--tls-ca-cert-file', 'server.pem'];
    const settings = [...files, '--tls-auth-clients', 'no', '--port', '0'];
    const server = new RedisServer(await freePort(), (port) => [...settings, '--tls-port', port]);
    writeFileSync(join(server.directory, 'server.pem'), certificatePem);
    writeFileSync(join(server.directory, 'server.key'), privateKeyPem);
    await server.start();
    return server;
  }

  private constructor(port: number, options: (port: string) => readonly string[]) {
    this.port = port;
    this.#options = options(String(port));
  }

  /** On the same port, with what was saved. */
  async start(): Promise<void> {
    const settings = ['--bind', '127.0.0.1', '--save', '', ...this.#options];
    const process = spawn('redis-server', settings, { cwd: this.directory, stdio: ['ignore', 'pipe', 'inherit'] });
    this.#process = process;
    let log = '';
    for await (const chunk of process.stdout) {
      log += String(chunk);
      if (log.includes('Ready to accept connections')) break;
    }
    if (!log.includes('Ready to accept connections')) throw new Error(`redis-server did not start:\n${log}`);
  }

  /** Ended when this resolves; `SIGKILL` leaves it no time to say goodbye. */
  async kill(): Promise<void> {
    const process = this.#process;
    this.#process = null;
    if (process === null) return;
    const exited = once(process, 'exit');
    process.kill('SIGKILL');
    await exited;
  }

  /** `SIGSTOP`: connections stay open, the system still accepts new ones, and nobody answers. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(signal);
  }

  /** Another program's view of it; prints what redis-cli prints. */
  cli(...args: readonly string[]): string {
    const { stdout, stderr, status } = spawnSync('redis-cli', ['-p', String(this.port), ...args], { encoding: 'utf8' });
    if (status !== 0 || stderr !== '') throw new Error(`redis-cli ${args.join(' ')}: ${stdout}${stderr}`);
    return stdout.trimEnd();
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true });
  }
}
