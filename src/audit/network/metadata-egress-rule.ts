// Whether pods reach the instance metadata of their cloud, which hands out the credentials of the node.

import type { Cluster } from '../cluster.ts';
import { type Json, refToWorkload, type Rule, type Severity, type Verdict } from '../finding.ts';
import { failed, passed, unknown } from '../verdict.ts';
import type { Workload } from '../workload.ts';
import { formatBounds } from './bounds.ts';
import type { CniName } from './cni.ts';
import { includes } from './connection-set.ts';
import type { Connectivity, PlacedConnection } from './connectivity.ts';
import { withoutMetadataManifest } from './generated-policy.ts';
import { formatRange } from './ip-address.ts';
import type { Outside } from './outside.ts';
import { formatReason } from './reason.ts';
import { sharedConnectivity } from './shared-connectivity.ts';
import { doubtsOf } from './stranger.ts';
import { findUnreadInput } from './unread-input.ts';

const METADATA_PORT = 80;
/** `spec.providerID` of nodes that have no metadata service. */
const NO_CLOUD = /^(?:kind|k3s|minikube|kwok|baremetalhost|metal3|vsphere):/;

export function metadataEgressRule(cni: CniName | null): Rule {
  return {
    info: {
      id: 'network-metadata-egress',
      title: 'Pods reach the instance metadata service',
      severity: 'high',
      tenets: ['T2', 'T6'],
      aliases: [],
      atlas: ['AML.T0012', 'AML.T0055', 'AML.T0025'],
      help: `\`169.254.169.254\` (\`fd00:ec2::254\`) is where a cloud hands out the credentials of the machine. A pod that reaches it takes the role of its node: every bucket and registry that the node may read. An egress rule to \`0.0.0.0/0\` without \`except: [169.254.169.254/32]\` reaches it, and so does every pod whose egress no policy isolates.

**Fix:** isolate egress, and except the address from blocks that contain it. Require a session token with a hop limit of one (IMDSv2) beside that: it stops pods that have their own network, not those on the network of their node.`,
      subject: 'workload',
      check: null,
    },
    evaluate: (cluster) => judge(cluster, sharedConnectivity(cluster, cni)),
  };
}

function* judge(cluster: Cluster, found: Connectivity): Iterable<Verdict> {
  const addresses = found.outside.filter(({ isMetadata }) => isMetadata);
  const missing = findUnreadInput(cluster);
  const hasCloud = mayHaveCloud(cluster);
  for (const workload of cluster.workloads) {
    const reached = addresses.map((address) => ({ address, connection: found.between(workload, address) }));
    const open = reached.find(({ connection }) => includes(connection.bounds.certain, 'TCP', METADATA_PORT));
    const perhaps = reached.find(({ connection }) => includes(connection.bounds.possible, 'TCP', METADATA_PORT));
    if (open !== undefined) yield fails(workload, open, hasCloud ? null : 'low');
    else if (perhaps !== undefined) yield isUnknown(workload, perhaps);
    else if (missing !== null) {
      const { reason, detail } = missing;
      yield unknown(refToWorkload(workload, null), {
        at: workload.podPath,
        reason,
        detail: `not all was read: ${detail}`,
      });
    } else
      yield passed(refToWorkload(workload, null), workload.podPath, 'policies keep its pods from instance metadata');
  }
}

interface Reached {
  readonly address: Outside;
  readonly connection: PlacedConnection;
}

function fails(workload: Workload, reached: Reached, severity: Severity | null): Verdict {
  const how = workload.isHostNetwork
    ? 'its pods are on the network of their node'
    : reached.connection.why.map(formatReason).join('; ');
  return failed(refToWorkload(workload, null), {
    at: workload.isHostNetwork ? [...workload.podPath, 'hostNetwork'] : workload.podPath,
    ...(severity === null ? {} : { severity }),
    detail: `its pods can connect to ${nameOf(reached.address)} and take the role of their node: ${how}`,
    evidence: evidenceOf(reached),
    remediation: {
      text: `Keep pods of ${workload.namespace} from the address: isolate their egress, and except it from every block that is allowed.`,
      patch: null,
      manifest: workload.isHostNetwork ? null : withoutMetadataManifest(workload.namespace),
    },
  });
}

function isUnknown(workload: Workload, reached: Reached): Verdict {
  const [doubt] = doubtsOf(reached.connection.why);
  const isUnenforced = doubt === undefined || doubt.code === 'enforcement';
  return unknown(refToWorkload(workload, null), {
    at: workload.podPath,
    reason: isUnenforced ? 'cni-unknown' : doubt.code,
    detail: `whether its pods can connect to ${nameOf(reached.address)} is not known: ${doubt?.detail ?? 'policies are missing'}`,
    evidence: evidenceOf(reached),
  });
}

function evidenceOf({ address, connection }: Reached): Readonly<Record<string, Json>> {
  return {
    address: nameOf(address),
    connections: formatBounds(connection.bounds),
    why: connection.why.map(formatReason),
  };
}

function nameOf({ addresses }: Outside): string {
  return addresses.map((range) => formatRange(range).replace(/\/(?:32|128)$/, '')).join(', ');
}

/** False only when every node says that it is in none. */
function mayHaveCloud(cluster: Cluster): boolean {
  const nodes = cluster.byKind('', 'Node');
  return (
    nodes.length === 0 || nodes.some((node) => !NO_CLOUD.test(cluster.field(node, 'spec', 'providerID').asText() ?? ''))
  );
}
