// Label selectors, compiled.
// https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors

import type { Field } from './fields.ts';

export type Operator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';

export interface Requirement {
  readonly key: string;
  readonly operator: Operator;
  readonly values: ReadonlySet<string>;
}

export type Match = 'yes' | 'no' | 'unknown';

export interface Selector {
  /** Selects everything. */
  readonly isEmpty: boolean;
  /** A part of it could not be read; then it matches nobody knows what. */
  readonly isMalformed: boolean;
  readonly requirements: readonly Requirement[];
  /** Equal for selectors that select the same by the same requirements. */
  readonly key: string;
}

/** Labels of which some may not be known, as of a namespace of which only the name is. */
export interface KnownLabels {
  readonly labels: ReadonlyMap<string, string>;
  readonly isImplied: boolean;
}

/** `matchLabels` and `matchExpressions`; an absent selector is an empty one. */
export function compileSelector(field: Field): Selector {
  const requirements: Requirement[] = [];
  let isMalformed = field.isPresent && field.kind !== 'map';
  const matchLabels = field.get('matchLabels');
  const equal = matchLabels.asTextMap();
  if (matchLabels.isPresent && (matchLabels.kind !== 'map' || equal.size < matchLabels.asMap().size))
    isMalformed = true;
  for (const [key, value] of equal) requirements.push({ key, operator: 'In', values: new Set([value]) });
  const expressions = field.get('matchExpressions');
  if (expressions.isPresent && expressions.kind !== 'list') isMalformed = true;
  for (const expression of expressions.asList()) {
    const requirement = compileExpression(expression);
    if (requirement === null) isMalformed = true;
    else requirements.push(requirement);
  }
  return createSelector(requirements, isMalformed);
}

/** The plain mapping by which a Service or an Istio resource selects. An absent or empty one selects what its kind says, often nothing. */
export function compileEquality(field: Field): Selector {
  const equal = field.asTextMap();
  const isMalformed = field.isPresent && (field.kind !== 'map' || equal.size < field.asMap().size);
  return createSelector(
    [...equal].map(([key, value]) => ({ key, operator: 'In', values: new Set([value]) })),
    isMalformed,
  );
}

export function createSelector(requirements: readonly Requirement[], isMalformed: boolean): Selector {
  const key = requirements
    .map(({ key, operator, values }) => JSON.stringify([key, operator, [...values].sort()]))
    .sort()
    .join();
  return {
    isEmpty: requirements.length === 0 && !isMalformed,
    isMalformed,
    requirements,
    key: isMalformed ? `?${key}` : key,
  };
}

/** Of labels that are known in full: those of pods. */
export function matchLabels(selector: Selector, labels: ReadonlyMap<string, string>): Match {
  if (!selector.requirements.every((requirement) => isMet(requirement, labels))) return 'no';
  return selector.isMalformed ? 'unknown' : 'yes';
}

/** Of a namespace. */
export function matchNamespace(selector: Selector, namespace: KnownLabels): Match {
  let match: Match = selector.isMalformed ? 'unknown' : 'yes';
  for (const requirement of selector.requirements) {
    if (namespace.isImplied && !namespace.labels.has(requirement.key)) match = 'unknown';
    else if (!isMet(requirement, namespace.labels)) return 'no';
  }
  return match;
}

function isMet({ key, operator, values }: Requirement, labels: ReadonlyMap<string, string>): boolean {
  const value = labels.get(key);
  switch (operator) {
    case 'In':
      return value !== undefined && values.has(value);
    case 'NotIn':
      return value === undefined || !values.has(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

function compileExpression(field: Field): Requirement | null {
  const key = field.get('key').requireText();
  const operatorField = field.get('operator');
  const operator = operatorField.requireText();
  const valuesField = field.get('values');
  const values = new Set(valuesField.asTexts());
  if (key === null || operator === null || (valuesField.isPresent && valuesField.kind !== 'list')) return null;
  switch (operator) {
    case 'In':
    case 'NotIn':
      // The API server refuses an empty list, and a reader could take it for either answer.
      if (values.size === 0 || values.size < new Set(valuesField.asList().map(({ value }) => value)).size) {
        return valuesField.noteWrong('a list of strings with at least one');
      }
      return { key, operator, values };
    case 'Exists':
    case 'DoesNotExist':
      return { key, operator, values: new Set() };
    default:
      return operatorField.noteWrong('In, NotIn, Exists or DoesNotExist');
  }
}
