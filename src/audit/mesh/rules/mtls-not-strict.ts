// Ports of workloads in a mesh that answer to who proves nothing.

import type { Cluster } from '../../cluster.ts';
import {
  refToObject,
  refToWorkload,
  type AuditContext,
  type Remediation,
  type Rule,
  type Verdict,
} from '../../finding.ts';
import type { Path } from '../../path.ts';
import { failed, passed, unknown } from '../../verdict.ts';
import type { Workload } from '../../workload.ts';
import { isGateway } from '../carrier.ts';
import { meshOf, type Mesh } from '../mesh.ts';
import type { MtlsMode } from '../mtls-mode.ts';
import { linkerdServer, strictForWorkload, strictPeerAuthentication } from './manifests.ts';
import { meshRuleInfo } from './mesh-rule-info.ts';
import { subjectsOf, tcpPortsOf } from './scope.ts';

export const MTLS_NOT_STRICT: Rule = {
  info: meshRuleInfo({
    id: 'mesh-mtls-not-strict',
    title: 'A port in the mesh takes plaintext',
    severity: 'high',
    help: `In mode \`PERMISSIVE\` a port takes mutual TLS and plaintext, in mode \`DISABLE\` plaintext only: who asks in plaintext proves nothing, and whoever is on the way reads requests, models and training data. \`PERMISSIVE\` is what Istio has where nobody says otherwise, and is meant for moving into the mesh.

What counts is the mode of each port of each workload: of its \`portLevelMtls\` before the policy that selects the workload, before that of the namespace, before that of the mesh. One \`STRICT\` somewhere says nothing about the others.

**Fix:** a PeerAuthentication with \`mode: STRICT\` for the mesh or the namespace, and none narrower that takes it back. With Linkerd, a default inbound policy of \`all-authenticated\` or a Server with authorizations.`,
  }),
  *evaluate(cluster: Cluster, { options }: AuditContext): Iterable<Verdict> {
    const mesh = meshOf(cluster, options);
    for (const { object, key, detail } of mesh.settings.problems) {
      const text = `the configuration of Istio cannot be read: ${detail}`;
      yield unknown(refToObject(object), { at: ['data', key], reason: 'malformed', detail: text });
    }
    for (const workload of subjectsOf(cluster, mesh)) {
      for (const port of tcpPortsOf(mesh, workload)) yield* judge(mesh, workload, port);
    }
  },
};

function* judge(mesh: Mesh, workload: Workload, port: number | null): Iterable<Verdict> {
  const carrier = mesh.carrierOf(workload);
  const mode = mesh.mtlsMode(workload, port);
  if (isGateway(workload) || mode.isProbes) return;
  // What is in no mesh, and what passes its mesh by, is told by rules of their own.
  if (carrier.kind === 'none' && mode.by === null && mode.mode !== 'UNKNOWN') return;
  if (mode.opening !== null && mode.mode !== 'UNKNOWN') return;
  if (carrier.kind === 'unknown' && !mesh.isPresent) return;
  const resource = refToWorkload(workload, null);
  const at = placeOf(mesh, workload, port);
  const where = port === null ? 'any port it listens on' : `port ${port}`;
  const key = port === null ? 'any' : String(port);
  const evidence = { port, mode: mode.mode, source: mode.source };
  const isAssumed = mode.assumption !== null;
  if (mode.mode === 'UNKNOWN' || (isAssumed && (mode.mode === 'STRICT' || mode.object === null))) {
    const detail = `${where}: the mode of mutual TLS is not known: ${mode.source}`;
    yield unknown(resource, { at, reason: isAssumed ? 'mesh-membership' : 'mesh-mode', detail, evidence, key });
  } else if (mode.mode === 'STRICT') {
    yield { ...passed(resource, at, `${where} takes mutual TLS only: ${mode.source}`), evidence, key };
  } else {
    const takes = mode.mode === 'PERMISSIVE' ? 'takes plaintext beside mutual TLS' : 'takes plaintext only';
    yield failed(resource, {
      at,
      detail: `${where} ${takes}: ${mode.source}`,
      evidence,
      remediation: remedyFor(mesh, workload, { port, mode }),
      key,
      // A workload that serves nothing has nothing to lose by it yet.
      ...(port === null ? { severity: 'low' as const } : {}),
    });
  }
}

/** Where a port is declared, else the pod. */
export function placeOf(mesh: Mesh, workload: Workload, port: number | null): Path {
  const served = mesh.portsOf(workload).find(({ number, protocol }) => number === port && protocol === 'TCP');
  return served?.at ?? workload.podPath;
}

/** What makes a port take mutual TLS only. */
export function remedyFor(
  mesh: Mesh,
  workload: Workload,
  { port, mode: { by, object } }: { readonly port: number | null; readonly mode: MtlsMode },
): Remediation {
  if (by === 'linkerd') {
    return {
      text: 'Annotate the namespace with config.linkerd.io/default-inbound-policy: all-authenticated, or let a Server say who may ask at this port.',
      patch: null,
      manifest: port === null ? null : linkerdServer(workload, port),
    };
  }
  if (by === 'cilium') {
    const text =
      'Require authentication in every ingress rule that opens this port: authentication: { mode: required }.';
    return { text, patch: null, manifest: null };
  }
  if (object === null) {
    const text = `Set mode STRICT for namespace ${workload.namespace}, or for the mesh in its root namespace.`;
    return { text, patch: null, manifest: strictPeerAuthentication(workload.namespace, 'default') };
  }
  const name = `PeerAuthentication ${object.namespace ?? ''}/${object.name}`;
  const isForWorkload = mesh.peerAuthentications.all.some(
    (policy) => policy.object === object && policy.selector !== null,
  );
  const text = isForWorkload
    ? `In ${name}, set mode STRICT${port === null ? '' : `, also under portLevelMtls for port ${port}`}; of several policies that select the same workload only the oldest counts.`
    : `Set mode STRICT in ${name}, or for the workload alone.`;
  return { text, patch: null, manifest: isForWorkload ? null : strictForWorkload(workload) };
}
