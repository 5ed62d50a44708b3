import { describe, expect, it } from 'vitest';
import { runProgram } from '../../src/cli/program.ts';

interface Ran {
  readonly out: string;
  readonly errors: string;
  readonly exitCode: number | null;
}

async function run(...argv: readonly string[]): Promise<Ran> {
  const ran = { out: '', errors: '', exitCode: null as number | null };
  await runProgram(argv, '1.2.3', {
    tell(text) {
      this.write(text);
    },
    write: (text) => {
      ran.out += text;
    },
    writeError: (text) => {
      ran.errors += text;
    },
    stdin: (async function* () {})(),
    colour: false,
    setExitCode: (code) => {
      ran.exitCode = code;
    },
  });
  return ran;
}

const COMMANDS = ['run', 'demo', 'config', 'policy', 'id', 'svid', 'revoke', 'workload', 'audit', 'dev-ca'];

describe('the command line', () => {
  it('names every command in its help', async () => {
    const { out, exitCode } = await run('--help');
    expect(exitCode).toBe(0);
    for (const name of COMMANDS) expect(out).toMatch(new RegExp(`^  ${name} `, 'm'));
  });

  it.each(COMMANDS)('knows the command %s', async (name) => {
    const { out, errors, exitCode } = await run(name, '--help');
    expect(out).toMatch(new RegExp(`^Usage: sallyport ${name} `));
    expect(errors).toBe('');
    expect(exitCode).toBe(0);
  });

  it('answers for its version', async () => {
    expect(await run('--version')).toEqual({ out: '1.2.3\n', errors: '', exitCode: 0 });
  });

  it.each([
    [[], 'Usage: sallyport'],
    [['polcy'], 'Did you mean policy?'],
    [['--nothing'], "unknown option '--nothing'"],
    [['run'], "required option '--config <file>'"],
    [['run', '--config', 'x', 'y'], 'too many arguments'],
    [['config', 'chek', 'x'], 'Did you mean check?'],
  ])('calls %j wrong with exit code 2, on standard error', async (argv, said) => {
    const { out, errors, exitCode } = await run(...argv);
    expect(exitCode).toBe(2);
    expect(errors).toContain(said);
    expect(out).toBe('');
  });
});
