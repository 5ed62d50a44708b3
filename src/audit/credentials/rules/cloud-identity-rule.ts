// As whom workloads appear to the cloud: themselves, or the node that everybody else on it is as well.

import type { Cluster } from '../../cluster.ts';
import { refToCluster, refToWorkload, type Rule, type Verdict } from '../../finding.ts';
import { failed, passed, unknown } from '../../verdict.ts';
import type { Workload } from '../../workload.ts';
import { cloudIdentityOf, OWN_IDENTITY, type CloudIdentity } from '../cloud-identity.ts';
import { readCloud, type CloudReading } from '../cloud.ts';
import { accountOf, type ServiceAccount } from '../service-accounts.ts';
import { ACCOUNTS, credentialRuleInfo } from './credential-rule-info.ts';

export const CLOUD_IDENTITY: Rule = {
  info: credentialRuleInfo({
    id: 'credential-cloud-identity',
    title: 'A pod is its node to the cloud',
    severity: 'high',
    subject: 'workload',
    tenets: ['T3', 'T4', 'T6'],
    atlas: ACCOUNTS,
    help: `A pod without an identity of its own gets, from the instance metadata service, that of the node it happens to run on: with the rights of every workload that was ever scheduled there, image pulls and volumes included. Nothing in the cluster shows it, and nothing in the cloud's logs tells pods apart.

Looked for are GKE Workload Identity (also that the metadata server of GKE answers for pods at all, which is what direct federation by \`principal://\` rests on), IAM Roles for Service Accounts, the traces of EKS Pod Identity in running pods, and Azure Workload Identity with the pod label that puts it in force. An identity of the account \`default\` is one of every pod of its namespace.

**Fix:** an identity for each service account that needs the cloud, and for the others no way to the metadata service: a network policy without 169.254.169.254, and on AWS a hop limit of one.`,
  }),
  *evaluate(cluster: Cluster): Iterable<Verdict> {
    const cloud = cluster.once(readCloud);
    let undecided = 0;
    for (const workload of cluster.workloads) {
      const account = accountOf(cluster, workload);
      if (account === null) {
        const { podPath: at, isPartial: detail } = workload;
        if (detail !== null) yield unknown(refToWorkload(workload, null), { at, reason: 'partial-template', detail });
        continue;
      }
      const identity = cloudIdentityOf(cluster, workload, { account, cloud });
      if (identity.kind === 'node-role' && cloud.kind === 'unknown') undecided += 1;
      else yield judge({ workload, account, cloud, identity });
    }
    if (undecided > 0) {
      const detail = `nothing tells whether the cluster runs in a cloud, where ${undecided} workloads would be their nodes`;
      yield unknown(refToCluster(), { at: [], reason: 'cloud-unknown', detail });
    }
  },
};

function judge(of: {
  readonly workload: Workload;
  readonly account: ServiceAccount;
  readonly cloud: CloudReading;
  readonly identity: CloudIdentity;
}): Verdict {
  const { workload, account, cloud, identity } = of;
  const resource = refToWorkload(workload, null);
  const at = workload.podPath;
  const fix = cloud.kind === 'cloud' ? OWN_IDENTITY[cloud.cloud] : 'Give the service account an identity of its own.';
  const remediation = { text: fix, patch: null, manifest: null };
  switch (identity.kind) {
    case 'bound': {
      const { how, to } = identity;
      const shown = to === null ? how : `${how}: ${to}`;
      if (account.name !== 'default') return passed(resource, at, shown);
      return failed(resource, {
        at,
        detail: `the account \`default\`, and with it every pod of the namespace that names none, is bound by ${shown}`,
        evidence: { serviceAccount: account.name, how, ...(to === null ? {} : { to }) },
        remediation: { ...remediation, text: 'Bind a service account of the one workload that needs the cloud.' },
        severity: 'medium',
      });
    }
    case 'guarded':
      return passed(resource, at, `${identity.how} answers for pods, and gives them nothing of the node`);
    case 'inert':
      return failed(resource, {
        at,
        detail: `to the cloud the pod is its node: ${identity.how}, is not in force`,
        evidence: { serviceAccount: account.name, how: identity.how, ...evidenceOf(cloud) },
        remediation,
      });
    case 'node-role': {
      if (cloud.kind === 'none') return passed(resource, at, 'the nodes are of no cloud that gives roles to machines');
      const network = workload.isHostNetwork ? ', on whose network it is' : '';
      return failed(resource, {
        at,
        detail: `to the cloud the pod is its node${network}: service account ${account.name} is bound to no identity`,
        evidence: { serviceAccount: account.name, hostNetwork: workload.isHostNetwork, ...evidenceOf(cloud) },
        remediation,
      });
    }
    case 'unknown':
      return unknown(resource, { at, reason: identity.reason, detail: identity.detail });
  }
}

function evidenceOf(cloud: CloudReading): { readonly cloud?: string; readonly sign?: string } {
  return cloud.kind === 'cloud' ? { cloud: cloud.cloud, sign: cloud.sign } : {};
}
