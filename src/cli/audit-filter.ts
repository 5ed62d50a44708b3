// `--namespace` and `--selector`: what is reported. All that was given is still looked at, for policies elsewhere count here too.

import { InvalidArgumentError, type Command } from 'commander';
import type { Cluster } from '../audit/cluster.ts';
import type { Evaluation, ResourceRef } from '../audit/finding.ts';
import type { KubeObject } from '../audit/kube-object.ts';
import { createSelector, matchLabels, type Requirement, type Selector } from '../audit/selector.ts';
import type { Workload } from '../audit/workload.ts';
import { findNearestName } from '../core/nearest-name.ts';
import { quote } from '../core/quote.ts';
import { AuditCommandError } from './audit-error.ts';

export interface FilterFlags {
  readonly namespace?: readonly string[];
  readonly selector?: Selector;
}

export function addFilterOptions(command: Command): Command {
  return command
    .option('--namespace <names>', 'report only these namespaces, and the cluster itself; repeatable', collectNames)
    .option(
      '--selector <labels>',
      'report only workloads and objects with these labels (a=b,c!=d,e in (f,g),h,!i)',
      parseSelector,
    );
}

/** A name that nothing has would report nothing, and look like nothing wrong. @throws {AuditCommandError} */
export function refuseEmptyFilter({ namespace, selector }: FilterFlags, cluster: Cluster): void {
  for (const name of namespace ?? []) {
    if (cluster.namespaces.has(name)) continue;
    const nearest = findNearestName(name, cluster.namespaces.keys());
    const hint = nearest === null ? '' : `; did you mean ${quote(nearest)}?`;
    throw new AuditCommandError('usage', `nothing of namespace ${quote(name)} is among what was read${hint}`);
  }
  if (selector === undefined) return;
  const workloadsOf = Map.groupBy(cluster.workloads, ({ object }) => object);
  if (!cluster.objects.some((object) => isLabelled(selector, object, workloadsOf.get(object) ?? []))) {
    throw new AuditCommandError('usage', 'nothing among what was read has the labels of --selector');
  }
}

export function keepsWorkload({ namespace, selector }: FilterFlags, workload: Workload): boolean {
  const isSelected = selector === undefined || isLabelled(selector, workload.object, [workload]);
  return isSelected && (namespace === undefined || namespace.includes(workload.namespace));
}

export function filterEvaluations(
  evaluations: readonly Evaluation[],
  flags: FilterFlags,
  cluster: Cluster,
): readonly Evaluation[] {
  const { namespace, selector } = flags;
  if (namespace === undefined && selector === undefined) return evaluations;
  const workloadsOf = Map.groupBy(cluster.workloads, ({ object }) => object);
  const keeps = ({ kind, name, namespace: own, object }: ResourceRef): boolean => {
    const within = own ?? (kind === 'Namespace' ? name : null);
    if (namespace !== undefined && within !== null && !namespace.includes(within)) return false;
    // What is no object has no labels: a namespace or the cluster, which matter to everything in them.
    return selector === undefined || object === null || isLabelled(selector, object, workloadsOf.get(object) ?? []);
  };
  return evaluations.map((evaluation) => ({
    ...evaluation,
    verdicts: evaluation.verdicts.filter(({ resource }) => keeps(resource)),
  }));
}

function isLabelled(selector: Selector, object: KubeObject, workloads: readonly Workload[]): boolean {
  return [object, ...workloads].some(({ labels }) => matchLabels(selector, labels) === 'yes');
}

function collectNames(text: string, before: readonly string[] = []): readonly string[] {
  const names = text.split(',');
  if (names.some((name) => !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name))) {
    throw new InvalidArgumentError('expected names of namespaces, with commas between them.');
  }
  return [...before, ...names];
}

const KEY = String.raw`(?<key>[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?)`;
const VALUE = String.raw`[-A-Za-z0-9_.]*`;
const FORMS = [
  new RegExp(String.raw`^${KEY}\s*(?<sign>==?|!=)\s*(?<values>${VALUE})$`),
  new RegExp(String.raw`^${KEY}\s+(?<sign>in|notin)\s*\((?<values>[^()]+)\)$`),
  new RegExp(String.raw`^(?<sign>!?)\s*${KEY}$`),
];
const OPERATORS = {
  '=': 'In',
  '==': 'In',
  in: 'In',
  '!=': 'NotIn',
  notin: 'NotIn',
  '': 'Exists',
  '!': 'DoesNotExist',
} as const;

/** As kubectl takes it. */
function parseSelector(text: string): Selector {
  // Not the commas between brackets.
  return createSelector(
    text.split(/,(?![^(]*\))/).map((part) => parseRequirement(part.trim())),
    false,
  );
}

function parseRequirement(text: string): Requirement {
  const groups = FORMS.map((form) => form.exec(text)?.groups).find((found) => found !== undefined);
  const sign = Object.keys(OPERATORS).find((known): known is keyof typeof OPERATORS => known === groups?.['sign']);
  const key = groups?.['key'];
  if (key === undefined || sign === undefined) {
    throw new InvalidArgumentError('expected labels such as a=b,c!=d,e in (f,g),h,!i.');
  }
  const values = groups?.['values']?.split(',').map((value) => value.trim()) ?? [];
  return { key, operator: OPERATORS[sign], values: new Set(values) };
}
