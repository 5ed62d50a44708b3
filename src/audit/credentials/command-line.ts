// Credentials in the command and arguments of a container.

import { detectCredentials } from './detect.ts';
import type { Detection } from './detection.ts';

export interface ArgumentDetection {
  /** Index of the argument in which it stands. */
  readonly index: number;
  readonly detection: Detection;
}

/** `words` as a process gets them: command and arguments, one of which may be a whole script. */
export function detectInCommand(words: readonly string[]): readonly ArgumentDetection[] {
  const program = programOf(words);
  return readFlags(words, program).flatMap(({ index, flag, word }) => {
    const detections = isScript(word) ? detectInScript(word) : detectInWord(flag, word, program);
    return detections.map((detection) => ({ index, detection }));
  });
}

interface FlaggedWord {
  readonly index: number;
  readonly word: string;
  /** The option whose value it is; null for none. */
  readonly flag: string | null;
}

function readFlags(words: readonly string[], program: string): readonly FlaggedWord[] {
  let flag: string | null = null;
  let positions = 0;
  return words.map((word, index) => {
    const isFlag = /^--?[A-Za-z]/.test(word);
    const ofWord = isFlag ? null : (flag ?? POSITIONAL.get(program)?.[positions] ?? null);
    if (!isFlag && flag === null) positions += 1;
    flag = isFlag && !word.includes('=') ? optionName(word, program) : null;
    return { index, word, flag: ofWord };
  });
}

/** Short options that take a credential, by program: the name that the long one would have. */
const SHORT_OPTIONS: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map([
  ['redis-cli', new Map([['-a', 'password']])],
  ['sshpass', new Map([['-p', 'password']])],
  ['docker', new Map([['-p', 'password']])],
  ['podman', new Map([['-p', 'password']])],
  ['skopeo', new Map([['-p', 'password']])],
  ['helm', new Map([['-p', 'password']])],
  ['mongo', new Map([['-p', 'password']])],
  ['mongosh', new Map([['-p', 'password']])],
  ['ldapsearch', new Map([['-w', 'password']])],
  ['sqlcmd', new Map([['-P', 'password']])],
  ['curl', new Map([['-u', 'login']])],
]);
/** `mysql -psecret`: the value follows at once. */
const ATTACHED = new Set(['mysql', 'mysqldump', 'mysqladmin', 'mariadb', 'mariadb-admin', 'mysqlcheck']);
/** What stands where among the words that are no options: `mc alias set NAME URL ACCESS SECRET`, `wandb login KEY`. */
const POSITIONAL: ReadonlyMap<string, readonly (string | null)[]> = new Map([
  ['mc', [null, null, null, null, null, 'access key', 'secret key']],
  ['wandb', [null, null, 'wandb api key']],
]);

/** The first word that is neither a path's directory nor an assignment, as in `FOO=bar exec /usr/bin/mysql`. */
function programOf(words: readonly string[]): string {
  const first = words.find((word) => !/^[A-Za-z_][A-Za-z0-9_]*=/.test(word) && !PRECEDING.has(word)) ?? '';
  return first.slice(first.lastIndexOf('/') + 1);
}

const PRECEDING = new Set(['exec', 'sudo', 'env', 'time', 'nohup', 'then', 'do', 'else', 'if', 'while', '!', '{', '-']);

function optionName(word: string, program: string): string {
  return SHORT_OPTIONS.get(program)?.get(word) ?? word.replace(/^-+/, '');
}

function detectInWord(flag: string | null, word: string, program: string): readonly Detection[] {
  if (flag === 'login') return detectLogin(word);
  if (flag !== null) return detectCredentials(flag, word, { form: 'value' });
  if (ATTACHED.has(program) && /^-p[^=]/.test(word))
    return shift(detectCredentials('password', word.slice(2), { form: 'value' }), 2);
  const equals = word.indexOf('=');
  if (equals <= 0) return detectCredentials('', word, { form: 'value' });
  const name = word.slice(0, equals).replace(/^-{1,2}(?:D(?=[A-Za-z.]))?/, '');
  return shift(detectCredentials(name, word.slice(equals + 1), { form: 'value' }), equals + 1);
}

/** `user:password`. */
function detectLogin(word: string): readonly Detection[] {
  const colon = word.indexOf(':');
  if (colon < 0) return [];
  return shift(detectCredentials('password', word.slice(colon + 1), { form: 'value' }), colon + 1);
}

function shift(detections: readonly Detection[], offset: number): readonly Detection[] {
  return detections.map((detection) => ({ ...detection, start: detection.start + offset }));
}

function isScript(word: string): boolean {
  return /[\n;|&]|\s-|\S\s{1,64}\S{1,256}\s{1,64}\S/.test(word);
}

const MAX_SCRIPT = 1_048_576;
/** A word of a shell, in quotes or bare with quotes in it; or the end of a command. Expansions are not followed. */
const SHELL_TOKEN = /(?:[^\s"';|&()]|"[^"]{0,8192}"|'[^']{0,8192}'){1,8192}|[\n;|&()]/g;

interface ShellWord {
  readonly text: string;
  readonly start: number;
}

function detectInScript(script: string): readonly Detection[] {
  const detections = [...detectCredentials('', script, { form: 'text' })];
  for (const command of commandsOf(script.slice(0, MAX_SCRIPT))) {
    const words = command.map(({ text }) => text);
    const program = programOf(words);
    for (const { index, flag, word } of readFlags(words, program)) {
      const start = command[index]?.start ?? 0;
      for (const detection of shift(detectInWord(flag, word, program), start)) {
        if (!detections.some((known) => overlap(known, detection))) {
          detections.push({ ...detection, line: lineOf(script, detection.start) });
        }
      }
    }
  }
  return detections.sort((left, right) => left.start - right.start);
}

function commandsOf(script: string): readonly (readonly ShellWord[])[] {
  const commands: ShellWord[][] = [[]];
  for (const { 0: token, index } of script.matchAll(SHELL_TOKEN)) {
    if (/^[\n;|&()]$/.test(token)) {
      const isContinued = token === '\n' && script[index - 1] === '\\';
      if (!isContinued && (commands.at(-1)?.length ?? 0) > 0) commands.push([]);
    } else {
      commands.at(-1)?.push(unquote(token, index));
    }
  }
  return commands;
}

function unquote(token: string, start: number): ShellWord {
  const quoted = /^(["'])(.*)\1$/s.exec(token);
  if (quoted !== null) return { text: quoted[2] ?? '', start: start + 1 };
  // `--name="value"`: what stands in quotes is one word with what is before it.
  const inner = /^([A-Za-z0-9_.-]{1,128}=)(["'])(.*)\2$/s.exec(token);
  return { text: inner === null ? token : `${inner[1]}${inner[3]}`, start: inner === null ? start : start + 1 };
}

function overlap(left: Pick<Detection, 'start' | 'length'>, right: Pick<Detection, 'start' | 'length'>): boolean {
  return left.start < right.start + right.length && right.start < left.start + left.length;
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
