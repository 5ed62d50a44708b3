// Traffic of workloads in a mesh that the mesh was told not to see.

import type { Cluster } from '../../cluster.ts';
import {
  refToCluster,
  refToNamespace,
  refToWorkload,
  type AuditContext,
  type ResourceRef,
  type Rule,
  type Severity,
  type Verdict,
} from '../../finding.ts';
import type { Path } from '../../path.ts';
import { failed, passed, unknown } from '../../verdict.ts';
import type { Workload } from '../../workload.ts';
import { isOpen, type Opening } from '../capture.ts';
import { meshOf, type Mesh } from '../mesh.ts';
import { findListener } from '../sallyport.ts';
import { meshRuleInfo } from './mesh-rule-info.ts';
import { subjectsOf, tcpPortsOf } from './scope.ts';

export const PORT_EXCLUDED: Rule = {
  info: meshRuleInfo({
    id: 'mesh-port-excluded',
    title: 'Traffic passes the mesh by',
    severity: 'medium',
    aliases: ['IST0144'],
    help: `An annotation takes ports, addresses or interfaces out of what the mesh carries. What arrives there is plaintext whatever a PeerAuthentication says, and no AuthorizationPolicy is asked; what leaves there carries no identity.

Looked at are \`traffic.sidecar.istio.io/…\` (\`includeInboundPorts\`, \`excludeInboundPorts\`, \`excludeOutboundPorts\`, the IP ranges and \`excludeInterfaces\`), \`interceptionMode: NONE\`, \`ambient.istio.io/bypass-inbound-capture\`, \`config.linkerd.io/skip-…-ports\`, and containers that run as user 1337, whose packets the proxy takes for its own. UDP is carried by no mesh at all.

**Fix:** take the annotation away. For a port that speaks mutual TLS itself, as Sallyport's does, an exclusion is right.`,
  }),
  *evaluate(cluster: Cluster, { options }: AuditContext): Iterable<Verdict> {
    const mesh = meshOf(cluster, options);
    const shared = new Map<string, Verdict>();
    for (const workload of subjectsOf(cluster, mesh)) {
      const carrier = mesh.carrierOf(workload);
      if (carrier.kind === 'none' || (carrier.kind === 'unknown' && !mesh.isPresent)) continue;
      const openings = mesh.openingsOf(workload);
      for (const opening of openings) {
        if (opening.at !== null)
          yield judge(mesh, opening, { workload, resource: refToWorkload(workload, null), at: opening.at });
        // Of a namespace or the mesh: told once, not by each of its workloads.
        else if (!shared.has(opening.setting))
          shared.set(opening.setting, judge(mesh, opening, sharedPlace(cluster, workload, opening)));
      }
      yield* judgeUdp(mesh, workload);
      if (openings.length === 0 && carrier.kind !== 'unknown') {
        yield passed(refToWorkload(workload, null), workload.podPath, 'no setting takes traffic out of the mesh');
      }
    }
    yield* shared.values();
  },
};

interface Place {
  readonly workload: Workload;
  readonly resource: ResourceRef;
  readonly at: Path;
}

function sharedPlace(cluster: Cluster, workload: Workload, { setting }: Opening): Place {
  const namespace = cluster.namespaces.get(workload.namespace);
  const isOfNamespace = setting.endsWith(`of namespace ${workload.namespace}`);
  const resource = isOfNamespace ? refToNamespace(workload.namespace, namespace?.object ?? null) : refToCluster();
  return { workload, resource, at: isOfNamespace ? ['metadata', 'annotations'] : [] };
}

function judge(mesh: Mesh, opening: Opening, { workload, resource, at }: Place): Verdict {
  const { direction, ports, setting } = opening;
  const key = `${direction} ${setting}`;
  const evidence = { direction, setting };
  if (ports.kind === 'malformed') {
    return unknown(resource, { at, reason: 'malformed', detail: `${setting} is no list of ports`, evidence, key });
  }
  const open =
    direction === 'inbound' ? tcpPortsOf(mesh, workload).filter((port) => isOpen(ports, port) === 'yes') : [];
  const sallyport = mesh.sallyportOf(workload);
  const bare = open.filter((port) => findListener(sallyport, port) === null && !mesh.mtlsMode(workload, port).isProbes);
  const isWhole = ports.kind !== 'listed' || ports.ports.ranges.some(([first, last]) => last > first);
  if (direction === 'inbound' && open.length > 0 && bare.length === 0 && !isWhole) {
    return { ...passed(resource, at, `${setting}: only ports that Sallyport guards itself`), evidence, key };
  }
  const numbers = bare.filter((port) => port !== null);
  const which = numbers.length > 0 ? ` (of its own: ${numbers.join(', ')})` : '';
  const detail =
    direction === 'inbound'
      ? `what arrives there is not seen by the mesh${which}: ${setting}`
      : `what it sends there carries no identity of the mesh: ${setting}`;
  return failed(resource, {
    at,
    detail,
    evidence: { ...evidence, ports: numbers },
    remediation: {
      text:
        direction === 'inbound'
          ? `Take ${setting} away; where a client outside of the mesh needs the port, let the workload authenticate its callers itself.`
          : `Change this, so that its calls carry its identity: ${setting}.`,
      patch: null,
      manifest: null,
    },
    severity: severityOf(opening, bare),
    key,
  });
}

/** A port that nothing listens on is an opening for later. */
function severityOf({ direction, ports }: Opening, bare: readonly (number | null)[]): Severity {
  return direction === 'inbound' && ports.kind === 'listed' && bare.length === 0 ? 'low' : 'medium';
}

function* judgeUdp(mesh: Mesh, workload: Workload): Iterable<Verdict> {
  for (const { number, protocol, at } of mesh.portsOf(workload)) {
    if (protocol === 'TCP') continue;
    yield failed(refToWorkload(workload, null), {
      at,
      detail: `port ${number} is ${protocol}, which no mesh carries`,
      evidence: { port: number, protocol },
      remediation: {
        text: 'Have the application authenticate its callers itself, and let a NetworkPolicy name them.',
        patch: null,
        manifest: null,
      },
      severity: 'info',
      key: `${protocol} ${number}`,
    });
  }
}
