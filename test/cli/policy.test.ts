// `policy …` as a person at a terminal or a pipeline meets it: output, exit codes, positions relative to what was typed.

import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { Command, CommanderError } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { registerPolicyCommand } from '../../src/cli/policy.ts';

interface Outcome {
  readonly exitCode: number;
  readonly output: string;
  readonly errors: string;
}

const SHIPPED = 'policies';
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-policy-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function policy(...args: readonly string[]): Promise<Outcome> {
  return run(args, false);
}

async function run(args: readonly string[], colour: boolean): Promise<Outcome> {
  let output = '';
  let errors = '';
  let exitCode = 0;
  const program = new Command('sallyport').exitOverride();
  const io = {
    tell(text: string) {
      this.write(text);
    },
    write: (text: string) => {
      output += text;
    },
    writeError: (text: string) => {
      errors += text;
    },
    stdin: (async function* empty() {})(),
    colour,
    setExitCode: (code: number) => {
      exitCode = code;
    },
  };
  program.configureOutput({ writeOut: io.write, writeErr: io.writeError });
  registerPolicyCommand(program, io);
  for (const command of program.commands) {
    command.copyInheritedSettings(program);
    for (const child of command.commands) child.copyInheritedSettings(program);
  }
  await program.parseAsync(['policy', ...args], { from: 'user' });
  return { exitCode, output, errors };
}

function write(name: string, text: string): string {
  const path = join(directory, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text, { mode: 0o644 });
  return path;
}

const SMALL = `version: 1
trustDomain: ai.example
components: { peer: {}, files: {} }
access:
  peer:
    allow:
      - files: [read]
`;

describe('policy validate', () => {
  it('accepts the shipped policies', async () => {
    const { exitCode, output, errors } = await policy('validate', SHIPPED);
    expect(output).toMatch(/^policies: valid, 8 components, 18 rules, 0 warnings, sha256:[0-9a-f]{64}\n$/);
    expect({ exitCode, errors }).toEqual({ exitCode: 0, errors: '' });
  });

  it('reports every problem with its place, for every path, and fails', async () => {
    write('a.yaml', 'version: 1\ntrustDomain: ai.example\ncomponents: { ab: {} }\naccess: { uv: { allow: [xyz] } }\n');
    const good = write('good/p.yaml', SMALL);
    const { exitCode, output, errors } = await policy('validate', directory, good);
    expect(errors).toBe(
      `${directory}/a.yaml:4:11: component \`uv\` is not defined [unknown-component]\n` +
        `${directory}/a.yaml:4:25: component \`xyz\` is not defined [unknown-component]\n`,
    );
    expect(output).toMatch(/good\/p\.yaml: valid, 2 components, 1 rule, 0 warnings/);
    expect(exitCode).toBe(1);
  });

  it('warns and passes', async () => {
    const path = write('p.yaml', `${SMALL}    deny: [{ target: files, shadow: true }]\n`);
    const { exitCode, errors } = await policy('validate', path);
    expect(errors).toBe(
      `${path}:8:12: warning: this deny for \`files\` is in shadow: what it denies is forwarded [rule-in-shadow]\n`,
    );
    expect(exitCode).toBe(0);
  });

  it('PF-123 fails for what is not there, empty or a directory without policies', async () => {
    expect(await policy('validate', join(directory, 'nothing'))).toMatchObject({ exitCode: 1 });
    expect(await policy('validate', write('empty.yaml', ''))).toMatchObject({ exitCode: 1 });
    rmSync(join(directory, 'empty.yaml'));
    const { exitCode, errors } = await policy('validate', directory);
    expect(errors).toMatch(/\[no-policy\]\n$/);
    expect(exitCode).toBe(1);
  });

  it('PF-130 refuses a file that everyone may write', async () => {
    const path = write('p.yaml', SMALL);
    chmodSync(path, 0o666);
    const { exitCode, errors } = await policy('validate', path);
    expect(errors).toMatch(/everyone on this machine may write it/);
    expect(exitCode).toBe(1);
  });

  it('PF-129 reads one generation through the links of a Kubernetes volume', async () => {
    write('..gen1/p.yaml', SMALL);
    symlinkSync('..gen1', join(directory, '..data'));
    symlinkSync('..data/p.yaml', join(directory, 'p.yaml'));
    const { exitCode, output } = await policy('validate', directory);
    expect(output).toMatch(/: valid, 2 components, 1 rule/);
    expect(exitCode).toBe(0);
  });

  it('merges the files of a directory and takes its own protocols, tests aside', async () => {
    write('a.yaml', SMALL.replace('files: {}', 'files: { protocol: mine }'));
    write('b.yaml', 'version: 1\ncomponents: { other: {} }\naccess: { other: { allow: [files] } }\n');
    write('protocols/mine.yaml', 'protocol: mine\nroutes: [{ path: /only, methods: [GET], verb: read }]\n');
    write('x.test.yaml', 'not: a policy\n');
    write('.hidden.yaml', 'not: a policy\n');
    expect((await policy('validate', directory)).output).toMatch(/3 components, 2 rules/);
    const ask = (path: string): Promise<Outcome> =>
      policy('explain', '--policy', directory, '--from', 'other', '--to', 'files', '--method', 'GET', '--path', path);
    expect((await ask('/only')).exitCode).toBe(0);
    expect((await ask('/other')).exitCode).toBe(1);
  });
});

describe('policy test', () => {
  it.each([SHIPPED, `${SHIPPED}/ai-platform.yaml`, `${SHIPPED}/ai-platform.test.yaml`])(
    'passes for %s',
    async (path) => {
      const { exitCode, output, errors } = await policy('test', path);
      expect(output).toMatch(/^policies\/ai-platform\.test\.yaml: ok, \d\d requests\n$/);
      expect({ exitCode, errors }).toEqual({ exitCode: 0, errors: '' });
    },
  );

  it('shows what was expected, what came out and which rule made it so', async () => {
    const path = write('p.yaml', SMALL);
    const tests = write(
      'p.test.yaml',
      'version: 1\ntests:\n  - { from: peer, to: files, expect: deny, requests: [GET /a, POST /a?b] }\n',
    );
    const { exitCode, output, errors } = await policy('test', path);
    expect(errors).toBe(`${tests}:3:55: peer → files: GET /a
  expected deny
  actual   allow, allowed-by-rule, read by ${path}:7
`);
    expect(output).toBe(`${tests}: 1 failed, 2 requests\n`);
    expect(exitCode).toBe(1);
  });

  it('fails where there are no tests, or broken ones', async () => {
    const path = write('p.yaml', SMALL);
    expect((await policy('test', directory)).errors).toMatch(/\*\.test\.yaml`: no such file/);
    expect((await policy('test', path)).exitCode).toBe(1);
    const tests = write('p.test.yaml', 'version: 1\ntests: [{ from: nobody }]\n');
    const { exitCode, errors } = await policy('test', path);
    expect(errors).toContain(`${tests}:2:17: component \`nobody\` is not defined [unknown-component]\n`);
    expect(exitCode).toBe(1);
  });
});

describe('policy explain', () => {
  const ask = (from: string, to: string, method: string, path: string, ...more: readonly string[]): Promise<Outcome> =>
    policy('explain', '--policy', SHIPPED, '--from', from, '--to', to, '--method', method, '--path', path, ...more);
  const INFERENCE = 'spiffe://ai.example/inference/gpu-0';

  it('tells an allow, exit 0', async () => {
    const { exitCode, output } = await ask(INFERENCE, 'registry', 'POST', '/api/2.0/mlflow/runs/search');
    expect(output).toMatch(/^allow {2}allowed-by-rule: /);
    expect(output).toMatch(/▸ allow {2}registry +\[read\] +policies\/ai-platform\.yaml:27 {2}matches\n/);
    expect(output).not.toContain('nearest allow');
    expect(exitCode).toBe(0);
  });

  it('tells a deny, every rule, the condition that failed and the nearest allow, exit 1', async () => {
    const { exitCode, output } = await ask(INFERENCE, 'registry', 'POST', '/api/2.0/mlflow/runs/create');
    expect(output).toMatch(/^deny {2}not-granted: /);
    expect(output).toMatch(/allow {2}registry .* verb is write, not read\n/);
    expect(output.match(/another target/g)).toHaveLength(3);
    expect(output).toMatch(/nearest allow\n {2}policies\/ai-platform\.yaml:27: its verb is `read`/);
    expect(exitCode).toBe(1);
  });

  it('gives the decision and all of it as JSON', async () => {
    const { exitCode, output } = await ask(INFERENCE, 'registry', 'GET', '/health?x=y', '--json');
    const explanation: unknown = JSON.parse(output);
    expect(explanation).toMatchObject({
      effect: 'allow',
      reason: 'allowed-by-rule',
      rule: { file: 'policies/ai-platform.yaml', line: 27 },
      component: 'inference',
      target: 'registry',
      verb: 'read',
      policyDigest: expect.stringMatching(/^[0-9a-f]{64}$/),
      request: { principal: INFERENCE, target: 'registry', method: 'GET', path: '/health', query: 'x=y' },
      nearestAllow: null,
    });
    expect(explanation).toHaveProperty('rules.length', 4);
    expect(output.endsWith('}\n')).toBe(true);
    expect(exitCode).toBe(0);
  });

  it('tells whether a TCP connection is allowed', async () => {
    const path = write('p.yaml', SMALL.replace('[read]', '[connect]'));
    const explain = (...more: readonly string[]): Promise<Outcome> =>
      policy('explain', '--policy', path, '--from', 'peer', '--to', 'files', ...more);
    const { exitCode, output } = await explain('--connect');
    expect(output).toMatch(/^allow {2}allowed-by-rule: /);
    expect(output).toMatch(/request +a TCP connection\n +verb +connect\n/);
    expect(exitCode).toBe(0);
    const denied = await explain('--method', 'GET', '--path', '/');
    expect(denied.output).toContain('its verb is `connect`');
    expect(denied.exitCode).toBe(1);
    for (const half of [['--connect', '--path', '/'], ['--connect', '--method', 'GET'], ['--method', 'GET'], []]) {
      expect(await explain(...half)).toMatchObject({ exitCode: 2, output: '' });
    }
  });

  it('asks about an upgrade', async () => {
    const path = write('p.yaml', `${SMALL}      - { target: files, verbs: [read], upgrades: [websocket] }\n`);
    const about = (...more: readonly string[]): Promise<Outcome> =>
      policy(
        'explain',
        '--policy',
        path,
        '--from',
        'peer',
        '--to',
        'files',
        '--method',
        'GET',
        '--path',
        '/x',
        ...more,
      );
    const allowed = await about('--upgrade', 'websocket');
    expect(allowed.output).toMatch(/request +GET \/x, upgrade to websocket\n/);
    expect(allowed.output).toMatch(/▸ allow {2}files +\[read\] upgrade websocket/);
    expect(allowed.exitCode).toBe(0);
    const denied = await about('--upgrade', 'tls/1.3');
    expect(denied.output).toMatch(/^deny {2}conditions-not-met: /);
    expect(denied.output).toMatch(/upgrade is tls\/1\.3, not none/);
    expect(denied.exitCode).toBe(1);
    expect((await about()).exitCode).toBe(0);
    expect((await about('--upgrade', 'h2c')).exitCode).toBe(2);
    expect((await about('--upgrade', 'WebSocket')).errors).toContain('write `websocket`');
  });

  it('counts would-deny as forwarded', async () => {
    const path = write('p.yaml', `${SMALL}    deny: [{ target: files, shadow: true }]\n`);
    const { exitCode, output } = await policy(
      'explain',
      '--policy',
      path,
      '--from',
      'peer',
      '--to',
      'files',
      '--method',
      'GET',
      '--path',
      '/',
    );
    expect(output).toMatch(/^would-deny {2}denied-by-rule: /);
    expect(exitCode).toBe(0);
  });

  it('takes nobody and nothing for what the proxy takes them', async () => {
    expect(await ask('spiffe://other.example/inference/x', 'registry', 'GET', '/health')).toMatchObject({
      exitCode: 1,
    });
    const { output } = await ask(INFERENCE, 'no-such', 'GET', '/health');
    expect(output).toMatch(/^deny {2}unknown-target: /);
  });

  it.each([
    ['a path the proxy refuses', INFERENCE, 'registry', 'GET', '/a/../b', 'path-dot-segment'],
    ['a path with an escaped letter', INFERENCE, 'registry', 'GET', '/%61', 'path-encoded-unreserved'],
    ['a path without slash', INFERENCE, 'registry', 'GET', 'a', 'target-form'],
    ['a query the proxy refuses', INFERENCE, 'registry', 'GET', '/a?b#c', 'target-fragment'],
    ['a method that is none', INFERENCE, 'registry', 'GET /', '/a', 'is not an HTTP method'],
    ['a method the proxy refuses', INFERENCE, 'registry', 'TRACE', '/a', 'answers 501'],
    ['an ID that is none', 'spiffe://AI.example/x', 'registry', 'GET', '/a', 'trust domain'],
    ['a component that is none', 'inferenc', 'registry', 'GET', '/a', 'spiffe://'],
  ])('does not answer %s, exit 2', async (_, from, to, method, path, message) => {
    const { exitCode, output, errors } = await ask(from, to, method, path);
    expect(errors).toMatch(/^sallyport: /);
    expect(errors).toContain(message);
    expect({ exitCode, output }).toEqual({ exitCode: 2, output: '' });
  });

  it('does not answer from a broken policy, exit 2', async () => {
    const path = write('p.yaml', 'version: 2\n');
    const { exitCode, errors } = await policy(
      'explain',
      '--policy',
      path,
      '--from',
      'a',
      '--to',
      'b',
      '--method',
      'GET',
      '--path',
      '/',
    );
    expect(errors).toContain(`${path}:1:10: \`version\` must be 1 [unsupported-version]\n`);
    expect(exitCode).toBe(2);
  });

  it('needs all of the question', async () => {
    await expect(policy('explain', '--policy', SHIPPED)).rejects.toThrow(CommanderError);
  });

  it('colours for a terminal, and only the colour differs', async () => {
    const args = [
      'explain',
      '--policy',
      SHIPPED,
      '--from',
      INFERENCE,
      '--to',
      'registry',
      '--method',
      'GET',
      '--path',
      '/health',
    ];
    const coloured = await run(args, true);
    const plain = await run(args, false);
    expect(coloured.output).toContain('\u001B[32mallow\u001B[39m');
    expect(stripVTControlCharacters(coloured.output)).toBe(plain.output);
  });
});

describe('policy diff', () => {
  it('shows the cells that change', async () => {
    const before = write('before.yaml', SMALL);
    const after = write('after.yaml', SMALL.replace('[read]', '[write]').replace('files: {}', 'files: {}, new: {}'));
    const { exitCode, output } = await policy('diff', before, after);
    expect(output).toBe('+ component new\npeer  → files  read   allow → none\npeer  → files  write  none → allow\n');
    expect(exitCode).toBe(0);
  });

  it('marks cells that depend on conditions and shows these', async () => {
    const before = write('before.yaml', SMALL);
    const after = write(
      'after.yaml',
      SMALL.replace('- files: [read]', '- { target: files, verbs: [read], paths: [/a/**] }'),
    );
    expect((await policy('diff', before, after)).output).toBe(
      'peer  → files  read  allow → conditional (1)\npeer → files read, conditions\n  + allow * /a/**\n',
    );
  });

  it('says so when nothing changes, and fails when a policy cannot be read', async () => {
    expect((await policy('diff', SHIPPED, SHIPPED)).output).toBe('no cell changes\n');
    expect((await policy('diff', SHIPPED, join(directory, 'nothing'))).exitCode).toBe(2);
  });

  it('compares a copy of a directory elsewhere as equal', async () => {
    cpSync(SHIPPED, join(directory, 'copy'), { recursive: true });
    expect((await policy('diff', SHIPPED, join(directory, 'copy'))).output).toBe('no cell changes\n');
  });
});

describe('policy table', () => {
  it('draws the matrix', async () => {
    const { exitCode, output } = await policy('table', SHIPPED, '--width', '120');
    expect(output).toMatch(/^from \\ to {2}training {2}inference/);
    expect(output).toMatch(/\ninference {2}× +· +· +r +rw/);
    expect(exitCode).toBe(0);
  });

  it.each(['0', '-1', 'x', '1.5', ''])('refuses the width %j', async (width) => {
    expect(await policy('table', SHIPPED, '--width', width)).toMatchObject({ exitCode: 2, output: '' });
  });
});
