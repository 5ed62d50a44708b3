// Workloads that are in no mesh, in a cluster that has one.

import type { Cluster } from '../../cluster.ts';
import {
  refToWorkload,
  type AuditContext,
  type Remediation,
  type Rule,
  type Severity,
  type Verdict,
} from '../../finding.ts';
import { failed, passed, unknown } from '../../verdict.ts';
import type { Workload } from '../../workload.ts';
import type { AbsenceCause } from '../carrier.ts';
import { meshOf, requiresIdentity, type Mesh } from '../mesh.ts';
import { meshRuleInfo } from './mesh-rule-info.ts';
import { isTraining, subjectsOf, tcpPortsOf } from './scope.ts';

export const SIDECAR_MISSING: Rule = {
  info: meshRuleInfo({
    id: 'mesh-sidecar-missing',
    title: 'A workload is not in the mesh',
    severity: 'medium',
    aliases: ['IST0102', 'IST0103'],
    help: `What is not in the mesh speaks plaintext and has no identity: policies of the mesh neither hold for it nor know it, and everybody whom it calls has to take plaintext from it.

Being in the mesh shows in the pods: a sidecar, native or not, that the injector marked, or the annotation that ambient mode leaves. Where only templates are given, labels of the namespace and the pod decide.

Not every workload wants a sidecar. A training job would have to end with its proxy still running, and its gradients should not pass through one. Ambient mode puts nothing into the pod; or the job stays outside, and a proxy of its own carries only what it asks of others. Collective communication over RDMA passes every mesh by: keep it in a partition of its own.

**Fix:** enrol the namespace, with \`istio-injection: enabled\` or \`istio.io/dataplane-mode: ambient\`, and take away what keeps the pod out.`,
  }),
  *evaluate(cluster: Cluster, { options }: AuditContext): Iterable<Verdict> {
    const mesh = meshOf(cluster, options);
    if (!mesh.isPresent) return;
    for (const workload of subjectsOf(cluster, mesh)) yield judge(mesh, workload);
  },
};

function judge(mesh: Mesh, workload: Workload): Verdict {
  const carrier = mesh.carrierOf(workload);
  const resource = refToWorkload(workload, null);
  const at = workload.podPath;
  if (carrier.kind !== 'none' && carrier.kind !== 'unknown') {
    return passed(resource, at, `in the mesh, ${NAMES[carrier.kind]}: ${carrier.reason}`);
  }
  if (tcpPortsOf(mesh, workload).every((port) => isGuarded(mesh, workload, port))) {
    return passed(resource, at, 'in no mesh, and every port has its callers prove who they are');
  }
  if (carrier.kind === 'unknown') {
    const detail = `whether it is in the mesh is not known: ${carrier.reason}`;
    return unknown(resource, { at, reason: 'mesh-membership', detail });
  }
  const { cause, reason } = carrier;
  return failed(resource, {
    at,
    detail: `in no mesh: ${reason}`,
    evidence: { cause, reason, isTraining: isTraining(workload) },
    remediation: remedyFor(workload, cause),
    severity: severityOf(workload, cause),
  });
}

const NAMES = {
  'istio-sidecar': 'by a sidecar',
  'istio-ambient': 'in ambient mode',
  linkerd: "by Linkerd's proxy",
} as const;

function isGuarded(mesh: Mesh, workload: Workload, port: number | null): boolean {
  return requiresIdentity(mesh, workload, port) === 'yes' || mesh.mtlsMode(workload, port).isProbes;
}

function severityOf(workload: Workload, cause: AbsenceCause): Severity {
  const isOnPurpose = cause === 'opted-out' || cause === 'host-network';
  return isTraining(workload) && isOnPurpose ? 'low' : 'medium';
}

function remedyFor(workload: Workload, cause: AbsenceCause): Remediation {
  const { namespace } = workload;
  if (isTraining(workload)) return { text: adviceForTraining(workload, cause), patch: null, manifest: null };
  const texts: Readonly<Record<AbsenceCause, string>> = {
    'not-enrolled': `Label namespace ${namespace} with istio-injection: enabled, or with istio.io/dataplane-mode: ambient for ambient mode, and restart its workloads.`,
    'opted-out':
      'Take the label or annotation away that keeps the pod out, or put it into ambient mode: istio.io/dataplane-mode: ambient.',
    'host-network':
      'Take hostNetwork away; what needs the network of its node cannot be in a mesh, and has to authenticate its callers itself.',
    'not-injected': 'Restart the workload, so that its pods pass the injector, and see that its webhook fails closed.',
    'ignored-namespace': 'Move the workload to a namespace of its own.',
  };
  return { text: texts[cause], patch: null, manifest: null };
}

function adviceForTraining({ namespace }: Workload, cause: AbsenceCause): string {
  const ambient = `Ambient mode puts no proxy into its pods, which end when training does: label them or namespace ${namespace} with istio.io/dataplane-mode: ambient.`;
  const outside =
    'the job outside, and give only what it asks of others an identity: an egress sidecar for its calls to registry, feature store and tracker, or an egress gateway.';
  const rdma =
    'Gradients over RDMA or NCCL pass any mesh by: keep them in a partition of their own, and encrypt them in the application.';
  return cause === 'host-network'
    ? `In the network of its node no mesh carries it. Leave ${outside} ${rdma}`
    : `${ambient} Or leave ${outside} ${rdma}`;
}
