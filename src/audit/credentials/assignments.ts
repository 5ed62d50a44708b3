// Names and values in a text of whatever language: YAML, JSON, INI, properties, XML, shell and most programs.

export interface Assignment {
  readonly name: string;
  readonly value: string;
  /** Of the value, in the text. */
  readonly start: number;
}

const MAX_VALUE = 4096;
const NAME = '[A-Za-z_][A-Za-z0-9_.\\-/]{0,127}';

/** In the order of the text, each value once. */
export function findAssignments(text: string): readonly Assignment[] {
  const found: Assignment[] = [];
  let lineStart = 0;
  let block: BlockScalar | null = null;
  const pairs = new PairReader();
  while (lineStart <= text.length) {
    const newline = text.indexOf('\n', lineStart);
    const lineEnd = newline < 0 ? text.length : newline;
    const line = text.slice(lineStart, Math.min(lineEnd, lineStart + MAX_LINE));
    const inLine: Assignment[] =
      block !== null && line.trim() !== '' ? block.take(line, lineStart) : readLine(line, lineStart);
    block = line.trim() === '' ? block : findBlockScalar(line);
    for (const assignment of inLine) found.push(...pairs.take(assignment));
    if (newline < 0) break;
    lineStart = newline + 1;
  }
  return found;
}

/** Longer lines are data. What has a form of its own is found in them all the same. */
const MAX_LINE = 65_536;
const COMMENT = /^\s{0,512}(?:#|\/\/|;|--\s|\*|<!--)/;

function readLine(line: string, lineStart: number): Assignment[] {
  if (COMMENT.test(line)) return [];
  const byStart = new Map<number, Assignment>();
  for (const read of [readQuotedPairs, readWordPairs, readWholeLine, readFlowPairs, readElements]) {
    for (const assignment of read(line)) {
      const start = lineStart + assignment.start;
      if (!byStart.has(start)) byStart.set(start, { ...assignment, start });
    }
  }
  return [...byStart.values()].sort((left, right) => left.start - right.start);
}

/** `"name": "value"`, also with the quotes escaped, as in a string within a string. */
const QUOTED_PAIR = new RegExp(
  `\\\\?["'](${NAME})\\\\?["']\\s{0,16}(?::|=>)\\s{0,16}(\\\\?["'])((?:[^"'\\\\]|\\\\[^"']){1,${MAX_VALUE}})\\2`,
  'g',
);

function readQuotedPairs(line: string): readonly Assignment[] {
  if (!line.includes('"') && !line.includes("'")) return [];
  return [...line.matchAll(QUOTED_PAIR)].map(({ 0: whole, 1: name = '', 2: quote = '', 3: value = '', index }) => ({
    name,
    value,
    start: index + whole.length - quote.length - value.length,
  }));
}

/** `name: value`, `name = value`, `export NAME=value`, `- name: value`, `ENV NAME value`. */
const WHOLE_LINE = new RegExp(
  `^\\s{0,512}(?:(?:export|set|const|let|var|final|ENV|ARG|setenv)\\s{1,8}|[-?]\\s{1,8})?["']?(${NAME})["']?\\s{0,64}(?::=|=>|[:=])(?!=)\\s{0,64}(.*)$`,
);

function readWholeLine(line: string): readonly Assignment[] {
  const match = WHOLE_LINE.exec(line);
  const written = match?.[2];
  if (match === null || match[1] === undefined || written === undefined || written === '') return [];
  const value = unquote(written);
  if (value === null) return [];
  return [{ name: match[1], value: value.text, start: line.length - written.length + value.offset }];
}

/** `{ name: value, name: value }`. */
const FLOW_PAIR = new RegExp(
  `[{,]\\s{0,16}(${NAME}):\\s{1,16}([^\\s"'{}\\[\\],]{1,${MAX_VALUE}})(?=\\s{0,16}[,}])`,
  'g',
);

function readFlowPairs(line: string): readonly Assignment[] {
  if (!line.includes('{')) return [];
  return [...line.matchAll(FLOW_PAIR)].map(({ 0: whole, 1: name = '', 2: value = '', index }) => ({
    name,
    value,
    start: index + whole.length - value.length,
  }));
}

/** `NAME=value` and `--name=value` among other words; `key=value;key=value`. */
const WORD_PAIR =
  /(?<![A-Za-z0-9_.\-/])-{0,2}([A-Za-z_][A-Za-z0-9_.-]{0,127})=("[^"]{0,4096}"|'[^']{0,4096}'|(?:\$\{[^}\s]{0,256}\}|[^\s"'&;,|)}\]]){1,4096})/g;

function readWordPairs(line: string): readonly Assignment[] {
  if (!line.includes('=')) return [];
  return [...line.matchAll(WORD_PAIR)].map(({ 0: whole, 1: name = '', 2: written = '', index }) => {
    const isQuoted = /^["']/.test(written);
    const start = index + whole.length - written.length + (isQuoted ? 1 : 0);
    return { name, value: isQuoted ? written.slice(1, -1) : written, start };
  });
}

/** `<name>value</name>`; and Hadoop's `<name>…</name><value>…</value>` when both stand in one line. */
const ELEMENT = /<([A-Za-z][A-Za-z0-9_.-]{0,127})>([^<>]{1,1024})<\//g;

function readElements(line: string): readonly Assignment[] {
  if (!line.includes('</')) return [];
  return [...line.matchAll(ELEMENT)].map(({ 1: name = '', 2: value = '', index }) => ({
    name,
    value,
    start: index + name.length + 2,
  }));
}

/** A value without its quotes, or, of a plain one, without comment and trailing punctuation; null for what begins something bigger. */
function unquote(written: string): { readonly text: string; readonly offset: number } | null {
  const quote = written[0];
  if (quote === '"' || quote === "'" || quote === '`') {
    const end = written.indexOf(quote, 1);
    return end < 0 ? null : { text: written.slice(1, end), offset: 1 };
  }
  if (/^(?:[{[|>&*]|!\S{0,64}$)/.test(written)) return null;
  const comment = written.indexOf(' #');
  const text = (comment < 0 ? written : written.slice(0, comment)).trimEnd();
  const end = text.length - (/[,;]$/.test(text) ? 1 : 0);
  return { text: text.slice(0, end), offset: 0 };
}

/** Takes `{name: X}` and the `{value: Y}` after it for X = Y, as in environments of containers. */
class PairReader {
  #name: Assignment | null = null;

  take(assignment: Assignment): readonly Assignment[] {
    const key = assignment.name.toLowerCase();
    if (key === 'name') {
      this.#name = assignment;
      return [assignment];
    }
    if (key === 'value' && this.#name !== null) {
      const { value: name } = this.#name;
      this.#name = null;
      return [{ ...assignment, name }];
    }
    // Other keys of the same item may stand between, but not the whole file.
    if (this.#name !== null && assignment.start - this.#name.start > MAX_PAIR_DISTANCE) this.#name = null;
    return [assignment];
  }
}

const MAX_PAIR_DISTANCE = 1024;

/** `name: |` and its first line, if it is deeper. */
interface BlockScalar {
  take(line: string, lineStart: number): Assignment[];
}

const BLOCK_SCALAR = new RegExp(
  `^(\\s{0,512})(?:-\\s{1,8})?["']?(${NAME})["']?\\s{0,16}:\\s{0,16}[|>][-+0-9]{0,2}\\s{0,16}$`,
);

function findBlockScalar(line: string): BlockScalar | null {
  const match = BLOCK_SCALAR.exec(line);
  if (match === null) return null;
  const [, indent = '', name = ''] = match;
  return {
    take: (next, lineStart) => {
      const depth = next.length - next.trimStart().length;
      const inner = readLine(next, lineStart);
      if (depth <= indent.length || inner.length > 0) return inner;
      return [{ name, value: next.trim(), start: lineStart + depth }];
    },
  };
}
