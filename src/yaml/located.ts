// YAML text to plain nodes that remember where they stand; refuses what YAML lets two readers understand differently.
// YAML 1.2 core schema; https://yaml.org/spec/1.2.2/#103-core-schema

import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, type Node, type Pair } from 'yaml';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { formatPosition, formatProblem, type Problem, type SourcePosition } from '../core/source-position.ts';

export interface YamlScalar {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  readonly position: SourcePosition;
}

export interface YamlSequence {
  readonly kind: 'sequence';
  readonly nodes: readonly YamlNode[];
  readonly position: SourcePosition;
}

export interface YamlEntry {
  readonly key: string;
  readonly keyPosition: SourcePosition;
  readonly node: YamlNode;
}

export interface YamlMapping {
  readonly kind: 'mapping';
  readonly entries: readonly YamlEntry[];
  readonly position: SourcePosition;
}

export type YamlNode = YamlScalar | YamlSequence | YamlMapping;

/** Everything that is wrong with one or more input files, each with its place. */
export class DocumentError extends SallyportError<'invalid-document'> {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super('invalid-document', problems.map(formatProblem).join('\n'));
    this.problems = problems;
  }
}

const MAX_BYTES = 8 * 1024 * 1024;
const MAX_DEPTH = 32;
// YAML 1.1 readers (PyYAML among them) take these plain words for booleans and a leading zero for octal.
const YAML_1_1_BOOLEAN = /^(?:y|yes|n|no|on|off)$/i;
const LEADING_ZERO = /^[-+]?0[0-9_]+$/;

/** A document that could be read, and what must not stand in it; where there are problems it is good for finding more, and for nothing else. */
export interface YamlReading {
  /** Refused values are null, refused keys left out. */
  readonly root: YamlNode;
  readonly problems: readonly Problem[];
}

/** @throws {DocumentError} as readYaml, and with every problem there is. */
export function parseYaml(source: Uint8Array, file: string): YamlNode {
  const { root, problems } = readYaml(source, file);
  if (problems.length > 0) throw new DocumentError(problems);
  return root;
}

/**
 * Reads one YAML document. `file` is used in positions only. Its problems are duplicate or non-string keys, anchors, aliases, tags, more than
 * 32 levels, and plain scalars on which YAML 1.1 and 1.2 disagree.
 * @throws {DocumentError} when there is nothing to go on with: no document, several, over 8 MiB, BOM, NUL, invalid UTF-8, wrong syntax.
 */
export function readYaml(source: Uint8Array, file: string): YamlReading {
  const start: SourcePosition = { file, line: 1, column: 1 };
  const text = decodeText(source, start);
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    uniqueKeys: false,
    strict: true,
    prettyErrors: false,
  });
  const problems: Problem[] = [];
  const positionOf = (offset: number): SourcePosition => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  if (!Array.isArray(documents) || documents.length === 0) {
    throw new DocumentError([{ code: 'yaml-empty', message: 'the file holds no YAML document', position: start }]);
  }
  for (const document of documents) {
    for (const error of [...document.errors, ...document.warnings]) {
      const message = `${error.message.charAt(0).toLowerCase()}${error.message.slice(1)}`;
      problems.push({
        code: `yaml-${error.code.toLowerCase().replaceAll('_', '-')}`,
        message,
        position: positionOf(error.pos[0]),
      });
    }
  }
  if (problems.length > 0) throw new DocumentError(problems);
  const [document, second] = documents;
  if (second !== undefined) {
    const position = positionOf(second.range[0]);
    throw new DocumentError([
      { code: 'yaml-multiple-documents', message: 'the file holds more than one YAML document', position },
    ]);
  }
  if (document?.contents === null || document?.contents === undefined) {
    throw new DocumentError([{ code: 'yaml-empty', message: 'the file holds no YAML document', position: start }]);
  }
  return { root: convert(document.contents, 0, { positionOf, problems }), problems };
}

/** The problems without those that a reader of the document found only because YAML had been refused in the same place. */
export function withoutEchoes(problems: readonly Problem[]): readonly Problem[] {
  const refused = new Set(
    problems.filter(({ code }) => code.startsWith('yaml-')).map(({ position }) => formatPosition(position)),
  );
  return problems.filter(({ code, position }) => code.startsWith('yaml-') || !refused.has(formatPosition(position)));
}

/** The node as plain JavaScript values; mappings become objects without a prototype. */
export function toPlain(node: YamlNode): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value;
    case 'sequence':
      return node.nodes.map(toPlain);
    case 'mapping': {
      const plain: Record<string, unknown> = Object.create(null);
      for (const entry of node.entries) plain[entry.key] = toPlain(entry.node);
      return plain;
    }
  }
}

/** The position of the node at `path`, or of its nearest ancestor that exists; a key that is itself at fault stands at the key. */
export function positionAt(root: YamlNode, path: readonly PropertyKey[]): SourcePosition {
  let node = root;
  let position = root.position;
  for (const step of path) {
    if (node.kind === 'mapping') {
      const entry = node.entries.find(({ key }) => key === step);
      if (entry === undefined) return position;
      position = entry.keyPosition;
      node = entry.node;
    } else if (node.kind === 'sequence' && typeof step === 'number') {
      const next = node.nodes[step];
      if (next === undefined) return position;
      position = next.position;
      node = next;
    } else {
      return position;
    }
  }
  return node.kind === 'scalar' ? node.position : position;
}

function decodeText(source: Uint8Array, start: SourcePosition): string {
  const fail = (code: string, message: string): never => {
    throw new DocumentError([{ code, message, position: start }]);
  };
  if (source.length === 0) return fail('yaml-empty', 'the file is empty');
  if (source.length > MAX_BYTES)
    return fail('yaml-too-large', `the file has ${source.length} bytes; at most ${MAX_BYTES} are read`);
  if (source[0] === 0xef && source[1] === 0xbb && source[2] === 0xbf) {
    return fail('yaml-byte-order-mark', 'the file begins with a byte order mark; save it as UTF-8 without one');
  }
  const nul = source.indexOf(0);
  if (nul >= 0)
    return fail('yaml-nul', `the file holds a NUL byte at offset ${nul}; it may have been cut while it was written`);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(source);
  } catch {
    return fail('yaml-not-utf8', 'the file is not valid UTF-8');
  }
}

interface Conversion {
  readonly positionOf: (offset: number) => SourcePosition;
  readonly problems: Problem[];
}

function convert(node: Node, depth: number, conversion: Conversion): YamlNode {
  const position = conversion.positionOf(node.range?.[0] ?? 0);
  const refuse = (code: string, message: string): YamlScalar => {
    conversion.problems.push({ code, message, position });
    return { kind: 'scalar', value: null, position };
  };
  if (depth > MAX_DEPTH) return refuse('yaml-too-deep', `nested more than ${MAX_DEPTH} levels deep`);
  if (isAlias(node)) return refuse('yaml-alias', `alias \`*${node.source}\` is not supported; write the value out`);
  if ('anchor' in node && node.anchor !== undefined)
    return refuse('yaml-anchor', `anchor \`&${node.anchor}\` is not supported; write the value out`);
  if (node.tag !== undefined && node.tag !== null) return refuse('yaml-tag', `tag \`${node.tag}\` is not supported`);
  if (isSeq<Node>(node)) {
    return { kind: 'sequence', nodes: node.items.map((child) => convert(child, depth + 1, conversion)), position };
  }
  if (isMap<Node, Node | null>(node)) {
    const entries: YamlEntry[] = [];
    // The library's own check compares every key with every other.
    const lineOf = new Map<string, number>();
    for (const pair of node.items) {
      const entry = convertPair(pair, depth, conversion);
      if (entry === null) continue;
      const first = lineOf.get(entry.key);
      if (first !== undefined) {
        const message = `key ${quote(entry.key)} is already on line ${first}; two readers may take different ones`;
        conversion.problems.push({ code: 'yaml-duplicate-key', message, position: entry.keyPosition });
      }
      lineOf.set(entry.key, entry.keyPosition.line);
      entries.push(entry);
    }
    return { kind: 'mapping', entries, position };
  }
  if (isScalar(node)) {
    const { value, type, source } = node;
    if (type === 'PLAIN' && source !== undefined && (YAML_1_1_BOOLEAN.test(source) || LEADING_ZERO.test(source))) {
      return refuse(
        'yaml-ambiguous-scalar',
        `\`${source}\` means different things to different YAML readers; quote it, or write true, false or a decimal number`,
      );
    }
    if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number') {
      return { kind: 'scalar', value, position };
    }
  }
  return refuse('yaml-unsupported', 'this kind of YAML value is not supported');
}

function convertPair(pair: Pair<Node, Node | null>, depth: number, conversion: Conversion): YamlEntry | null {
  const keyNode = convert(pair.key, depth + 1, conversion);
  if (keyNode.kind !== 'scalar' || typeof keyNode.value !== 'string') {
    conversion.problems.push({
      code: 'yaml-key',
      message: 'a key must be a string; quote it',
      position: keyNode.position,
    });
    return null;
  }
  const node: YamlNode =
    pair.value === null
      ? { kind: 'scalar', value: null, position: keyNode.position }
      : convert(pair.value, depth + 1, conversion);
  return { key: keyNode.value, keyPosition: keyNode.position, node };
}
