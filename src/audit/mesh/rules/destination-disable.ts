// DestinationRules that have clients speak plaintext to what is in the mesh.

import type { Cluster } from '../../cluster.ts';
import { refToCluster, refToObject, type AuditContext, type Rule, type Verdict } from '../../finding.ts';
import type { KubeObject } from '../../kube-object.ts';
import { failed, passed, unknown, unknownWithout } from '../../verdict.ts';
import type { Workload } from '../../workload.ts';
import { isClusterHost, isHostOf, type TlsSetting } from '../destination-rules.ts';
import { meshOf, requiresIdentity, type Mesh } from '../mesh.ts';
import { findUnread } from '../readable.ts';
import { meshRuleInfo } from './mesh-rule-info.ts';

export const DESTINATION_DISABLE: Rule = {
  info: meshRuleInfo({
    id: 'mesh-destination-disable',
    title: 'Clients are told to speak plaintext in the mesh',
    severity: 'high',
    subject: 'object',
    aliases: ['IST0113'],
    help: `A DestinationRule with \`tls: { mode: DISABLE }\` has every client that it is for speak plaintext to its host. Where the host takes plaintext, requests go unencrypted and without an identity; where it is \`STRICT\`, they are refused, which is often why somebody then makes it \`PERMISSIVE\`.

**Fix:** take the \`tls\` section away: sidecars use mutual TLS by themselves towards whoever has it. \`mode: ISTIO_MUTUAL\` says so explicitly.`,
  }),
  *evaluate(cluster: Cluster, { options }: AuditContext): Iterable<Verdict> {
    const mesh = meshOf(cluster, options);
    if (!mesh.isPresent) return;
    const unread = findUnread(cluster, { group: 'networking.istio.io', kind: 'DestinationRule', namespace: null });
    if (unread !== null && unread.kind !== null) yield unknownWithout(refToCluster(), [], unread);
    for (const setting of mesh.destinationRules.settings) {
      if (isClusterHost(setting.host)) yield* judge(cluster, mesh, setting);
    }
  },
};

function* judge(cluster: Cluster, mesh: Mesh, setting: TlsSetting): Iterable<Verdict> {
  const { object, at, mode, host } = setting;
  const resource = refToObject(object);
  if (mode !== 'DISABLE') {
    yield passed(resource, at, `clients of ${host} use TLS: ${mode}`);
    return;
  }
  const services = cluster.byKind('', 'Service').filter((service) => isHostOf(host, object.namespace ?? '', service));
  if (services.length === 0) {
    const detail = `whether ${host}, to which clients speak plaintext, is in the mesh is not known: no Service of that name is there`;
    yield unknown(resource, { at, reason: 'not-given', detail });
    return;
  }
  const targets = services.flatMap((service) => workloadsOf(cluster, mesh, service));
  const carried = targets.filter((workload) => isCarried(mesh, workload));
  const doubtful = targets.filter((workload) => mesh.carrierOf(workload).kind === 'unknown');
  const evidence = { host, mode, workloads: targets.map(({ ref }) => ref).slice(0, 20) };
  if (carried.length > 0) {
    const refuses = carried.every((workload) => refusesPlaintext(mesh, workload, services));
    const [first] = carried;
    const more = carried.length > 1 ? ` and ${carried.length - 1} more` : '';
    yield failed(resource, {
      at,
      detail: `clients speak plaintext to ${host}, that is ${first?.ref ?? ''}${more} in the mesh${refuses ? ', which refuses them' : ''}`,
      evidence,
      remediation: {
        text: 'Take the tls section away, or set mode ISTIO_MUTUAL.',
        patch: [{ op: 'replace', path: `/${at.map(escape).join('/')}`, value: 'ISTIO_MUTUAL' }],
        manifest: null,
      },
      // Nothing goes out in plaintext that would be answered.
      ...(refuses ? { severity: 'medium' as const } : {}),
    });
  } else if (doubtful.length > 0) {
    const detail = `whether ${host}, to which clients speak plaintext, is in the mesh is not known`;
    yield unknown(resource, { at, reason: 'mesh-membership', detail, evidence });
  } else {
    yield passed(resource, at, `${host}, to which clients speak plaintext, is in no mesh`);
  }
}

function workloadsOf(cluster: Cluster, mesh: Mesh, service: KubeObject): readonly Workload[] {
  return cluster
    .workloadsIn(service.namespace ?? '')
    .filter((workload) => mesh.services.selecting(workload).some(({ object }) => object === service));
}

function isCarried(mesh: Mesh, workload: Workload): boolean {
  const { kind } = mesh.carrierOf(workload);
  return kind === 'istio-sidecar' || kind === 'istio-ambient';
}

/** At every port to which one of the Services leads. */
function refusesPlaintext(mesh: Mesh, workload: Workload, services: readonly KubeObject[]): boolean {
  const ports = mesh
    .portsOf(workload)
    .filter(
      ({ protocol, services: leading }) => protocol === 'TCP' && leading.some((service) => services.includes(service)),
    );
  return ports.length > 0 && ports.every(({ number }) => requiresIdentity(mesh, workload, number) === 'yes');
}

/** RFC 6901 §3 */
function escape(step: string | number): string {
  return String(step).replaceAll('~', '~0').replaceAll('/', '~1');
}
