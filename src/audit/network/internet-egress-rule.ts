// Whether workloads that hold models or credentials can send them anywhere.

import type { Cluster } from '../cluster.ts';
import { type Json, refToWorkload, type Rule, type Verdict } from '../finding.ts';
import { failed, passed, unknown } from '../verdict.ts';
import type { Workload } from '../workload.ts';
import type { Doubt } from './answer.ts';
import { formatBounds } from './bounds.ts';
import type { CniName } from './cni.ts';
import { isNone } from './connection-set.ts';
import type { Connectivity, PlacedConnection } from './connectivity.ts';
import { defaultDenyManifest } from './generated-policy.ts';
import { findHoldings } from './holdings.ts';
import { largestPart } from './outside.ts';
import { formatReason } from './reason.ts';
import { sharedConnectivity } from './shared-connectivity.ts';
import { doubtsOf, isWide } from './stranger.ts';
import { findUnreadInput } from './unread-input.ts';

export function internetEgressRule(cni: CniName | null): Rule {
  return {
    info: {
      id: 'network-internet-egress',
      title: 'A workload with models or credentials reaches the internet',
      severity: 'high',
      tenets: ['T2', 'T4'],
      aliases: ['C-0030'],
      atlas: ['AML.T0025'],
      help: `Weights, data and credentials leave through the connection that nobody thought about: an egress rule to \`0.0.0.0/0\`, or no policy for egress at all. Only workloads are judged that hold something: kinds that train or serve models, accelerators, mounted secrets, a cloud identity.

Rules that name addresses or domain names are taken for what they say, unless the name is \`*\`.

**Fix:** allow egress to the registries, buckets and services that are needed, by block, by selector or by name, or through a proxy that knows who asks.`,
      subject: 'workload',
      check: 'external-access',
    },
    evaluate: (cluster) => judge(cluster, sharedConnectivity(cluster, cni)),
  };
}

interface Asked {
  readonly workload: Workload;
  readonly holdings: readonly string[];
  readonly connections: readonly PlacedConnection[];
}

function* judge(cluster: Cluster, found: Connectivity): Iterable<Verdict> {
  const parts = [largestPart(found.outside, 4), largestPart(found.outside, 6)].filter((part) => part !== null);
  for (const workload of cluster.workloads) {
    const holdings = findHoldings(workload, cluster);
    if (holdings.length === 0) continue;
    const connections = parts.map((part) => found.between(workload, part));
    yield judgeWorkload({ workload, holdings, connections }, cluster);
  }
}

function judgeWorkload(asked: Asked, cluster: Cluster): Verdict {
  const { workload, connections } = asked;
  const resource = refToWorkload(workload, null);
  const at = workload.podPath;
  const open = connections.find(({ bounds }) => !isNone(bounds.certain));
  if (open !== undefined) return fails(asked, open);
  const perhaps = connections.find(({ bounds }) => !isNone(bounds.possible));
  const doubts = perhaps === undefined ? [] : doubtsOf(perhaps.why);
  if (perhaps !== undefined && !doubts.every(isOneName)) {
    const doubt = doubts.find((one) => !isOneName(one));
    return unknown(resource, {
      at,
      reason: doubt === undefined || doubt.code === 'enforcement' ? 'cni-unknown' : doubt.code,
      detail: `whether its pods reach the internet is not known: ${doubt?.detail ?? 'policies are missing'}`,
      evidence: evidenceOf(asked, perhaps),
    });
  }
  const missing = findUnreadInput(cluster);
  if (missing !== null) {
    return unknown(resource, { at, reason: missing.reason, detail: `not all was read: ${missing.detail}` });
  }
  const detail =
    perhaps === undefined ? 'policies keep its pods from the internet' : 'its pods reach only names that policies list';
  return { ...passed(resource, at, detail), evidence: perhaps === undefined ? {} : evidenceOf(asked, perhaps) };
}

function fails(asked: Asked, open: PlacedConnection): Verdict {
  const { workload, holdings } = asked;
  const isLimited = !isWide(open.bounds.certain);
  return failed(refToWorkload(workload, null), {
    at: workload.podPath,
    ...(isLimited ? { severity: 'medium' } : {}),
    detail: `its pods hold ${summarise(holdings)} and can connect to any address outside on ${formatBounds(open.bounds) === 'All' ? 'every port' : formatBounds({ certain: open.bounds.certain, possible: open.bounds.certain })}`,
    evidence: evidenceOf(asked, open),
    remediation: {
      text: 'Isolate its egress, and allow the addresses or names that it needs.',
      patch: null,
      manifest: workload.isHostNetwork ? null : defaultDenyManifest(workload.namespace, 'egress'),
    },
  });
}

const MAX_NAMED = 3;

function summarise(holdings: readonly string[]): string {
  const named = holdings.slice(0, MAX_NAMED).join(', ');
  return holdings.length <= MAX_NAMED ? named : `${named} and ${holdings.length - MAX_NAMED} more`;
}

function isOneName({ code }: Doubt): boolean {
  return code === 'domain-name';
}

function evidenceOf({ holdings }: Asked, { bounds, why }: PlacedConnection): Readonly<Record<string, Json>> {
  return { holds: holdings, connections: formatBounds(bounds), why: why.map(formatReason) };
}
