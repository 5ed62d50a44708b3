// Writes values as YAML in every style that manifests are written in, each leaf under a name of its own, so that a search in the text finds it.

export type Choose = <T>(from: readonly T[]) => T;

export interface WrittenYaml {
  readonly text: string;
  readonly value: unknown;
  /** Of every leaf: how to get there, and what stands there. */
  readonly leaves: readonly { readonly path: readonly (string | number)[]; readonly token: string }[];
}

export function writeYaml(choose: Choose): WrittenYaml {
  const writer: Writer = { choose, leaves: [], tokens: 0 };
  const { text, value } = writeMapping(writer, { path: [], column: choose([0, 0, 0, 2]), depth: 0 });
  return { text, value, leaves: writer.leaves };
}

interface Writer {
  readonly choose: Choose;
  readonly leaves: { path: readonly (string | number)[]; token: string }[];
  tokens: number;
}

interface Place {
  readonly path: readonly (string | number)[];
  readonly column: number;
  readonly depth: number;
}

interface Written {
  /** From the column on, with a line break at its end. */
  readonly text: string;
  readonly value: unknown;
}

const KEYS = ['name', 'spec', 'app.kubernetes.io/name', 'a b', 'x-y', 'metadata', '_private', 'é'];

function writeMapping(writer: Writer, place: Place): Written {
  const { choose } = writer;
  const pad = ' '.repeat(place.column);
  const value: Record<string, unknown> = {};
  let text = '';
  for (const key of KEYS.filter(() => choose([true, false, false])).concat('end')) {
    const written = writeValue(writer, { ...place, path: [...place.path, key] }, 'mapping');
    const shown = choose([key, key, `"${key}"`, `'${key}'`]);
    text += `${noise(writer, place.column)}${pad}${shown}:${written.text}`;
    value[key] = written.value;
  }
  return { text, value };
}

function writeSequence(writer: Writer, place: Place): Written {
  const pad = ' '.repeat(place.column);
  const value: unknown[] = [];
  let text = '';
  const count = writer.choose([1, 2, 3]);
  for (let index = 0; index < count; index += 1) {
    const inside = { ...place, path: [...place.path, index] };
    const isCompact = place.depth < 3 && writer.choose([true, false]);
    const written = isCompact ? writeCompact(writer, inside) : writeValue(writer, inside, 'sequence');
    text += `${noise(writer, place.column)}${pad}-${written.text}`;
    value.push(written.value);
  }
  return { text, value };
}

/** `- key: value`, with the mapping on the line of its hyphen. */
function writeCompact(writer: Writer, place: Place): Written {
  const gap = writer.choose([1, 1, 1, 3]);
  const column = place.column + 1 + gap;
  const written = writeMapping(writer, { ...place, column, depth: place.depth + 1 });
  const firstLine = written.text.search(/^ *[^ #\n]/m);
  return { value: written.value, text: ' '.repeat(gap) + written.text.slice(firstLine).trimStart() };
}

function writeValue(writer: Writer, place: Place, within: 'mapping' | 'sequence'): Written {
  const { choose } = writer;
  const style = place.depth >= 4 ? 'leaf' : choose(['leaf', 'leaf', 'mapping', 'sequence', 'flow']);
  if (style === 'leaf') return writeLeaf(writer, place);
  if (style === 'flow') {
    const written = writeFlow(writer, place);
    return { value: written.value, text: ` ${written.text}${choose(['', ' # x: y'])}\n` };
  }
  const isIndentless = style === 'sequence' && within === 'mapping' && choose([true, false]);
  const inside = {
    ...place,
    column: isIndentless ? place.column : place.column + choose([1, 2, 4]),
    depth: place.depth + 1,
  };
  const written = style === 'mapping' ? writeMapping(writer, inside) : writeSequence(writer, inside);
  return { value: written.value, text: `${choose(['', ' ', ' # why'])}\n${written.text}` };
}

function writeLeaf(writer: Writer, place: Place): Written {
  const { choose } = writer;
  const token = newToken(writer, place.path);
  const inner = ' '.repeat(place.column + choose([2, 3]));
  const comment = choose(['', '', ' # a: "comment"', '  ']);
  const [text, value] = choose<readonly [string, string]>([
    [` ${token}${comment}\n`, token],
    [` ${token} and more${comment}\n`, `${token} and more`],
    [` ${token}:8080#x${comment}\n`, `${token}:8080#x`],
    [` "${token} \\"q\\" \\u00e9"${comment}\n`, `${token} "q" é`],
    [` '${token} it''s'${comment}\n`, `${token} it's`],
    [` ${token}\n${inner}goes on\n\n${inner}and on\n`, `${token} goes on\nand on`],
    [` "${token}\n${inner}goes on"\n`, `${token} goes on`],
    [` |${comment.trimEnd()}\n${inner}${token}\n${inner}  in\n\n${inner}# out\n`, `${token}\n  in\n\n# out\n`],
    [` |-\n${inner}${token}\n`, token],
    [` >\n${inner}${token}\n${inner}folded\n`, `${token} folded\n`],
  ]);
  return { text, value };
}

function writeFlow(writer: Writer, place: Place): Written {
  const { choose } = writer;
  const gap = choose(['', ' ', '\n      ']);
  const items = ['a', 'b', 'c'].slice(0, choose([0, 1, 2, 3])).map((key, index) => ({ key, index }));
  if (choose([true, false])) {
    const written = items.map(({ index }) => flowLeaf(writer, [...place.path, index]));
    return {
      text: `[${gap}${written.map(({ text }) => text).join(`,${gap}`)}${gap}]`,
      value: written.map(({ value }) => value),
    };
  }
  const written = items.map(({ key }) => ({ key, ...flowLeaf(writer, [...place.path, key]) }));
  return {
    text: `{${gap}${written.map(({ key, text }) => `${key}: ${text}`).join(`, ${gap}`)}${gap}}`,
    value: Object.fromEntries(written.map(({ key, value }) => [key, value])),
  };
}

function flowLeaf(writer: Writer, path: readonly (string | number)[]): Written {
  const token = newToken(writer, path);
  const [text, value] = writer.choose<readonly [string, string]>([
    [token, token],
    [`"${token}, ]"`, `${token}, ]`],
    [`'${token} }'`, `${token} }`],
    [`http://${token}:80`, `http://${token}:80`],
  ]);
  return { text, value };
}

function newToken(writer: Writer, path: readonly (string | number)[]): string {
  writer.tokens += 1;
  const token = `leaf${writer.tokens}z`;
  writer.leaves.push({ path, token });
  return token;
}

function noise({ choose }: Writer, column: number): string {
  return choose(['', '', '', '', '\n', `${' '.repeat(column)}# note: "this"\n`, ' \n']);
}
