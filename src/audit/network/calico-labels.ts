// Calico's selectors, asked about pods and network sets.

import type { Field } from '../fields.ts';
import type { KnownLabels } from '../selector.ts';
import { type Answer, doubt } from './answer.ts';
import {
  askExpression,
  CalicoSelectorError,
  type Expression,
  keysOf,
  type LabelValue,
  parseCalicoSelector,
} from './calico-selector.ts';
import type { NamespaceFacts, PodFacts } from './endpoint.ts';
import type { PodTest } from './traffic-policy.ts';
import type { Vocabulary } from './vocabulary.ts';

const NAMESPACE_KEY = 'projectcalico.org/namespace';
const NAME_KEY = 'projectcalico.org/name';
const ORCHESTRATOR_KEY = 'projectcalico.org/orchestrator';
const SERVICE_ACCOUNT_KEY = 'projectcalico.org/serviceaccount';
const NAMESPACE_PREFIX = 'pcns.';
const SERVICE_ACCOUNT_PREFIX = 'pcsa.';

const NO_NAMESPACE_LABELS = doubt('namespace-labels', 'the labels of the namespace are not among what was read');
const NO_POD_LABELS = doubt('pod-labels', 'the template does not show all labels of its pods');
const NO_ACCOUNT_LABELS = doubt('pod-labels', 'the labels of the service account are not among what was read');
const ANY_SERVICE_ACCOUNT = doubt('pod-labels', 'the service account is not known');
export const MALFORMED_SELECTOR = doubt('malformed', 'the selector cannot be read');

/** Null where none is given: absent and empty are the same. `malformed` is noted. */
export function readCalicoSelector(field: Field): Expression | 'malformed' | null {
  const text = field.asText();
  if (text === null) return field.isPresent ? 'malformed' : null;
  if (text.trim() === '') return null;
  try {
    return parseCalicoSelector(text);
  } catch (error) {
    if (!(error instanceof CalicoSelectorError)) throw error;
    field.noteWrong('a selector of Calico');
    return 'malformed';
  }
}

/** Asks the labels of the pod, with what Calico adds to them. */
export function podTestOf(expression: Expression | 'malformed', vocabulary: Vocabulary): PodTest {
  if (expression === 'malformed') return { kind: 'every', answer: MALFORMED_SELECTOR };
  for (const key of keysOf(expression)) {
    if (isServiceAccountKey(key)) vocabulary.serviceAccounts.isAsked = true;
    else if (!isNamespaceKey(key)) vocabulary.podLabels.add(key);
  }
  return {
    kind: 'some',
    key: `calico ${keyOf(expression)}`,
    namespace: null,
    ofNamespace: () => true,
    ofPod: (pod) => askExpression(expression, { isGlobal: false, labelOf: (key) => podLabel(key, pod) }),
  };
}

export function namespaceTestOf(expression: Expression | 'malformed'): PodTest {
  if (expression === 'malformed') return { kind: 'every', answer: MALFORMED_SELECTOR };
  return {
    kind: 'some',
    key: `calico namespace ${keyOf(expression)}`,
    namespace: null,
    ofNamespace: (namespace) => askNamespace(expression, namespace),
    ofPod: () => true,
  };
}

export function serviceAccountTestOf(expression: Expression | 'malformed', vocabulary: Vocabulary): PodTest {
  if (expression === 'malformed') return { kind: 'every', answer: MALFORMED_SELECTOR };
  vocabulary.serviceAccounts.isAsked = true;
  return {
    kind: 'some',
    key: `calico account ${keyOf(expression)}`,
    namespace: null,
    ofNamespace: () => true,
    ofPod: (pod) => askExpression(expression, { isGlobal: false, labelOf: (key) => accountLabel(key, pod) }),
  };
}

export function serviceAccountsNamed(names: ReadonlySet<string>, vocabulary: Vocabulary): PodTest {
  vocabulary.serviceAccounts.isAsked = true;
  return {
    kind: 'some',
    key: `calico accounts ${JSON.stringify([...names].sort())}`,
    namespace: null,
    ofNamespace: () => true,
    ofPod: ({ serviceAccount }) => (serviceAccount === null ? ANY_SERVICE_ACCOUNT : names.has(serviceAccount)),
  };
}

export interface NetworkSetFacts {
  readonly labels: ReadonlyMap<string, string>;
  /** Null for a GlobalNetworkSet. */
  readonly namespace: NamespaceFacts | null;
}

export function askNetworkSet(expression: Expression, { labels, namespace }: NetworkSetFacts): Answer {
  const labelOf = (key: string): LabelValue => {
    if (!isNamespaceKey(key)) return labels.get(key) ?? null;
    return namespace === null ? null : namespaceLabelOfEndpoint(key, namespace);
  };
  return askExpression(expression, { isGlobal: namespace === null, labelOf });
}

/** `all()` means every namespace, `global()` what is in none. */
export function askNamespace(expression: Expression, namespace: NamespaceFacts | null): Answer {
  const labelOf = (key: string): LabelValue => {
    if (namespace === null) return null;
    if (key === NAME_KEY) return namespace.name;
    return namespace.labels.get(key) ?? (namespace.isImplied ? NO_NAMESPACE_LABELS : null);
  };
  return askExpression(withoutAll(expression, namespace === null), { isGlobal: namespace === null, labelOf });
}

function withoutAll(expression: Expression, isGlobal: boolean): Expression {
  switch (expression.kind) {
    case 'all':
      return isGlobal ? { kind: 'not', operand: expression } : expression;
    case 'not':
      return { kind: 'not', operand: withoutAll(expression.operand, isGlobal) };
    case 'and':
    case 'or':
      return { ...expression, operands: expression.operands.map((operand) => withoutAll(operand, isGlobal)) };
    case 'global':
    case 'has':
    case 'compare':
    case 'in':
      return expression;
  }
}

function podLabel(key: string, pod: PodFacts): LabelValue {
  if (key === ORCHESTRATOR_KEY) return 'k8s';
  if (isNamespaceKey(key)) return namespaceLabelOfEndpoint(key, pod.namespace);
  if (key === SERVICE_ACCOUNT_KEY) return pod.serviceAccount ?? ANY_SERVICE_ACCOUNT;
  if (isServiceAccountKey(key)) return accountLabel(key.slice(SERVICE_ACCOUNT_PREFIX.length), pod);
  return known(pod.labels, key) ?? (pod.labels.isImplied ? NO_POD_LABELS : null);
}

function namespaceLabelOfEndpoint(key: string, namespace: NamespaceFacts): LabelValue {
  if (key === NAMESPACE_KEY) return namespace.name;
  const name = key.slice(NAMESPACE_PREFIX.length);
  if (name === NAME_KEY) return namespace.name;
  return known(namespace, name) ?? (namespace.isImplied ? NO_NAMESPACE_LABELS : null);
}

function accountLabel(key: string, { serviceAccount, serviceAccountLabels }: PodFacts): LabelValue {
  if (key === NAME_KEY) return serviceAccount ?? ANY_SERVICE_ACCOUNT;
  return known(serviceAccountLabels, key) ?? (serviceAccountLabels.isImplied ? NO_ACCOUNT_LABELS : null);
}

function known({ labels }: KnownLabels, key: string): string | null {
  return labels.get(key) ?? null;
}

function isNamespaceKey(key: string): boolean {
  return key === NAMESPACE_KEY || key.startsWith(NAMESPACE_PREFIX);
}

function isServiceAccountKey(key: string): boolean {
  return key === SERVICE_ACCOUNT_KEY || key.startsWith(SERVICE_ACCOUNT_PREFIX);
}

function keyOf(expression: Expression): string {
  return JSON.stringify(expression, (_, value: unknown) => (value instanceof Set ? [...value] : value));
}
