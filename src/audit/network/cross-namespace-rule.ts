// Whether workloads of other namespaces reach a workload without any rule that means them.

import type { Cluster } from '../cluster.ts';
import { refToWorkload, type Rule, type Verdict } from '../finding.ts';
import { failed, passed, unknown } from '../verdict.ts';
import type { Workload } from '../workload.ts';
import { type Bounds, formatBounds } from './bounds.ts';
import type { Program } from './binding.ts';
import type { CniName } from './cni.ts';
import { isNone } from './connection-set.ts';
import type { Connectivity } from './connectivity.ts';
import { defaultDenyManifest } from './generated-policy.ts';
import { factsOf, type PodClass } from './pod-class.ts';
import { formatReason } from './reason.ts';
import { sharedConnectivity } from './shared-connectivity.ts';
import { askStranger, type Openness, withoutUnnamedPorts } from './stranger.ts';
import { findUnreadInput } from './unread-input.ts';

export function crossNamespaceRule(cni: CniName | null): Rule {
  return {
    info: {
      id: 'network-cross-namespace',
      title: 'Other namespaces reach a workload that nobody opened to them',
      severity: 'medium',
      tenets: ['T2', 'T3', 'T4'],
      aliases: ['C-0054'],
      atlas: ['AML.TA0015'],
      help: `A namespace is a border only where policies make it one. Each finding names workloads of other namespaces that connect to this one now, although no rule means them: nothing isolates it, or a rule opens it to the whole cluster. Policies that are read one namespace at a time do not show it.

**Fix:** isolate ingress in the namespace of the target, and name the namespaces that may come.`,
      subject: 'workload',
      check: null,
    },
    evaluate: (cluster) => judge(cluster, sharedConnectivity(cluster, cni)),
  };
}

function* judge(cluster: Cluster, found: Connectivity): Iterable<Verdict> {
  const sources = groupSources(found);
  const known = new Map<Program, Openness>();
  for (const workload of cluster.workloads) {
    const target = found.classOf(workload);
    if (target === null) continue;
    const program = found.programOf(withoutUnnamedPorts(factsOf(workload, cluster)), 'ingress');
    const openness = known.get(program) ?? askStranger(program);
    known.set(program, openness);
    const witnesses = openness.width === 'wide' ? witnessesOf(target, sources, found) : [];
    yield judgeWorkload(workload, { openness, witnesses }, { cluster, found });
  }
}

interface Witness {
  readonly from: Workload;
  readonly bounds: Bounds;
}

interface Facts {
  readonly openness: Openness;
  readonly witnesses: readonly Witness[];
}

const MAX_WITNESSES = 10;

/** By namespace, and there by the policies that decide about egress. */
type Sources = ReadonlyMap<string, ReadonlyMap<Program, readonly PodClass[]>>;

function groupSources({ classes, programOf }: Connectivity): Sources {
  const byNamespace = Map.groupBy(classes, ({ pod }) => pod.namespace.name);
  return new Map(
    [...byNamespace].map(([name, members]) => [name, Map.groupBy(members, ({ pod }) => programOf(pod, 'egress'))]),
  );
}

/** One of each namespace that gets there. */
function witnessesOf(target: PodClass, sources: Sources, found: Connectivity): readonly Witness[] {
  const witnesses: Witness[] = [];
  for (const [namespace, groups] of sources) {
    if (namespace === target.pod.namespace.name) continue;
    const witness = findWitness(target, groups, found);
    if (witness !== null) witnesses.push(witness);
    if (witnesses.length === MAX_WITNESSES) break;
  }
  return witnesses;
}

function findWitness(
  target: PodClass,
  groups: ReadonlyMap<Program, readonly PodClass[]>,
  found: Connectivity,
): Witness | null {
  for (const [program, classes] of groups) {
    // Whoever may not leave need not be asked for one by one.
    if (isNone(found.towards(program, target).certain)) continue;
    for (const source of classes) {
      const bounds = found.betweenClasses(source, target);
      const [from] = source.workloads;
      if (!isNone(bounds.certain) && from !== undefined) return { from, bounds };
    }
  }
  return null;
}

function judgeWorkload(
  workload: Workload,
  { openness, witnesses }: Facts,
  { cluster, found }: { readonly cluster: Cluster; readonly found: Connectivity },
): Verdict {
  const resource = refToWorkload(workload, null);
  const { podPath: at, namespace } = workload;
  if (openness.width === 'wide' && witnesses.length > 0) {
    return failed(resource, {
      at,
      detail: `pods of ${countNamespaces(witnesses)} connect to it although no rule means them: ${openness.why().map(formatReason).join('; ')}`,
      evidence: {
        witnesses: witnesses.map(({ from, bounds }) => ({ from: from.ref, connections: formatBounds(bounds) })),
        why: openness.why().map(formatReason),
      },
      remediation: {
        text: `Isolate ingress in ${namespace}, and name the namespaces whose pods may connect.`,
        patch: null,
        manifest: defaultDenyManifest(namespace, 'ingress'),
      },
    });
  }
  const missing = findUnreadInput(cluster);
  const [doubt] = openness.doubts;
  if (openness.width === 'perhaps' || found.enforcementDoubt !== null || missing !== null) {
    const detail = doubt?.detail ?? found.enforcementDoubt?.detail ?? missing?.detail ?? 'policies are missing';
    return unknown(resource, {
      at,
      reason: doubt?.code ?? (found.enforcementDoubt === null ? (missing?.reason ?? 'unread') : 'cni-unknown'),
      detail: `whether other namespaces reach it is not known: ${detail}`,
    });
  }
  return passed(resource, at, 'no pod of another namespace connects to it unless a rule means it');
}

function countNamespaces({ length }: readonly Witness[]): string {
  if (length === 1) return 'another namespace';
  return length === MAX_WITNESSES ? `${length} other namespaces or more` : `${length} other namespaces`;
}
