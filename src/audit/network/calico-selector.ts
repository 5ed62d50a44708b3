// The expressions by which Calico selects endpoints: `role in {"db", 'cache'} && !has(legacy)`.
// https://docs.tigera.io/calico/latest/reference/resources/networkpolicy#selector

import { SallyportError } from '../../core/error.ts';
import { quote } from '../../core/quote.ts';
import { type Answer, and, type Doubt, not, or } from './answer.ts';

export class CalicoSelectorError extends SallyportError<'unexpected-text' | 'unfinished' | 'too-deep'> {}

export type Expression =
  | { readonly kind: 'all' }
  /** What belongs to no namespace. */
  | { readonly kind: 'global' }
  | { readonly kind: 'has'; readonly key: string }
  | { readonly kind: 'compare'; readonly key: string; readonly operator: Comparison; readonly value: string }
  | { readonly kind: 'in'; readonly key: string; readonly values: ReadonlySet<string> }
  | { readonly kind: 'not'; readonly operand: Expression }
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Expression[] };

export type Comparison = 'equals' | 'contains' | 'starts-with' | 'ends-with';

/** The value of a label, null where there is none, or why nobody knows. */
export type LabelValue = string | null | Doubt;

const MAX_DEPTH = 64;

/** An empty text selects everything. */
export function parseCalicoSelector(text: string): Expression {
  const tokens = tokenize(text);
  if (tokens.length === 0) return { kind: 'all' };
  const reader = new TokenReader(tokens);
  const expression = readOr(reader, 0);
  reader.expectEnd();
  return expression;
}

export interface Subject {
  readonly labelOf: (key: string) => LabelValue;
  readonly isGlobal: boolean;
}

export function askExpression(expression: Expression, subject: Subject): Answer {
  switch (expression.kind) {
    case 'all':
      return true;
    case 'global':
      return subject.isGlobal;
    case 'has':
      return ask(subject.labelOf(expression.key), () => true);
    case 'compare':
      return ask(subject.labelOf(expression.key), (value) => compare(value, expression));
    case 'in':
      return ask(subject.labelOf(expression.key), (value) => expression.values.has(value));
    case 'not':
      return not(askExpression(expression.operand, subject));
    case 'and':
      return expression.operands.reduce<Answer>(
        (answer, operand) => and(answer, askExpression(operand, subject)),
        true,
      );
    case 'or':
      return expression.operands.reduce<Answer>(
        (answer, operand) => or(answer, askExpression(operand, subject)),
        false,
      );
  }
}

/** The labels it asks for. */
export function keysOf(expression: Expression): readonly string[] {
  switch (expression.kind) {
    case 'all':
    case 'global':
      return [];
    case 'has':
    case 'compare':
    case 'in':
      return [expression.key];
    case 'not':
      return keysOf(expression.operand);
    case 'and':
    case 'or':
      return expression.operands.flatMap(keysOf);
  }
}

/** Without the label there is nothing to compare with. */
function ask(label: LabelValue, test: (value: string) => boolean): Answer {
  if (label === null) return false;
  return typeof label === 'string' ? test(label) : label;
}

function compare(value: string, { operator, value: wanted }: Expression & { readonly kind: 'compare' }): boolean {
  switch (operator) {
    case 'equals':
      return value === wanted;
    case 'contains':
      return value.includes(wanted);
    case 'starts-with':
      return value.startsWith(wanted);
    case 'ends-with':
      return value.endsWith(wanted);
  }
}

interface Token {
  readonly kind: 'word' | 'text' | 'sign' | 'call';
  readonly value: string;
}

/** `has(`, `all(` and `global(` are one token each, with no space before the parenthesis. */
const TOKEN =
  /[ \t]*(?:"(?<double>[^"]*)"|'(?<single>[^']*)'|(?<call>(?:has|all|global)\()|(?<word>[a-zA-Z0-9_./-]+)|(?<sign>==|!=|&&|\|\||[(){},!]))/y;

function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  const end = text.replace(/[ \t]+$/, '').length;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < end) {
    const start = TOKEN.lastIndex;
    const groups = TOKEN.exec(text)?.groups;
    if (groups === undefined) {
      throw new CalicoSelectorError(
        'unexpected-text',
        `the selector has ${quote(text.slice(start))} where it makes no sense`,
      );
    }
    const { double, single, call, word, sign } = groups;
    if (double !== undefined || single !== undefined) tokens.push({ kind: 'text', value: double ?? single ?? '' });
    else if (call !== undefined) tokens.push({ kind: 'call', value: call.slice(0, -1) });
    else if (word !== undefined) tokens.push({ kind: 'word', value: word });
    else tokens.push({ kind: 'sign', value: sign ?? '' });
  }
  return tokens;
}

class TokenReader {
  readonly #tokens: readonly Token[];
  #position = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  next(): Token {
    const token = this.#tokens[this.#position];
    if (token === undefined) throw new CalicoSelectorError('unfinished', 'the selector ends before it is finished');
    this.#position += 1;
    return token;
  }

  /** Whether a sign or word comes next; it is then behind us. */
  take(kind: Token['kind'], value: string): boolean {
    const token = this.#tokens[this.#position];
    if (token?.kind !== kind || token.value !== value) return false;
    this.#position += 1;
    return true;
  }

  expect(kind: Token['kind']): string {
    const token = this.next();
    if (token.kind !== kind) throw unexpected(token);
    return token.value;
  }

  expectSign(value: string): void {
    const token = this.next();
    if (token.kind !== 'sign' || token.value !== value) throw unexpected(token);
  }

  expectEnd(): void {
    const token = this.#tokens[this.#position];
    if (token !== undefined) throw unexpected(token);
  }
}

function unexpected({ value }: Token): CalicoSelectorError {
  return new CalicoSelectorError('unexpected-text', `the selector has ${quote(value)} where it makes no sense`);
}

function readOr(reader: TokenReader, depth: number): Expression {
  const operands = [readAnd(reader, depth)];
  while (reader.take('sign', '||')) operands.push(readAnd(reader, depth));
  return combine('or', operands);
}

function readAnd(reader: TokenReader, depth: number): Expression {
  const operands = [readOperation(reader, depth)];
  while (reader.take('sign', '&&')) operands.push(readOperation(reader, depth));
  return combine('and', operands);
}

function combine(kind: 'and' | 'or', operands: readonly Expression[]): Expression {
  const [first] = operands;
  return operands.length === 1 && first !== undefined ? first : { kind, operands };
}

function readOperation(reader: TokenReader, depth: number): Expression {
  if (depth > MAX_DEPTH) throw new CalicoSelectorError('too-deep', 'the selector is nested too deeply');
  let isNegated = false;
  while (reader.take('sign', '!')) isNegated = !isNegated;
  const operation = readPlainOperation(reader, depth);
  return isNegated ? { kind: 'not', operand: operation } : operation;
}

function readPlainOperation(reader: TokenReader, depth: number): Expression {
  const token = reader.next();
  if (token.kind === 'word') return readComparison(token.value, reader);
  if (token.kind === 'call') return readCall(token.value, reader);
  if (token.kind !== 'sign' || token.value !== '(') throw unexpected(token);
  const expression = readOr(reader, depth + 1);
  reader.expectSign(')');
  return expression;
}

function readCall(name: string, reader: TokenReader): Expression {
  const expression: Expression =
    name === 'has' ? { kind: 'has', key: reader.expect('word') } : { kind: name === 'all' ? 'all' : 'global' };
  reader.expectSign(')');
  return expression;
}

function readComparison(key: string, reader: TokenReader): Expression {
  const token = reader.next();
  if (token.kind === 'sign' && token.value === '==') return equals(key, reader);
  if (token.kind === 'sign' && token.value === '!=') return { kind: 'not', operand: equals(key, reader) };
  if (token.kind !== 'word') throw unexpected(token);
  switch (token.value) {
    case 'in':
      return readSet(key, reader);
    case 'not':
    case 'notin':
      if (token.value === 'not' && !reader.take('word', 'in')) throw unexpected(token);
      return { kind: 'not', operand: readSet(key, reader) };
    case 'contains':
      return { kind: 'compare', key, operator: 'contains', value: reader.expect('text') };
    case 'starts':
    case 'ends':
      if (!reader.take('word', 'with')) throw unexpected(token);
      return { kind: 'compare', key, operator: `${token.value}-with`, value: reader.expect('text') };
    case 'startswith':
    case 'endswith': {
      const operator = token.value === 'startswith' ? 'starts-with' : 'ends-with';
      return { kind: 'compare', key, operator, value: reader.expect('text') };
    }
    default:
      throw unexpected(token);
  }
}

function equals(key: string, reader: TokenReader): Expression {
  return { kind: 'compare', key, operator: 'equals', value: reader.expect('text') };
}

function readSet(key: string, reader: TokenReader): Expression {
  reader.expectSign('{');
  const values = new Set<string>();
  while (!reader.take('sign', '}')) {
    values.add(reader.expect('text'));
    if (reader.take('sign', '}')) break;
    reader.expectSign(',');
  }
  return { kind: 'in', key, values };
}
