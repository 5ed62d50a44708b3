// Whether pods are closed unless a rule opens them: those that are there, and those to come. Each direction is a rule of its own.

import type { Cluster, Namespace } from '../cluster.ts';
import { type Json, refToNamespace, refToWorkload, type ResourceRef, type Rule, type Verdict } from '../finding.ts';
import type { Path } from '../path.ts';
import { failed, passed, unknown } from '../verdict.ts';
import type { Workload } from '../workload.ts';
import type { Program } from './binding.ts';
import { formatBounds } from './bounds.ts';
import type { CniName } from './cni.ts';
import type { Connectivity } from './connectivity.ts';
import { defaultDenyManifest } from './generated-policy.ts';
import { factsOf } from './pod-class.ts';
import { formatReason } from './reason.ts';
import { sharedConnectivity } from './shared-connectivity.ts';
import { futurePod, opennessOf, type Openness, withoutUnnamedPorts } from './stranger.ts';
import type { Direction } from './traffic-policy.ts';
import { findUnreadInput } from './unread-input.ts';

const HELP: Readonly<Record<Direction, string>> = {
  ingress: `Pods accept connections from everywhere until a policy isolates them. A training job that is taken over then reaches every registry, feature store and inference server of the cluster.

Two claims are judged. *Current pods*: the policies that select a workload leave nothing open to pods and addresses that no rule names. *Future pods*: a policy without a pod selector isolates whatever comes into the namespace. A rule that lets everything in (\`ingress: [{}]\`, no \`from\`, \`namespaceSelector: {}\`, \`0.0.0.0/0\`) undoes both, for allows add up.

**Fix:** one policy per namespace with \`podSelector: {}\` and \`policyTypes: [Ingress]\`, and one with rules for each connection that is wanted.`,
  egress: `Pods connect to everywhere until a policy isolates them for egress, which one without \`Egress\` in its \`policyTypes\` and without egress rules does not do. Whoever runs code in a training job then sends weights and data wherever he likes.

Two claims are judged. *Current pods*: the policies that select a workload leave nothing open to pods and addresses that no rule names. *Future pods*: a policy without a pod selector isolates whatever comes into the namespace. A rule that lets everything out undoes both, for allows add up.

**Fix:** one policy per namespace with \`podSelector: {}\` and \`policyTypes: [Egress]\` that lets DNS out, and one with rules for each connection that is wanted.`,
};

export function defaultDenyRule(direction: Direction, cni: CniName | null): Rule {
  return {
    info: {
      id: `network-default-deny-${direction}`,
      title: direction === 'ingress' ? 'Pods accept connections from everywhere' : 'Pods connect to everywhere',
      severity: 'high',
      tenets: ['T2', 'T4'],
      aliases: ['CIS-5.3.2', 'C-0206', 'C-0030', 'C-0054'],
      atlas: direction === 'ingress' ? ['AML.TA0015'] : ['AML.TA0015', 'AML.T0025'],
      help: HELP[direction],
      subject: 'workload',
      check: 'default-deny',
    },
    evaluate: (cluster) => judge({ cluster, found: sharedConnectivity(cluster, cni), direction }),
  };
}

interface Context {
  readonly cluster: Cluster;
  readonly found: Connectivity;
  readonly direction: Direction;
}

function* judge(context: Context): Iterable<Verdict> {
  const { cluster, found, direction } = context;
  const known = new Map<Program, Openness>();
  for (const workload of cluster.workloads) {
    if (found.classOf(workload) === null) {
      yield onNode(workload, direction);
      continue;
    }
    const program = found.programOf(withoutUnnamedPorts(factsOf(workload, cluster)), direction);
    const openness = known.get(program) ?? opennessOf(program, found);
    known.set(program, openness);
    yield judgeWorkload(workload, openness, context);
  }
  for (const namespace of cluster.namespaces.values()) {
    const isEmpty = cluster.workloadsIn(namespace.name).length === 0;
    if (isEmpty && namespace.object === null) continue;
    const openness = opennessOf(found.programOf(futurePod(namespace), direction), found);
    yield judgeFuture(namespace, { openness, isEmpty }, context);
  }
}

function onNode(workload: Workload, direction: Direction): Verdict {
  return failed(refToWorkload(workload, null), {
    at: [...workload.podPath, 'hostNetwork'],
    severity: 'medium',
    detail: `its pods are on the network of their node, to which policies are not applied: ${direction} is open`,
    evidence: { claim: 'current', direction, outsideNetworkPolicy: true },
    remediation: {
      text: 'Take the pods off the network of the node, or confine the node itself.',
      patch: null,
      manifest: null,
    },
  });
}

interface Claim {
  readonly resource: ResourceRef;
  readonly at: Path;
  readonly namespace: string;
  readonly claim: 'current' | 'future';
  readonly openness: Openness;
}

function judgeWorkload(workload: Workload, openness: Openness, context: Context): Verdict {
  const { namespace, podPath: at } = workload;
  const claim: Claim = { resource: refToWorkload(workload, null), at, namespace, claim: 'current', openness };
  if (openness.width === 'wide') return fails(claim, context);
  return openness.width === 'perhaps' ? isUnknown(claim, context) : holds(claim, context);
}

interface FutureFacts {
  readonly openness: Openness;
  readonly isEmpty: boolean;
}

/** What depends on labels alone is left to whoever writes the next pod, and so it is open. */
function judgeFuture({ name, object }: Namespace, { openness, isEmpty }: FutureFacts, context: Context): Verdict {
  const claim: Claim = {
    resource: refToNamespace(name, object),
    at: ['metadata', 'name'],
    namespace: name,
    claim: 'future',
    openness,
  };
  if (openness.width === 'narrow') return holds(claim, context);
  const isOpen = openness.width === 'wide' || openness.doubts.every(({ code }) => code === 'pod-labels');
  if (!isOpen) return isUnknown(claim, context);
  const verdict = fails(claim, context);
  return isEmpty && verdict.verdict === 'fail' ? { ...verdict, severity: 'low' } : verdict;
}

function fails({ resource, at, namespace, claim, openness }: Claim, { direction, found }: Context): Verdict {
  return failed(resource, {
    at,
    key: claim,
    detail: `${claim === 'current' ? 'its pods' : 'pods to come'} ${openTo(openness, direction)}: ${because(openness, found)}`,
    evidence: evidenceOf(openness, { claim, direction }),
    remediation: {
      text: `Isolate every pod of ${namespace} for ${direction}, and allow what is wanted by rules that name it.`,
      patch: null,
      manifest: defaultDenyManifest(namespace, direction),
    },
  });
}

function isUnknown({ resource, at, claim, openness }: Claim, { direction }: Context): Verdict {
  const [doubt] = openness.doubts;
  return unknown(resource, {
    at,
    key: claim,
    reason: doubt?.code ?? 'unread',
    detail: `whether ${direction} is denied by default is not known: ${doubt?.detail ?? 'policies are missing'}`,
    evidence: evidenceOf(openness, { claim, direction }),
  });
}

/** A policy denies nothing that no CNI enforces, and one that was not read could allow everything. */
function holds(claim: Claim, context: Context): Verdict {
  const { resource, at, openness } = claim;
  const { found, direction, cluster } = context;
  const missing = findUnreadInput(cluster);
  if (found.enforcementDoubt !== null || missing !== null) {
    return unknown(resource, {
      at,
      key: claim.claim,
      reason: missing === null ? 'cni-unknown' : missing.reason,
      detail: `policies deny ${direction} by default, and ${missing === null ? found.enforcement.detail : `not all were read: ${missing.detail}`}`,
      evidence: evidenceOf(openness, { claim: claim.claim, direction }),
    });
  }
  const verdict = passed(resource, at, `${direction} is denied by default: ${because(openness, found)}`);
  return { ...verdict, key: claim.claim, evidence: evidenceOf(openness, { claim: claim.claim, direction }) };
}

function openTo({ peer }: Openness, direction: Direction): string {
  const whom = peer === 'pods' ? 'any pod of the cluster' : 'any address';
  return direction === 'ingress' ? `accept connections from ${whom}` : `connect to ${whom}`;
}

function because({ why }: Openness, { enforcement }: Connectivity): string {
  if (enforcement.enforcers.length === 0) return `nothing enforces policies (${enforcement.detail})`;
  const [first] = why().toSorted((left, right) => gravityOf(left.effect) - gravityOf(right.effect));
  return first === undefined ? 'no policy selects them' : formatReason(first);
}

/** What opens comes before what closes. */
function gravityOf(effect: string): number {
  return ['open', 'allows', 'unknown', 'passes', 'isolates', 'denies'].indexOf(effect);
}

function evidenceOf(
  { bounds, why, peer }: Openness,
  { claim, direction }: { readonly claim: string; readonly direction: Direction },
): Readonly<Record<string, Json>> {
  return { claim, direction, peer, openToStrangers: formatBounds(bounds), why: why().map(formatReason) };
}
