// `id parse`: SPIFFE IDs from arguments and standard input, verbatim.

import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { registerIdCommand } from '../../src/cli/id.ts';

interface Run {
  readonly out: string;
  readonly lines: readonly unknown[];
  readonly errors: string;
  readonly exitCode: number | null;
}

async function run(args: readonly string[], stdin: readonly (string | Buffer)[] = []): Promise<Run> {
  let out = '';
  let errors = '';
  let exitCode: number | null = null;
  const program = new Command('sallyport').exitOverride();
  registerIdCommand(program, {
    tell(text) {
      this.write(text);
    },
    write: (text) => {
      out += text;
    },
    writeError: (text) => {
      errors += text;
    },
    stdin: chunks(stdin),
    colour: false,
    setExitCode: (code) => {
      exitCode = code;
    },
  });
  await program.parseAsync(['id', 'parse', ...args], { from: 'user' });
  const lines = out
    .split('\n')
    .slice(0, -1)
    .map((line): unknown => JSON.parse(line));
  return { out, lines, errors, exitCode };
}

async function* chunks(stdin: readonly (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const chunk of stdin) yield Buffer.from(chunk);
}

const valid = (input: string, trustDomain: string, path: string): object => ({ input, ok: true, trustDomain, path });
const invalid = (input: string, code: string): object => ({ input, ok: false, code, message: expect.any(String) });

describe('id parse with arguments', () => {
  it('prints a JSON line for each ID, in order, and exits with 0 when all are valid', async () => {
    const { lines, exitCode } = await run(['spiffe://ai.example/training/job', 'spiffe://ai.example']);
    expect(lines).toEqual([
      valid('spiffe://ai.example/training/job', 'ai.example', '/training/job'),
      valid('spiffe://ai.example', 'ai.example', ''),
    ]);
    expect(exitCode).toBe(0);
  });

  it('exits with 1 when any is invalid, and still prints the others', async () => {
    const { lines, exitCode } = await run(['spiffe://AI.example/x', 'spiffe://ai.example/x']);
    expect(lines).toEqual([
      invalid('spiffe://AI.example/x', 'trust-domain-character'),
      valid('spiffe://ai.example/x', 'ai.example', '/x'),
    ]);
    expect(exitCode).toBe(1);
  });

  it('has exactly the keys that others rely on', async () => {
    const { out } = await run(['spiffe://td/x', 'x']);
    expect(out).toBe(
      '{"input":"spiffe://td/x","ok":true,"trustDomain":"td","path":"/x"}\n' +
        '{"input":"x","ok":false,"code":"wrong-scheme","message":"`x` does not begin with `spiffe://` in lower case"}\n',
    );
  });

  it.each([
    ['an empty argument', '', 'empty-id'],
    ['a leading space', ' spiffe://td/x', 'wrong-scheme'],
    ['a trailing line feed', 'spiffe://td/x\n', 'path-character'],
    ['an argument that looks like an option', '--id', 'wrong-scheme'],
    ['an argument that looks like a short option', '-x', 'wrong-scheme'],
  ])('takes %s verbatim', async (_name, argument, code) => {
    const { lines, exitCode } = await run([argument]);
    expect(lines).toEqual([invalid(argument, code)]);
    expect(exitCode).toBe(1);
  });

  it('writes nothing but visible ASCII, and loses nothing by it', async () => {
    const input = 'spiffe://td/\u0430\u009b\u202e\u{1f600}';
    const { out, lines } = await run([input]);
    expect(out).toMatch(/^[\x20-\x7e]+\n$/);
    expect(lines).toEqual([invalid(input, 'path-character')]);
  });
});

describe('id parse from standard input', () => {
  it('takes one ID a line, the last line with or without line feed', async () => {
    for (const end of ['', '\n']) {
      const { lines, exitCode } = await run([], [`spiffe://td/a\nspiffe://td/b${end}`]);
      expect(lines).toEqual([valid('spiffe://td/a', 'td', '/a'), valid('spiffe://td/b', 'td', '/b')]);
      expect(exitCode).toBe(0);
    }
  });

  it('takes off the line feed only', async () => {
    const { lines, exitCode } = await run([], ['spiffe://td/a\r\n\n spiffe://td/b\nspiffe://td/c\t\n']);
    expect(lines).toEqual([
      invalid('spiffe://td/a\r', 'path-character'),
      invalid('', 'empty-id'),
      invalid(' spiffe://td/b', 'wrong-scheme'),
      invalid('spiffe://td/c\t', 'path-character'),
    ]);
    expect(exitCode).toBe(1);
  });

  it('puts lines together that arrive in pieces, inside characters too', async () => {
    const bytes = Buffer.from('spiffe://td/a\nspiffe://td/é\n', 'utf8');
    const pieces = Array.from(bytes, (byte) => Buffer.of(byte));
    const { lines } = await run([], pieces);
    expect(lines).toEqual([valid('spiffe://td/a', 'td', '/a'), invalid('spiffe://td/é', 'path-character')]);
  });

  it('does not take off a byte order mark', async () => {
    const { lines } = await run([], ['\u{feff}spiffe://td/a\n']);
    expect(lines).toEqual([invalid('\u{feff}spiffe://td/a', 'wrong-scheme')]);
  });

  it('refuses bytes that are not UTF-8', async () => {
    const { lines, exitCode } = await run([], [Buffer.from('spiffe://td/\xff\n', 'latin1')]);
    expect(lines).toEqual([invalid('spiffe://td/\u{fffd}', 'path-character')]);
    expect(exitCode).toBe(1);
  });

  it('is content with no line at all', async () => {
    expect(await run([], [])).toEqual({ out: '', lines: [], errors: '', exitCode: 0 });
  });

  it('gives up on a line without end', async () => {
    const { lines, errors, exitCode } = await run([], ['spiffe://td/a\n', Buffer.alloc(1 << 20), Buffer.alloc(1)]);
    expect(lines).toEqual([valid('spiffe://td/a', 'td', '/a')]);
    expect(errors).toMatch(/^sallyport: a line on standard input has more than 1048576 bytes\n$/);
    expect(exitCode).toBe(2);
  });
});
