// Policies of the mesh that somebody wrote and nobody goes by.

import type { Cluster } from '../../cluster.ts';
import { refToObject, type AuditContext, type Rule, type Verdict } from '../../finding.ts';
import type { Path } from '../../path.ts';
import { matchLabels } from '../../selector.ts';
import { failed, passed } from '../../verdict.ts';
import type { AuthorizationPolicy } from '../istio-policy.ts';
import { meshOf, type Mesh } from '../mesh.ts';
import type { PeerAuthentication } from '../peer-authentication.ts';
import { meshRuleInfo } from './mesh-rule-info.ts';

export const POLICY_IGNORED: Rule = {
  info: meshRuleInfo({
    id: 'mesh-policy-ignored',
    title: 'A policy of the mesh has no effect',
    severity: 'medium',
    subject: 'object',
    tenets: ['T4', 'T5'],
    atlas: [],
    check: null,
    help: `Istio ignores, without a word where people look: a PeerAuthentication with a selector in the root namespace; \`portLevelMtls\` in one without a selector; all but the oldest of several in the same scope; and an AuthorizationPolicy that is marked as a dry run.

**Fix:** move it to the namespace of the workloads, give it a selector, put the policies together, or take the mark away.`,
  }),
  *evaluate(cluster: Cluster, { options }: AuditContext): Iterable<Verdict> {
    const mesh = meshOf(cluster, options);
    for (const policy of mesh.peerAuthentications.all) yield judgePeer(cluster, mesh, policy);
    for (const policy of mesh.authorizationPolicies.all) yield judgeAuthorization(policy);
  },
};

function judgePeer(cluster: Cluster, mesh: Mesh, policy: PeerAuthentication): Verdict {
  const { object, namespace, selector, ports } = policy;
  const isRoot = namespace === mesh.settings.rootNamespace;
  if (selector !== null && isRoot) {
    return ignored(policy, ['spec', 'selector'], 'policies of the root namespace that select workloads are ignored');
  }
  if (selector === null && ports.size > 0) {
    return ignored(
      policy,
      ['spec', 'portLevelMtls'],
      'modes of ports are ignored in a policy that selects no workloads',
    );
  }
  const older = mesh.peerAuthentications.in(namespace).filter((other) => isOlder(other, policy));
  const rival = older.find((other) =>
    selector === null ? other.selector === null : coversAll(cluster, policy, other),
  );
  if (rival !== undefined) {
    const detail = `${rival.object.name} is older and is for the same workloads, so that this one is ignored`;
    return ignored(policy, ['spec'], detail);
  }
  return passed(refToObject(object), ['spec'], 'the policy has its effect');
}

function ignored({ object }: Pick<PeerAuthentication, 'object'>, at: Path, detail: string): Verdict {
  return failed(refToObject(object), {
    at,
    detail,
    evidence: { policy: `${object.namespace ?? ''}/${object.name}` },
    remediation: { text: 'Remove the policy, or write it so that it counts.', patch: null, manifest: null },
  });
}

function isOlder({ object: left }: PeerAuthentication, { object: right }: PeerAuthentication): boolean {
  if (left === right || left.createdMs === null || right.createdMs === null) return false;
  return left.createdMs < right.createdMs || (left.createdMs === right.createdMs && left.name < right.name);
}

/** Whether every workload that one policy selects is selected by the other as well, and there is any. */
function coversAll(cluster: Cluster, { selector, namespace }: PeerAuthentication, other: PeerAuthentication): boolean {
  if (selector === null || other.selector === null) return false;
  const theirs = other.selector;
  const own = cluster.workloadsIn(namespace).filter(({ labels }) => matchLabels(selector, labels) === 'yes');
  return own.length > 0 && own.every(({ labels }) => matchLabels(theirs, labels) === 'yes');
}

function judgeAuthorization({ object, isDryRun, action }: AuthorizationPolicy): Verdict {
  if (isDryRun) {
    const at = ['metadata', 'annotations', 'istio.io/dry-run'];
    return ignored({ object }, at, 'a dry run is logged and not enforced');
  }
  const detail = `action ${action ?? 'that is none'}`;
  return passed(refToObject(object), ['spec'], `the policy is enforced: ${detail}`);
}
