// Rules about what a container may use up, and what it may write.

import type { Cluster } from '../cluster.ts';
import type { Rule, RuleInfo, Verdict } from '../finding.ts';
import type { Inspection, Scope } from './inspection.ts';
import { controlRule } from './control-rule.ts';
import { patchToSet, remedy } from './patch.ts';
import { podRuleInfo } from './pod-rule-info.ts';
import { passed } from '../verdict.ts';

const MEMORY_LIMIT = limitRule(
  'memory',
  podRuleInfo({
    id: 'pod-memory-limit',
    title: 'A container may use up all memory of its node',
    severity: 'low',
    aliases: ['C-0271'],
    help: `Without a memory limit, one container drives its neighbours on the node out of memory: a model that is too large, or a request made to be.

**Fix:** \`resources: { limits: { memory: … } }\`, of the container or of the pod, or a LimitRange with a default in the namespace.`,
  }),
);

const CPU_LIMIT = limitRule(
  'cpu',
  podRuleInfo({
    id: 'pod-cpu-limit',
    title: 'A container may use all CPUs of its node',
    severity: 'info',
    aliases: ['C-0270'],
    help: `Without a CPU limit, a container takes what is idle; its request is what it is sure of. Many leave the limit out on purpose, which is why this is for information only.

**Fix:** \`resources: { limits: { cpu: … } }\` where neighbours must be sure of theirs.`,
  }),
);

const WRITABLE_ROOT = controlRule({
  info: podRuleInfo({
    id: 'pod-writable-root-filesystem',
    title: 'A container can change its own files',
    severity: 'low',
    aliases: ['C-0017'],
    help: `What a container can write, an attacker can: libraries that the model server loads, and tools that stay.

**Fix:** \`readOnlyRootFilesystem: true\`, and an \`emptyDir\` for each directory that must be writable.`,
  }),
  inspect: (inspection) => {
    const os = inspection.text(inspection.pod, 'os', 'name');
    if (os.kind === 'value' && os.value === 'windows') return;
    for (const scope of inspection.containers()) {
      const reading = inspection.boolean(scope, 'securityContext', 'readOnlyRootFilesystem');
      if (reading.kind === 'absent' || (reading.kind === 'value' && !reading.value)) {
        inspection.violate(scope, reading.field, 'has a root filesystem that it can write to');
      }
    }
  },
  remedyOf: ({ container }, { workload, field }) =>
    remedy(
      workload,
      `Make the root filesystem of container \`${container?.name ?? ''}\` read-only.`,
      patchToSet(field, ['securityContext', 'readOnlyRootFilesystem'], true),
    ),
  held: 'every container has a read-only root filesystem',
});

export const RESOURCE_RULES: readonly Rule[] = [MEMORY_LIMIT, CPU_LIMIT, WRITABLE_ROOT];

function limitRule(resource: 'memory' | 'cpu', info: RuleInfo): Rule {
  const rule = controlRule({
    info,
    inspect: (inspection) => inspectLimit(inspection, resource),
    remedyOf: ({ container }, { workload }) =>
      remedy(workload, `Set a ${resource} limit for container \`${container?.name ?? ''}\`.`, null),
    held: `every container has a ${resource} limit`,
  });
  return {
    info,
    *evaluate(cluster, context): Iterable<Verdict> {
      const defaults = namespacesWithDefault(cluster, resource);
      for (const verdict of rule.evaluate(cluster, context)) {
        const { namespace } = verdict.resource;
        const isDefaulted = verdict.verdict === 'fail' && namespace !== null && defaults.has(namespace);
        // Admission sets the default of a LimitRange where a template sets none.
        if (!isDefaulted) yield verdict;
        else yield passed(verdict.resource, verdict.at, `a LimitRange gives the ${resource} limit`);
      }
    },
  };
}

function inspectLimit(inspection: Inspection, resource: string): void {
  const ofPod = inspection.map(inspection.pod, 'resources', 'limits');
  if (ofPod.kind === 'value' && ofPod.value.get(resource).isPresent) return;
  for (const scope of inspection.containers().filter(isLasting)) {
    const limits = inspection.map(scope, 'resources', 'limits');
    if (limits.kind === 'unknown') continue;
    if (limits.kind === 'value' && limits.value.get(resource).isPresent) continue;
    inspection.violate(scope, scope.field.get('resources', 'limits', resource), `has no ${resource} limit`);
  }
}

/** Ephemeral containers cannot have limits, and init containers are gone before the load comes. */
function isLasting({ container }: Scope): boolean {
  return container?.kind === 'main' || container?.kind === 'sidecar';
}

function namespacesWithDefault(cluster: Cluster, resource: string): ReadonlySet<string> {
  const namespaces = new Set<string>();
  for (const range of cluster.byKind('', 'LimitRange')) {
    const gives = cluster
      .field(range, 'spec', 'limits')
      .asList()
      .some((limit) => limit.get('type').asText() === 'Container' && isSet(limit, resource));
    if (gives && range.namespace !== null) namespaces.add(range.namespace);
  }
  return namespaces;
}

/** A maximum is the default where none is given. */
function isSet(limit: ReturnType<Cluster['field']>, resource: string): boolean {
  return limit.get('default', resource).isPresent || limit.get('max', resource).isPresent;
}
