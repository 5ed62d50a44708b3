// Namespaces of a cluster without a mesh: what, if anything, makes callers prove who they are there.

import type { Cluster, Namespace } from '../../cluster.ts';
import { refToNamespace, type AuditContext, type Rule, type Verdict } from '../../finding.ts';
import { describeUnread, findUnread } from '../readable.ts';
import { failed, passed, unknown } from '../../verdict.ts';
import type { Workload } from '../../workload.ts';
import { meshOf, requiresIdentity, type Mesh } from '../mesh.ts';
import { meshRuleInfo } from './mesh-rule-info.ts';
import { isInfrastructure, tcpPortsOf } from './scope.ts';

export const IDENTITY_ABSENT: Rule = {
  info: meshRuleInfo({
    id: 'mesh-identity-absent',
    title: 'Nothing makes callers prove who they are',
    severity: 'medium',
    subject: 'namespace',
    tenets: ['T2', 'T3', 'T6'],
    help: `There is no mesh in the cluster, and no sidecar of Sallyport in front of these workloads: whoever reaches them is believed. Said once for a namespace.

**Fix:** a mesh (ambient mode needs no change of pods), or Sallyport in front of the services that others call.`,
  }),
  *evaluate(cluster: Cluster, { options }: AuditContext): Iterable<Verdict> {
    const mesh = meshOf(cluster, options);
    if (mesh.isPresent) return;
    for (const namespace of cluster.namespaces.values()) {
      const workloads = isInfrastructure(namespace.name, mesh) ? [] : cluster.workloadsIn(namespace.name);
      const serving = workloads.filter((workload) => tcpPortsOf(mesh, workload).some((port) => port !== null));
      if (serving.length > 0) yield judge(cluster, mesh, { namespace, serving });
    }
  },
};

interface Inhabited {
  readonly namespace: Namespace;
  /** Its workloads that serve a port. */
  readonly serving: readonly Workload[];
}

function judge(cluster: Cluster, mesh: Mesh, { namespace, serving }: Inhabited): Verdict {
  const resource = refToNamespace(namespace.name, namespace.object);
  const at = ['metadata', 'name'];
  const guarded = serving.filter((workload) => isGuarded(mesh, workload));
  if (guarded.length === serving.length) {
    return passed(resource, at, 'Sallyport stands in front of every port that is served here');
  }
  const bare = serving.filter((workload) => !guarded.includes(workload));
  const unread = findUnreadMesh(cluster, namespace);
  const evidence = { guarded: guarded.length, unguarded: bare.map(({ ref }) => ref).slice(0, 20), count: bare.length };
  const unclear = bare.some((workload) => mesh.sallyportOf(workload)?.config.kind === 'unknown')
    ? 'the configuration of a Sallyport there is not known'
    : unread;
  if (unclear !== null) {
    const detail = `what makes callers of ${bare.length} workloads prove who they are is not known: ${unclear}`;
    return unknown(resource, { at, reason: 'mesh-membership', detail, evidence });
  }
  const [first] = bare;
  const rest = guarded.length > 0 ? `; Sallyport stands in front of ${guarded.length} others` : '';
  return failed(resource, {
    at,
    detail: `no mesh, and nothing makes callers of ${bare.length} ${bare.length === 1 ? 'workload' : 'workloads'} prove who they are, ${first?.ref ?? ''} among them${rest}`,
    evidence,
    remediation: {
      text: 'Put the namespace into a mesh, or Sallyport in front of its services.',
      patch: null,
      manifest: null,
    },
  });
}

function isGuarded(mesh: Mesh, workload: Workload): boolean {
  return tcpPortsOf(mesh, workload).every(
    (port) => requiresIdentity(mesh, workload, port) === 'yes' || mesh.mtlsMode(workload, port).isProbes,
  );
}

/** Why a mesh could be there all the same; null when it could not. */
function findUnreadMesh(cluster: Cluster, namespace: Namespace): string | null {
  if (namespace.isImplied) return `the labels of namespace ${namespace.name} are not known`;
  const kinds = [
    ['admissionregistration.k8s.io', 'MutatingWebhookConfiguration'],
    ['security.istio.io', 'PeerAuthentication'],
  ] as const;
  for (const [group, kind] of kinds) {
    const unread = findUnread(cluster, { group, kind, namespace: namespace.name });
    // A kind that does not exist means that what it belongs to is not installed.
    if (unread !== null && unread.reason !== 'absent-kind') return describeUnread(unread);
  }
  return null;
}
