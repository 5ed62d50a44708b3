import { spawn, spawnSync } from 'node:child_process';
import { webcrypto } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runDemo } from '../../src/app/demo/demo.ts';
import { demoFilesIn } from '../../src/app/demo/demo-files.ts';
import { ANY_PORTS, type Ports, replaceTakenPorts } from '../../src/app/demo/listeners.ts';
import { SCENARIOS } from '../../src/app/demo/scenarios.ts';
import { openStage, type StageOptions } from '../../src/app/demo/stage.ts';
import { writeCredentialFiles } from '../../src/cli/credential-files.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SHIPPED_POLICY = join(ROOT, 'policies/ai-platform.yaml');
const ROWS = SCENARIOS.flatMap(({ scenarios }) => scenarios).length;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-demo-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

interface Ended {
  readonly isAsExpected: boolean;
  readonly output: string;
}

function stageOptions(more: Partial<StageOptions> = {}): StageOptions {
  return {
    paths: demoFilesIn(join(directory, 'certs-dev')),
    policyFile: SHIPPED_POLICY,
    preferredPorts: ANY_PORTS,
    writeFiles: (files) => writeCredentialFiles(files, 'replace'),
    issuing: () => ({ nowMs: Date.now(), crypto: webcrypto }),
    ...more,
  };
}

async function runOnce({ policyFile = SHIPPED_POLICY, stop = AbortSignal.any([]) } = {}): Promise<Ended> {
  let output = '';
  const write = (text: string): void => {
    output += text;
  };
  const isAsExpected = await runDemo({ ...stageOptions({ policyFile }), mode: 'once', write, colour: false, stop });
  return { isAsExpected, output };
}

function brokenPolicy(): string {
  const shipped = readFileSync(SHIPPED_POLICY, 'utf8');
  const broken = shipped.replace('- registry: [read]', '- registry: [read, write]');
  expect(broken).not.toBe(shipped);
  const file = join(directory, 'broken.yaml');
  writeFileSync(file, broken);
  return file;
}

const portsIn = (output: string): readonly number[] =>
  [...output.matchAll(/https:\/\/127\.0\.0\.1:(\d+)$/gm)].map(([, port]) => Number(port));

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

describe('the demo', () => {
  it('finds every outcome as expected with the shipped policy, and leaves nothing listening', async () => {
    const { isAsExpected, output } = await runOnce();
    expect(output).toContain(`${ROWS} of ${ROWS} outcomes as expected`);
    expect(output).not.toContain('✗');
    expect(output.match(/✓/g)).toHaveLength(ROWS);
    expect(output).toMatch(/over 2,000 allowed requests: median \d+ µs, p99 \d+ µs/);
    for (const line of output.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100 + directory.length);
    expect(isAsExpected).toBe(true);
    expect(portsIn(output)).toHaveLength(3);
    for (const port of portsIn(output)) expect(await isListening(port)).toBe(false);
  });

  it('shows what differs when the policy lets more through than it should', async () => {
    const { isAsExpected, output } = await runOnce({ policyFile: brokenPolicy() });
    expect(isAsExpected).toBe(false);
    expect(output).toMatch(
      /✗ inference → registry +PUT …\/model\.onnx +deny 403 +allow 200 +allowed-by-rule +\d+\n +└ the status is 200, not 403/,
    );
    expect(output).toContain(`${ROWS - 1} of ${ROWS} outcomes as expected`);
  });

  it('does not start without a valid policy', async () => {
    const policyFile = join(directory, 'invalid.yaml');
    writeFileSync(policyFile, 'version: 1\n');
    await expect(runOnce({ policyFile })).rejects.toThrow(policyFile);
  });

  it('ends early, and not well, when it is told to stop', async () => {
    const { isAsExpected, output } = await runOnce({ stop: AbortSignal.abort() });
    expect(isAsExpected).toBe(false);
    expect(output).not.toContain('who → where');
  });

  it('throws away the keys of the demo before', async () => {
    const { folder, caKey } = demoFilesIn(join(directory, 'certs-dev'));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'stale.key'), 'secret');
    await runOnce({ stop: AbortSignal.abort() });
    expect(existsSync(join(folder, 'stale.key'))).toBe(false);
    const ca = readFileSync(caKey);
    await runOnce({ stop: AbortSignal.abort() });
    expect(readFileSync(caKey)).toEqual(ca);
  });
});

describe('ports that somebody has', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  function takePort(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => socket.destroy());
      servers.push(server);
      server.on('error', reject);
      server.listen(port, '127.0.0.1', () => {
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  }

  async function portsOfStage(more: Partial<StageOptions>): Promise<readonly number[]> {
    const stage = await openStage(stageOptions(more));
    await stage.close();
    return [...Object.values(stage.origins), stage.admin].map((address) => Number(address.split(':').at(-1)));
  }

  it('are left alone, and others taken', async () => {
    const taken = await takePort(0);
    const preferredPorts: Ports = { registry: taken, inference: taken, 'feature-store': taken, admin: taken };
    expect(await replaceTakenPorts(preferredPorts)).toEqual(ANY_PORTS);
    expect(await portsOfStage({ preferredPorts })).not.toContain(taken);
  });

  it.each<[string, (port: number) => Ports]>([
    ['a listener', (port) => ({ ...ANY_PORTS, inference: port })],
    ['the admin listener', (port) => ({ ...ANY_PORTS, admin: port })],
  ])('are done without also when they are taken just before %s would have them', async (_name, portsWith) => {
    const port = await takePort(0);
    await new Promise((resolve) => servers.pop()?.close(resolve));
    const preferredPorts = portsWith(port);
    expect(await portsOfStage({ preferredPorts }), 'while it is free').toContain(port);
    const { writeFiles } = stageOptions();
    const ports = await portsOfStage({
      preferredPorts,
      writeFiles: async (files) => {
        // The configuration is written after the look and before the listening.
        if (files.some(({ path }) => path.endsWith('demo.yaml')) && servers.length === 0) await takePort(port);
        await writeFiles(files);
      },
    });
    expect(servers).toHaveLength(1);
    expect(ports).not.toContain(port);
  });
});

describe('the demo as a process', () => {
  const start = (program: string, ...args: readonly string[]) =>
    spawn(process.execPath, [program, 'demo', ...args], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });

  /** Collects what it prints; `until` resolves as soon as that text is there, or it has ended. */
  function follow(child: ReturnType<typeof start>) {
    let output = '';
    const waiting: { readonly text: string; readonly resolve: () => void }[] = [];
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      for (const { text, resolve } of waiting) if (output.includes(text)) resolve();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const ended = new Promise<number | null>((resolve) => {
      child.on('close', (code) => {
        for (const { resolve } of waiting) resolve();
        resolve(code);
      });
    });
    return {
      ended,
      until: (text: string) => new Promise<void>((resolve) => waiting.push({ text, resolve })),
      get output() {
        return output;
      },
    };
  }

  const main = join(ROOT, 'src/main.ts');
  const hasCurl = spawnSync('curl', ['--version']).status === 0;

  function repliesTo(output: string): readonly unknown[] {
    const commands = output.split('\n').filter((line) => line.startsWith('curl '));
    return commands.map((command): unknown =>
      JSON.parse(spawnSync('sh', ['-c', command], { cwd: directory, encoding: 'utf8' }).stdout),
    );
  }

  it('stays up until Ctrl-C, for commands that do what they say, and leaves only files behind', async () => {
    const child = start(main);
    const demo = follow(child);
    await demo.until('Ctrl-C ends the demo');
    const ports = portsIn(demo.output);
    expect(ports, demo.output).toHaveLength(3);
    for (const port of ports) expect(await isListening(port)).toBe(true);
    const metrics = /^metrics +(\S+)$/m.exec(demo.output)?.[1] ?? '';
    expect(await (await fetch(metrics)).text()).toContain('sallyport_request_overhead_seconds_count');
    if (hasCurl) {
      expect(repliesTo(demo.output)).toMatchObject([
        { registered_models: [{ name: 'fraud' }], caller: { spiffeId: 'spiffe://ai.example/training/job-1' } },
        { status: 403 },
        { status: 401 },
      ]);
    }
    const signalledMs = performance.now();
    // Twice: from the terminal, and passed on by npm.
    child.kill('SIGINT');
    child.kill('SIGINT');
    expect(await demo.ended, demo.output).toBe(0);
    expect(performance.now() - signalledMs).toBeLessThan(5_000);
    expect(demo.output.endsWith('draining\n')).toBe(true);
    if (hasCurl) {
      expect(demo.output).toContain('allow 200   spiffe://ai.example/training/job-1 → registry  allowed-by-rule');
      expect(demo.output).toContain('deny 403    spiffe://ai.example/inference/fraud-1 → registry  not-granted');
      expect(demo.output).toContain('refuse 401  nobody → registry  no-certificate');
    }
    for (const port of ports) expect(await isListening(port)).toBe(false);
    expect(readdirSync(directory)).toEqual(['certs-dev']);
    expect(readdirSync(join(directory, 'certs-dev')).sort()).toEqual(['bundle.pem', 'ca.key', 'ca.pem', 'demo']);
  });

  it('ends in order on SIGTERM, also before the table', async () => {
    const child = start(main);
    const demo = follow(child);
    await demo.until('Sallyport demo');
    child.kill('SIGTERM');
    expect(await demo.ended, demo.output).toBe(1);
    expect(demo.output).not.toContain('curl');
    expect(portsIn(demo.output)).toHaveLength(3);
    for (const port of portsIn(demo.output)) expect(await isListening(port)).toBe(false);
  });

  it('ends after the table with --once, and with 0 when every outcome is as expected', async () => {
    const demo = follow(start(main, '--once'));
    expect(await demo.ended, demo.output).toBe(0);
    expect(demo.output).toContain(`${ROWS} of ${ROWS} outcomes as expected`);
    expect(demo.output).not.toContain('curl');
  });

  it('ends with 1 when an outcome is not as expected', async () => {
    const program = join(directory, 'package');
    for (const part of ['src', 'package.json', 'policies/protocols']) {
      cpSync(join(ROOT, part), join(program, part), { recursive: true });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(program, 'node_modules'));
    cpSync(brokenPolicy(), join(program, 'policies/ai-platform.yaml'));
    const demo = follow(start(join(program, 'src/main.ts'), '--once'));
    expect(await demo.ended, demo.output).toBe(1);
    expect(demo.output).toContain('└ the status is 200, not 403');
  });

  it('ends with 1 and says why when it cannot start', async () => {
    mkdirSync(join(directory, 'certs-dev'));
    writeFileSync(join(directory, 'certs-dev/ca.key'), 'somebody’s key');
    const demo = follow(start(main, '--once'));
    expect(await demo.ended).toBe(1);
    expect(demo.output).toMatch(/^sallyport: cannot use the CA in `certs-dev`: .*; move that CA elsewhere/);
    expect(readFileSync(join(directory, 'certs-dev/ca.key'), 'utf8')).toBe('somebody’s key');
  });
});
