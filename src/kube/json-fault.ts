// Where a text stops being JSON. JSON.parse tells that too, but not always, and with a piece of the text, which may be a secret.
// RFC 8259

import { skipSpace } from './json-places.ts';

export interface JsonFault {
  readonly at: number;
  readonly message: string;
}

type Expected = 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'colon' | 'comma-or-end' | 'nothing';

const PHRASES: Readonly<Record<Expected, string>> = {
  value: 'a value',
  'value-or-end': 'a value or `]`',
  key: 'a key in double quotes',
  'key-or-end': 'a key in double quotes or `}`',
  colon: '`:`',
  'comma-or-end': '`,` or the end of the collection',
  nothing: 'the end of the text',
};

// oxlint-disable-next-line no-control-regex -- the control characters are what a string must not have
const STRING_PART = /[^"\\\u0000-\u001f]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})/y;
const WORD = /(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)(?![A-Za-z0-9_$.+-])/y;

/** Of a text that JSON.parse has refused. */
export function findJsonFault(text: string): JsonFault {
  /** The brackets that are open. */
  const open: string[] = [];
  let expected: Expected = 'value';
  let at = skipSpace(text, 0);
  for (; at < text.length; at = skipSpace(text, at)) {
    const character = text.charAt(at);
    if (isEnd(character, expected, open.at(-1))) {
      open.pop();
      at += 1;
      expected = open.length === 0 ? 'nothing' : 'comma-or-end';
    } else if (character === ',' && expected === 'comma-or-end') {
      at += 1;
      expected = open.at(-1) === '{' ? 'key' : 'value';
    } else if (character === ':' && expected === 'colon') {
      at += 1;
      expected = 'value';
    } else if ((character === '{' || character === '[') && isValue(expected)) {
      open.push(character);
      at += 1;
      expected = character === '{' ? 'key-or-end' : 'value-or-end';
    } else if (character === '"' && (isValue(expected) || isKey(expected))) {
      const end = stringEnd(text, at);
      if (end.kind === 'broken') return end.fault;
      at = end.at;
      if (isKey(expected)) expected = 'colon';
      else expected = open.length === 0 ? 'nothing' : 'comma-or-end';
    } else if (isValue(expected) && matchAt(WORD, text, at) > 0) {
      at += matchAt(WORD, text, at);
      expected = open.length === 0 ? 'nothing' : 'comma-or-end';
    } else {
      return { at, message: `JSON that has something else here than ${PHRASES[expected]}` };
    }
  }
  return { at: text.length, message: `JSON that ends too early: ${open.length} collections are still open` };
}

function isValue(expected: Expected): boolean {
  return expected === 'value' || expected === 'value-or-end';
}

function isKey(expected: Expected): boolean {
  return expected === 'key' || expected === 'key-or-end';
}

function isEnd(character: string, expected: Expected, open: string | undefined): boolean {
  if (character === '}') return open === '{' && (expected === 'key-or-end' || expected === 'comma-or-end');
  return character === ']' && open === '[' && (expected === 'value-or-end' || expected === 'comma-or-end');
}

type StringEnd = { readonly kind: 'end'; readonly at: number } | { readonly kind: 'broken'; readonly fault: JsonFault };

function stringEnd(text: string, start: number): StringEnd {
  let at = start + 1;
  for (;;) {
    at += matchAt(STRING_PART, text, at);
    const character = text.charAt(at);
    if (character === '"') return { kind: 'end', at: at + 1 };
    if (character === '') return broken(start, 'JSON with a string that does not end');
    const escape = matchAt(ESCAPE, text, at);
    if (escape === 0)
      return broken(at, 'JSON with a character in a string that must be escaped, or an escape it does not have');
    at += escape;
  }
}

function broken(at: number, message: string): StringEnd {
  return { kind: 'broken', fault: { at, message } };
}

function matchAt(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0].length ?? 0;
}
