// The opcodes of Python's pickle, by what follows them and what they do to the stack of the machine that runs them.
// https://docs.python.org/3/library/pickletools.html; PEP 307, PEP 3154, PEP 574

/** What stands behind an opcode: so many bytes, a counted run, or lines. */
export type PickleArgument =
  | { readonly kind: 'none' }
  | { readonly kind: 'bytes'; readonly length: number }
  /** `lengthBytes` of little endian, then so many bytes. */
  | { readonly kind: 'counted'; readonly lengthBytes: 1 | 4 | 8; readonly isText: boolean; readonly isSigned: boolean }
  | { readonly kind: 'line'; readonly form: LineForm }
  | { readonly kind: 'two-lines' };

/** What Python takes on the line; anything else ends its reading. */
export type LineForm = 'number' | 'float' | 'quoted' | 'unicode' | 'persistent-id' | 'memo';

export type StackEffect =
  | { readonly kind: 'push' }
  | { readonly kind: 'push-text' }
  | { readonly kind: 'mark' }
  | { readonly kind: 'replace'; readonly pops: number; readonly pushes: number }
  /** Everything above the last mark, and the mark. */
  | { readonly kind: 'to-mark'; readonly pushes: 0 | 1; readonly needsBelow: 0 | 1 }
  | { readonly kind: 'special' };

export interface PickleOpcode {
  readonly name: string;
  readonly argument: PickleArgument;
  readonly effect: StackEffect;
}

const NONE: PickleArgument = { kind: 'none' };
const TWO_LINES: PickleArgument = { kind: 'two-lines' };
const PUSH: StackEffect = { kind: 'push' };
const TEXT: StackEffect = { kind: 'push-text' };
const SPECIAL: StackEffect = { kind: 'special' };

function bytes(length: number): PickleArgument {
  return { kind: 'bytes', length };
}

function line(form: LineForm): PickleArgument {
  return { kind: 'line', form };
}

function counted(lengthBytes: 1 | 4 | 8, isText = false, isSigned = false): PickleArgument {
  return { kind: 'counted', lengthBytes, isText, isSigned };
}

function replace(pops: number, pushes: number): StackEffect {
  return { kind: 'replace', pops, pushes };
}

function toMark(pushes: 0 | 1, needsBelow: 0 | 1): StackEffect {
  return { kind: 'to-mark', pushes, needsBelow };
}

const ROWS: readonly (readonly [code: string | number, name: string, argument: PickleArgument, effect: StackEffect])[] =
  [
    ['I', 'INT', line('number'), PUSH],
    ['J', 'BININT', bytes(4), PUSH],
    ['K', 'BININT1', bytes(1), PUSH],
    ['M', 'BININT2', bytes(2), PUSH],
    ['L', 'LONG', line('number'), PUSH],
    [0x8a, 'LONG1', counted(1), PUSH],
    [0x8b, 'LONG4', counted(4, false, true), PUSH],
    ['S', 'STRING', line('quoted'), TEXT],
    ['T', 'BINSTRING', counted(4, true, true), TEXT],
    ['U', 'SHORT_BINSTRING', counted(1, true), TEXT],
    ['B', 'BINBYTES', counted(4), PUSH],
    ['C', 'SHORT_BINBYTES', counted(1), PUSH],
    [0x8e, 'BINBYTES8', counted(8), PUSH],
    [0x96, 'BYTEARRAY8', counted(8), PUSH],
    [0x97, 'NEXT_BUFFER', NONE, PUSH],
    [0x98, 'READONLY_BUFFER', NONE, replace(1, 1)],
    ['N', 'NONE', NONE, PUSH],
    [0x88, 'NEWTRUE', NONE, PUSH],
    [0x89, 'NEWFALSE', NONE, PUSH],
    ['V', 'UNICODE', line('unicode'), TEXT],
    [0x8c, 'SHORT_BINUNICODE', counted(1, true), TEXT],
    ['X', 'BINUNICODE', counted(4, true), TEXT],
    [0x8d, 'BINUNICODE8', counted(8, true), TEXT],
    ['F', 'FLOAT', line('float'), PUSH],
    ['G', 'BINFLOAT', bytes(8), PUSH],
    [']', 'EMPTY_LIST', NONE, PUSH],
    ['a', 'APPEND', NONE, replace(2, 1)],
    ['e', 'APPENDS', NONE, toMark(0, 1)],
    ['l', 'LIST', NONE, toMark(1, 0)],
    [')', 'EMPTY_TUPLE', NONE, PUSH],
    ['t', 'TUPLE', NONE, toMark(1, 0)],
    [0x85, 'TUPLE1', NONE, replace(1, 1)],
    [0x86, 'TUPLE2', NONE, replace(2, 1)],
    [0x87, 'TUPLE3', NONE, replace(3, 1)],
    ['}', 'EMPTY_DICT', NONE, PUSH],
    ['d', 'DICT', NONE, toMark(1, 0)],
    ['s', 'SETITEM', NONE, replace(3, 1)],
    ['u', 'SETITEMS', NONE, toMark(0, 1)],
    [0x8f, 'EMPTY_SET', NONE, PUSH],
    [0x90, 'ADDITEMS', NONE, toMark(0, 1)],
    [0x91, 'FROZENSET', NONE, toMark(1, 0)],
    ['0', 'POP', NONE, SPECIAL],
    ['2', 'DUP', NONE, SPECIAL],
    ['(', 'MARK', NONE, { kind: 'mark' }],
    ['1', 'POP_MARK', NONE, toMark(0, 0)],
    ['g', 'GET', line('memo'), SPECIAL],
    ['h', 'BINGET', bytes(1), SPECIAL],
    ['j', 'LONG_BINGET', bytes(4), SPECIAL],
    ['p', 'PUT', line('memo'), SPECIAL],
    ['q', 'BINPUT', bytes(1), SPECIAL],
    ['r', 'LONG_BINPUT', bytes(4), SPECIAL],
    [0x94, 'MEMOIZE', NONE, SPECIAL],
    [0x82, 'EXT1', bytes(1), SPECIAL],
    [0x83, 'EXT2', bytes(2), SPECIAL],
    [0x84, 'EXT4', bytes(4), SPECIAL],
    ['c', 'GLOBAL', TWO_LINES, SPECIAL],
    [0x93, 'STACK_GLOBAL', NONE, SPECIAL],
    ['R', 'REDUCE', NONE, SPECIAL],
    ['b', 'BUILD', NONE, SPECIAL],
    ['i', 'INST', TWO_LINES, SPECIAL],
    ['o', 'OBJ', NONE, SPECIAL],
    [0x81, 'NEWOBJ', NONE, SPECIAL],
    [0x92, 'NEWOBJ_EX', NONE, SPECIAL],
    [0x80, 'PROTO', bytes(1), SPECIAL],
    ['.', 'STOP', NONE, SPECIAL],
    [0x95, 'FRAME', bytes(8), SPECIAL],
    ['P', 'PERSID', line('persistent-id'), PUSH],
    ['Q', 'BINPERSID', NONE, replace(1, 1)],
  ];

export const PICKLE_OPCODES: ReadonlyMap<number, PickleOpcode> = new Map(
  ROWS.map(([code, name, argument, effect]) => [
    typeof code === 'number' ? code : code.charCodeAt(0),
    { name, argument, effect },
  ]),
);
