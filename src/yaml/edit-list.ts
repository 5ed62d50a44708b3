// Text edits of a list in a YAML file that people keep: one item comes or goes, and every other character stays as they wrote it.

import {
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  type CST,
  type Node,
  type Pair,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';

/** The file is YAML, and written in a way that no edit here is sure about. */
export class YamlEditError extends SallyportError<'not-editable'> {}

/** Of one item, a mapping of strings. */
export type ItemFields = readonly (readonly [key: string, text: string])[];

/**
 * `text` with an item more at the end of the list that stands under `key` at the top of the document.
 * @throws {YamlEditError}
 */
export function appendToList(text: string, key: string, fields: ItemFields): string {
  const place = findList(text, key);
  const { list } = place;
  if (list.flow !== true) return insertLines(text, endOfBlock(text, list), blockItem(fields, columnOf(text, list)));
  const isBare = /^\[\s*\]$/.test(text.slice(list.range[0], list.range[1]));
  const gap = text.slice(place.colon + 1, list.range[0]);
  // `key: []` of a block mapping becomes a list of lines, as people write one.
  if (isBare && !place.isInFlow && /^[ \t]*$/.test(gap)) {
    const opened = text.slice(0, place.colon + 1) + text.slice(list.range[1]);
    return insertLines(opened, lineEndAt(opened, place.colon), blockItem(fields, place.column + 2));
  }
  const last = list.items.at(-1);
  const at = last === undefined ? list.range[0] + 1 : rangeOf(last)[1];
  return `${text.slice(0, at)}${last === undefined ? '' : ', '}${flowItem(fields)}${text.slice(at)}`;
}

/**
 * `text` without the item at `index`; comments that stand outside of it stay.
 * @throws {YamlEditError}
 */
export function removeFromList(text: string, key: string, index: number): string {
  const place = findList(text, key);
  const { list } = place;
  const item = list.items[index];
  if (item === undefined) throw new YamlEditError('not-editable', `${quote(key)} has no item ${index + 1}`);
  if (list.flow === true) return removeFlowItem(text, list, index);
  const start = text.lastIndexOf('\n', dashOf(list, index)) + 1;
  if (text.slice(start, dashOf(list, index)).trim() !== '') throw notEditable(key);
  const kept = text.slice(0, start) + text.slice(lineEndAt(text, contentEndOf(text, item)));
  if (list.items.length > 1) return kept;
  return `${kept.slice(0, place.colon + 1)} []${kept.slice(place.colon + 1)}`;
}

type Located<T> = T & { readonly range: NonNullable<Node['range']> };

interface ListPlace {
  readonly list: Located<YAMLSeq<Node>>;
  /** Offset of the colon behind the key. */
  readonly colon: number;
  /** Of the key, from 0. */
  readonly column: number;
  readonly isInFlow: boolean;
}

function findList(text: string, key: string): ListPlace {
  const document = parseDocument(text, { keepSourceTokens: true, prettyErrors: false, uniqueKeys: false });
  const root = document.contents;
  if (document.errors.length > 0 || !isMap<Node, Node | null>(root)) throw notEditable(key);
  const index = root.items.findIndex((pair) => isScalar(pair.key) && pair.key.value === key);
  const list = root.items[index]?.value;
  const colon = colonOf(root, index);
  if (colon === null || !isSeq<Node>(list) || !isLocated(list)) throw notEditable(key);
  const keyStart = rangeOf(keyOf(root.items[index]))[0];
  const column = keyStart - (text.lastIndexOf('\n', keyStart - 1) + 1);
  return { list, colon, column, isInFlow: root.flow === true };
}

function keyOf(pair: Pair<Node, Node | null> | undefined): Node | null {
  return pair?.key ?? null;
}

function colonOf({ srcToken }: YAMLMap<Node, Node | null>, index: number): number | null {
  if (srcToken === undefined || !('items' in srcToken)) return null;
  const item: { readonly sep?: readonly CST.SourceToken[] } | undefined = srcToken.items[index];
  return item?.sep?.find(({ type }) => type === 'map-value-ind')?.offset ?? null;
}

function dashOf({ srcToken }: YAMLSeq<Node>, index: number): number {
  const start = srcToken?.type === 'block-seq' ? srcToken.items[index]?.start : undefined;
  const dash = start?.find(({ type }) => type === 'seq-item-ind');
  if (dash === undefined) throw new YamlEditError('not-editable', `item ${index + 1} of the list has no dash`);
  return dash.offset;
}

function columnOf(text: string, list: YAMLSeq<Node>): number {
  const dash = dashOf(list, 0);
  return dash - (text.lastIndexOf('\n', dash) + 1);
}

/** Behind the last item, and behind the comments that are indented as parts of it. */
function endOfBlock(text: string, list: YAMLSeq<Node>): number {
  let end = lineEndAt(text, contentEndOf(text, list.items.at(-1) ?? list));
  const column = columnOf(text, list);
  for (;;) {
    const lineEnd = lineEndAt(text, end);
    const indented = /^ *(?=#)/.exec(text.slice(end, lineEnd))?.[0];
    if (indented === undefined || indented.length <= column) return end;
    end = lineEnd;
  }
}

/** A block's own range reaches beyond the line breaks behind it. */
function contentEndOf(text: string, item: Node): number {
  const [start, end] = rangeOf(item);
  return start + text.slice(start, end).trimEnd().length;
}

/** Behind the line break that ends the line of `offset`. */
function lineEndAt(text: string, offset: number): number {
  const lineBreak = text.indexOf('\n', offset);
  return lineBreak < 0 ? text.length : lineBreak + 1;
}

function insertLines(text: string, at: number, lines: readonly string[]): string {
  const lineBreak = text.includes('\r\n') ? '\r\n' : '\n';
  const before = text.slice(0, at);
  const opened = before === '' || before.endsWith('\n') ? before : before + lineBreak;
  return `${opened}${lines.map((line) => line + lineBreak).join('')}${text.slice(at)}`;
}

/** The comma behind the item goes with it, or that before the last one. */
function removeFlowItem(text: string, list: YAMLSeq<Node>, index: number): string {
  const item = list.items[index];
  const previous = list.items[index - 1];
  const [start, end] = rangeOf(item ?? null);
  const behind = COMMA.exec(text.slice(end))?.[0].length;
  if (behind !== undefined) {
    return text.slice(0, start) + text.slice(end, end + behind - 1) + text.slice(end + behind).replace(/^[ \t]+/, '');
  }
  if (previous === undefined) return text.slice(0, start) + text.slice(end);
  const gapStart = rangeOf(previous)[1];
  const comma = gapStart + (COMMA.exec(text.slice(gapStart))?.[0].length ?? 0) - 1;
  return text.slice(0, comma) + text.slice(comma + 1, start).trimEnd() + text.slice(end);
}

/** With the space and the comments before it. */
const COMMA = /^(?:\s|#[^\n]*\n)*,/;

function blockItem(fields: ItemFields, column: number): readonly string[] {
  const indent = ' '.repeat(column);
  return fields.map(([key, text], at) => `${indent}${at === 0 ? '- ' : '  '}${key}: ${scalar(text)}`);
}

/** JSON, which a file in JSON stays with it. */
function flowItem(fields: ItemFields): string {
  return `{${fields.map(([key, text]) => `${quoted(key)}: ${quoted(text)}`).join(', ')}}`;
}

/** What is a string in every version of YAML, and short of anything that needs quotes. */
const PLAIN = /^(?:[a-z]+:\/\/|\/)[\w.*/-]+$/;

function scalar(text: string): string {
  return PLAIN.test(text) ? text : quoted(text);
}

/** YAML's double quotes understand every escape of JSON's. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) =>
    [...Array(character.length).keys()]
      .map((unit) => `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

function isLocated<T extends Node>(node: T): node is Located<T> {
  return node.range !== undefined && node.range !== null;
}

function rangeOf(node: Node | null): NonNullable<Node['range']> {
  if (node !== null && isLocated(node)) return node.range;
  throw new YamlEditError('not-editable', 'a part of the list has no place in the text');
}

function notEditable(key: string): YamlEditError {
  return new YamlEditError(
    'not-editable',
    `${quote(key)} is not a list at the top of the file that can be edited here`,
  );
}
