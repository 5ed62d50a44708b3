// Label selectors as questions about pods and namespaces.

import type { Field } from '../fields.ts';
import { compileSelector, createSelector, type KnownLabels, matchNamespace, type Selector } from '../selector.ts';
import { type Answer, and, doubt, type Doubt } from './answer.ts';
import type { NamespaceFacts } from './endpoint.ts';
import { hasOnly } from './known-keys.ts';
import { EVERY_POD, type PodTest } from './traffic-policy.ts';
import type { Vocabulary } from './vocabulary.ts';

/** A selector with a key that it does not have may select anything: readers that drop the key select everything. */
export function readSelector(field: Field): Selector {
  const selector = compileSelector(field);
  return hasOnly(field, ['matchLabels', 'matchExpressions']) ? selector : createSelector(selector.requirements, true);
}

export interface PodSelection {
  /** A name, a selector, or null for all. */
  readonly namespaces: string | Selector | null;
  /** Null for all. */
  readonly pods: Selector | null;
}

export function selectPods({ namespaces, pods }: PodSelection, vocabulary: Vocabulary): PodTest {
  const namespaceSelector =
    namespaces === null || typeof namespaces === 'string' || namespaces.isEmpty ? null : namespaces;
  const podSelector = pods === null || pods.isEmpty ? null : pods;
  for (const { key } of podSelector?.requirements ?? []) vocabulary.podLabels.add(key);
  const namespace = typeof namespaces === 'string' ? namespaces : null;
  if (namespace === null && namespaceSelector === null && podSelector === null) return EVERY_POD;
  return {
    kind: 'some',
    key: JSON.stringify([namespace, namespaceSelector?.key ?? '', podSelector?.key ?? '']),
    namespace,
    ofNamespace: (facts) => and(namespace === null || facts.name === namespace, askNamespace(namespaceSelector, facts)),
    ofPod: ({ labels }) => askPod(podSelector, labels),
  };
}

function askNamespace(selector: Selector | null, namespace: NamespaceFacts): Answer {
  return selector === null ? true : ask(selector, namespace, NAMESPACE_DOUBT);
}

function askPod(selector: Selector | null, labels: KnownLabels): Answer {
  return selector === null ? true : ask(selector, labels, POD_DOUBT);
}

function ask(selector: Selector, labels: KnownLabels, ifImplied: Doubt): Answer {
  const match = matchNamespace(selector, labels);
  if (match !== 'unknown') return match === 'yes';
  return selector.isMalformed ? MALFORMED_SELECTOR : ifImplied;
}

const NAMESPACE_DOUBT = doubt('namespace-labels', 'the labels of the namespace are not among what was read');
const POD_DOUBT = doubt('pod-labels', 'the template does not show all labels of its pods');
const MALFORMED_SELECTOR = doubt('malformed', 'the selector cannot be read');
