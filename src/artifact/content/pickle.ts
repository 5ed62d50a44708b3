// Follows a pickle as Python's machine would, without running anything: which names it imports, and which of them it calls.
// https://docs.python.org/3/library/pickle.html#restricting-globals

import { ByteCursor, type ByteSource } from './byte-source.ts';
import { type ArgumentReading, Broken, type Item, readArgument } from './pickle-arguments.ts';
import { PICKLE_OPCODES } from './pickle-opcodes.ts';

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

const MARK = Symbol('mark');

const TOO_LARGE = Symbol('too large');
const STOP = Symbol('stop');
/** There have been six in thirty years. */
const NEXT_PROTOCOLS = 9;
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
    const argument = readArgument(this.#cursor, opcode);
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
}
