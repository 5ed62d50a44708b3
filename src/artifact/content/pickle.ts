// Follows a pickle as Python's machine would, without running anything: which names it imports, and which of them it calls.
// https://docs.python.org/3/library/pickle.html#restricting-globals

import { isUtf8 } from 'node:buffer';
import { ByteCursor, type ByteSource, readUint64 } from './byte-source.ts';
import { PICKLE_OPCODES, type PickleArgument, type PickleOpcode } from './pickle-opcodes.ts';

export interface PickleImport {
  /** As Python gets it; `?` where it is computed, so that nobody can tell. */
  readonly module: string;
  readonly name: string;
  /** Offset of the opcode. */
  readonly at: number;
}

export interface PickleReading {
  /** Each name once, where it first stands. */
  readonly imports: readonly PickleImport[];
  /** Anything imported is called, or made an instance of. */
  readonly hasCalls: boolean;
  readonly opcodes: number;
  /** Where the text strings stand next to each other, for what they may say; bounded. */
  readonly texts: readonly string[];
  readonly end:
    | { readonly kind: 'stop'; readonly at: number }
    /** What stands before has been run by then. Where it is not sure that Python stops here as well, more may be run. */
    | { readonly kind: 'broken'; readonly at: number; readonly detail: string; readonly isSure: boolean }
    /** More than is followed. */
    | { readonly kind: 'too-large'; readonly at: number };
}

export interface PickleLimits {
  readonly maxOpcodes: number;
  /** Of the stack and of the memo, each. */
  readonly maxItems: number;
}

const PICKLE_LIMITS: PickleLimits = { maxOpcodes: 20_000_000, maxItems: 2_000_000 };

/** What may still be followed of a file, over all pickles in it. */
export interface OpcodeBudget {
  opcodes: number;
}

/** Of the pickle that begins at `start`. */
export function readPickle(
  source: ByteSource,
  start: number,
  { budget, limits = PICKLE_LIMITS }: { readonly budget: OpcodeBudget; readonly limits?: PickleLimits },
): PickleReading {
  const maxOpcodes = Math.min(limits.maxOpcodes, budget.opcodes);
  const machine = new PickleMachine(new ByteCursor(source, start), { ...limits, maxOpcodes });
  const end = machine.run();
  const { imports, hasCalls, opcodes, texts } = machine;
  budget.opcodes = Math.max(0, budget.opcodes - opcodes);
  return { imports: [...imports.values()], hasCalls, opcodes, texts, end };
}

/** A text, or null for anything else. */
type Item = string | null;
const MARK = Symbol('mark');

class Broken {
  readonly detail: string;
  readonly isSure: boolean;
  constructor(detail: string, certainty: 'python-stops' | 'python-may-read-on' = 'python-stops') {
    this.detail = detail;
    this.isSure = certainty === 'python-stops';
  }
}

const TOO_LARGE = Symbol('too large');
const STOP = Symbol('stop');
const MAX_NAME = 1024;
/** There have been six in thirty years. */
const NEXT_PROTOCOLS = 9;
const MAX_LINE = 65_536;
const MAX_TEXTS = 20_000;
const UNKNOWN_NAME = '?';

class PickleMachine {
  readonly imports = new Map<string, PickleImport>();
  hasCalls = false;
  opcodes = 0;
  readonly texts: string[] = [];
  readonly #cursor: ByteCursor;
  readonly #limits: PickleLimits;
  readonly #stack: (Item | typeof MARK)[] = [];
  readonly #memo = new Map<number, Item>();
  #marks = 0;

  constructor(cursor: ByteCursor, limits: PickleLimits) {
    this.#cursor = cursor;
    this.#limits = limits;
  }

  run(): PickleReading['end'] {
    for (;;) {
      const { at } = this.#cursor;
      try {
        if (this.#step(at) === STOP) return { kind: 'stop', at: this.#cursor.at };
      } catch (error) {
        if (error instanceof Broken) return { kind: 'broken', at, detail: error.detail, isSure: error.isSure };
        if (error === TOO_LARGE) return { kind: 'too-large', at };
        throw error;
      }
    }
  }

  #step(at: number): typeof STOP | null {
    const code = this.#cursor.take(1)?.[0];
    if (code === undefined) throw new Broken('it ends without STOP');
    const opcode = PICKLE_OPCODES.get(code);
    if (opcode === undefined) throw new Broken(`no opcode 0x${code.toString(16).padStart(2, '0')}`);
    this.opcodes += 1;
    if (this.opcodes > this.#limits.maxOpcodes) throw TOO_LARGE;
    if (this.#stack.length > this.#limits.maxItems || this.#memo.size > this.#limits.maxItems) throw TOO_LARGE;
    const argument = this.#readArgument(opcode);
    const { effect } = opcode;
    switch (effect.kind) {
      case 'push':
        this.#stack.push(null);
        break;
      case 'push-text':
        this.#stack.push(argument.text);
        if (argument.text !== null && this.texts.length < MAX_TEXTS) this.texts.push(argument.text);
        break;
      case 'mark':
        this.#marks += 1;
        this.#stack.push(MARK);
        break;
      case 'replace':
        for (let pop = 0; pop < effect.pops; pop += 1) this.#pop();
        for (let push = 0; push < effect.pushes; push += 1) this.#stack.push(null);
        break;
      case 'to-mark':
        this.#popToMark();
        if (effect.needsBelow === 1) this.#peek();
        if (effect.pushes === 1) this.#stack.push(null);
        break;
      case 'special':
        return this.#special(opcode.name, argument, at);
    }
    return null;
  }

  #special(name: string, argument: ArgumentReading, at: number): typeof STOP | null {
    switch (name) {
      case 'STOP':
        this.#pop();
        return STOP;
      case 'PROTO':
        if (argument.number > 5)
          throw new Broken(
            `protocol ${argument.number} is newer than any`,
            argument.number <= NEXT_PROTOCOLS ? 'python-may-read-on' : 'python-stops',
          );
        break;
      case 'POP':
        // Python pops a mark as well.
        if (this.#stack.at(-1) === MARK) this.#popToMark();
        else this.#pop();
        break;
      case 'DUP':
        this.#stack.push(this.#peek());
        break;
      case 'GET':
      case 'BINGET':
      case 'LONG_BINGET': {
        const item = this.#memo.get(argument.number);
        if (item === undefined) throw new Broken(`nothing was put into place ${argument.number} of the memo`);
        this.#stack.push(item);
        break;
      }
      case 'PUT':
      case 'BINPUT':
      case 'LONG_BINPUT':
        this.#memo.set(argument.number, this.#peek());
        break;
      case 'MEMOIZE':
        this.#memo.set(this.#memo.size, this.#peek());
        break;
      case 'EXT1':
      case 'EXT2':
      case 'EXT4':
        // What a code stands for is decided by whoever loads it.
        this.#import('copyreg extension', String(argument.number), at);
        this.#stack.push(null);
        break;
      case 'GLOBAL':
        this.#import(argument.lines[0], argument.lines[1], at);
        this.#stack.push(null);
        break;
      case 'STACK_GLOBAL': {
        const [attribute, module] = [this.#pop(), this.#pop()];
        this.#import(module, attribute, at);
        this.#stack.push(null);
        break;
      }
      case 'INST':
        this.#popToMark();
        this.#import(argument.lines[0], argument.lines[1], at);
        this.hasCalls = true;
        this.#stack.push(null);
        break;
      case 'OBJ':
        if (this.#stack.at(-1) === MARK) throw new Broken('OBJ without a class');
        this.#popToMark();
        this.hasCalls = true;
        this.#stack.push(null);
        break;
      case 'REDUCE':
      case 'NEWOBJ':
        this.#call(2);
        break;
      case 'NEWOBJ_EX':
        this.#call(3);
        break;
      case 'BUILD':
        this.#pop();
        this.#peek();
        this.hasCalls = true;
        break;
      default:
    }
    return null;
  }

  #call(pops: number): void {
    for (let pop = 0; pop < pops; pop += 1) this.#pop();
    this.hasCalls = true;
    this.#stack.push(null);
  }

  #import(module: Item, name: Item, at: number): void {
    const found = { module: module ?? UNKNOWN_NAME, name: name ?? UNKNOWN_NAME, at };
    const key = `${found.module}\n${found.name}`;
    if (this.imports.has(key)) return;
    if (this.imports.size >= this.#limits.maxItems) throw TOO_LARGE;
    this.imports.set(key, found);
  }

  #pop(): Item {
    const item = this.#stack.pop();
    if (item === undefined) throw new Broken('it takes from an empty stack');
    if (item === MARK) {
      this.#stack.push(item);
      throw new Broken('it takes a mark for a value');
    }
    return item;
  }

  #peek(): Item {
    const item = this.#stack.at(-1);
    if (item === undefined) throw new Broken('it looks at an empty stack');
    if (item === MARK) throw new Broken('it takes a mark for a value');
    return item;
  }

  #popToMark(): void {
    if (this.#marks === 0) throw new Broken('there is no mark');
    this.#marks -= 1;
    while (this.#stack.pop() !== MARK);
  }

  #readArgument({ name, argument }: PickleOpcode): ArgumentReading {
    switch (argument.kind) {
      case 'none':
        return NO_ARGUMENT;
      case 'bytes':
        return { ...NO_ARGUMENT, number: littleEndian(this.#take(argument.length), argument.length > 4) };
      case 'counted':
        return this.#readCounted(argument, UNICODE_NAMES.has(name));
      case 'line':
        return this.#readLine(argument.form);
      case 'two-lines':
        return { ...NO_ARGUMENT, lines: [this.#nameLine(), this.#nameLine()] };
    }
  }

  #readCounted(
    { lengthBytes, isText, isSigned }: Extract<PickleArgument, { kind: 'counted' }>,
    isUnicode: boolean,
  ): ArgumentReading {
    const bytes = this.#take(lengthBytes);
    const length = lengthBytes === 8 ? Number(readUint64(bytes)) : littleEndian(bytes, false);
    if (isSigned && length > 0x7fff_ffff) throw new Broken('a negative length');
    if (isText && length <= MAX_NAME) return { ...NO_ARGUMENT, text: decode(this.#take(length), isUnicode) };
    if (!this.#cursor.skip(length)) throw new Broken('it ends within a value');
    return NO_ARGUMENT;
  }

  #readLine(form: Extract<PickleArgument, { kind: 'line' }>['form']): ArgumentReading {
    const line = this.#line();
    if (line === null) {
      if (form === 'memo') throw new Broken('a place in the memo of many digits', 'python-may-read-on');
      return NO_ARGUMENT;
    }
    const text = decode(line, false);
    switch (form) {
      case 'number':
      case 'float':
        // Whether it is one, Python decides in more ways than one; to read on shows more than to stop.
        return NO_ARGUMENT;
      case 'memo':
        return { ...NO_ARGUMENT, number: memoPlace(text) };
      case 'quoted':
        return { ...NO_ARGUMENT, text: unescape(unquote(text), PYTHON_ESCAPE) };
      case 'unicode':
        return { ...NO_ARGUMENT, text: unescape(text, UNICODE_ESCAPE) };
      case 'persistent-id':
        return NO_ARGUMENT;
    }
  }

  #nameLine(): Item {
    const line = this.#line();
    const text = line === null ? null : decode(line, true);
    return text === null || text.length > MAX_NAME ? null : text;
  }

  /** Null for one longer than is kept, which is passed: Python reads lines of any length. */
  #line(): Uint8Array | null {
    const line = this.#cursor.takeLine(MAX_LINE);
    if (line === null && !this.#cursor.skipLine()) throw new Broken('a line that does not end');
    return line;
  }

  #take(length: number): Uint8Array {
    const bytes = this.#cursor.take(length);
    if (bytes === null) throw new Broken('it ends within a value');
    return bytes;
  }
}

const UNICODE_NAMES: ReadonlySet<string> = new Set(['SHORT_BINUNICODE', 'BINUNICODE', 'BINUNICODE8']);

interface ArgumentReading {
  readonly number: number;
  readonly text: Item;
  readonly lines: readonly [Item, Item];
}

const NO_ARGUMENT: ArgumentReading = { number: 0, text: null, lines: [null, null] };

/** Python takes signs, spaces, zeros in front, and what a NUL ends; as a place it has none beyond 63 bits. */
function memoPlace(text: string): number {
  const digits = (text.split('\0', 1)[0] ?? '').replaceAll(/[\s_+-]/g, '').replace(/^0+(?=\d)/, '');
  if (!/^\d+$/.test(digits)) throw new Broken('no place in the memo');
  const place = Number(digits);
  if (!Number.isSafeInteger(place)) throw new Broken('a place in the memo of many digits', 'python-may-read-on');
  return place;
}

/** Strings of Python 2 are bytes in any encoding; what is Unicode is UTF-8, where Python lets half a pair stand alone. */
function decode(bytes: Uint8Array, isUnicode: boolean): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!isUnicode || isUtf8(buffer)) return buffer.toString('utf8');
  const mended = Buffer.from(buffer.toString('latin1').replaceAll(LONE_SURROGATE, '???'), 'latin1');
  if (!isUtf8(mended)) throw new Broken('a text that is not UTF-8');
  return mended.toString('utf8');
}

const LONE_SURROGATE = /\u00ed[\u00a0-\u00bf][\u0080-\u00bf]/g;

/** Of eight bytes only the fact that there are some matters. */
function littleEndian(bytes: Uint8Array, isLong: boolean): number {
  if (isLong) return 0;
  let value = 0;
  for (let index = bytes.length - 1; index >= 0; index -= 1) value = value * 256 + (bytes[index] ?? 0);
  return value;
}

function unquote(text: string): string {
  const trimmed = text.trim();
  const quote = trimmed.charAt(0);
  const isQuoted = trimmed.length >= 2 && (quote === "'" || quote === '"') && trimmed.endsWith(quote);
  if (!isQuoted) throw new Broken('a string without quotes');
  return trimmed.slice(1, -1);
}

const PYTHON_ESCAPE = /\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|([\\'"abfnrtv]))/g;
const UNICODE_ESCAPE = /\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/g;
const LETTERS: Readonly<Record<string, string>> = { a: '\u0007', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** A name may be written so that whoever searches for it does not find it. */
function unescape(text: string, form: typeof PYTHON_ESCAPE): string {
  return text.replaceAll(form, (_whole, first?: string, second?: string, letter?: string) => {
    if (typeof letter === 'string') return LETTERS[letter] ?? letter;
    const code =
      form === PYTHON_ESCAPE && second !== undefined
        ? Number.parseInt(second, 8)
        : Number.parseInt(first ?? second ?? '', 16);
    return code <= 0x10_ffff ? String.fromCodePoint(code) : '\uFFFD';
  });
}
