// What service accounts can do, and who can besides them.

import type { Cluster } from '../../cluster.ts';
import { refToCluster, refToObject, type Rule, type RuleInfo, type Verdict } from '../../finding.ts';
import { formatObject } from '../../kube-object.ts';
import { failed, passed, unknownWithout } from '../../verdict.ts';
import { describePower, distinctPowers, powerEvidence, powersIn, type PowerArea } from '../powers.ts';
import { readRbac, type Grant, type Rbac } from '../rbac.ts';
import { findServiceAccounts, refToAccount, type ServiceAccount } from '../service-accounts.ts';
import { ACCOUNTS, credentialRuleInfo } from './credential-rule-info.ts';

const RBAC_ADMIN = powerRule('admin', {
  id: 'credential-rbac-admin',
  title: 'A service account can do everything',
  severity: 'high',
  aliases: ['CIS-5.1.1', 'CIS-5.1.3', 'C-0185', 'C-0187', 'C-0035'],
  help: `A role with \`*\` for resources reaches whatever kind is there today and whatever comes: with \`cluster-admin\`, the whole cluster. Whoever takes over one pod of the account has it.

**Fix:** name the resources and verbs that the workload uses; its audit log shows them.`,
});

const RBAC_SECRETS = powerRule('secrets', {
  id: 'credential-rbac-secrets',
  title: 'A service account can read Secrets',
  severity: 'medium',
  aliases: ['CIS-5.1.2', 'C-0186', 'C-0015'],
  help: `With \`get\`, \`list\` or \`watch\` on Secrets, every credential in reach is the account's: registry logins, tokens of other accounts, keys of the cloud. \`list\` returns their content as well.

**Fix:** mount the one Secret that is needed, or name it in \`resourceNames\`.`,
});

const RBAC_PODS = powerRule('pods', {
  id: 'credential-rbac-pods',
  title: 'A service account can run pods, or commands in them',
  severity: 'medium',
  aliases: ['CIS-5.1.4', 'CIS-5.1.10', 'C-0188', 'C-0279', 'C-0002'],
  help: `Whoever may create pods in a namespace may use every Secret and service account in it, and the node as far as pod security lets him. \`pods/exec\` is a shell in pods that are there; \`nodes/proxy\` one in every pod, past audit and admission. Operators and pipelines need some of it: then in the namespaces of their jobs, not in the cluster.

**Fix:** bind the role by RoleBindings in those namespaces, keep credentials of others out of them, and enforce pod security there.`,
});

const RBAC_ESCALATION = powerRule('escalation', {
  id: 'credential-rbac-escalation',
  title: 'A service account can make itself mightier',
  severity: 'high',
  aliases: ['CIS-5.1.8', 'CIS-5.1.9', 'CIS-5.1.11', 'CIS-5.1.12', 'CIS-5.1.13', 'C-0191'],
  help: `\`escalate\` and \`bind\` get around the rule that nobody gives what he does not have; \`impersonate\` and \`serviceaccounts/token\` make somebody else of him; whoever approves certificates issues identities, and whoever writes webhooks sees and changes what others create.

**Fix:** take the verb away, or name in \`resourceNames\` what it is for.`,
});

const DEFAULT_ACCOUNT: Rule = {
  info: credentialRuleInfo({
    id: 'credential-default-account-power',
    title: 'A role is bound to the default service account',
    severity: 'high',
    subject: 'object',
    tenets: ['T3', 'T4'],
    aliases: ['CIS-5.1.5', 'C-0189'],
    atlas: ACCOUNTS,
    help: `Every pod that names no service account runs under \`default\`. What is granted to it, or to the group of all service accounts, is granted to whatever gets into the namespace.

**Fix:** give the workload that needs the right a service account of its own, and bind the role to that.`,
  }),
  *evaluate(cluster: Cluster): Iterable<Verdict> {
    const rbac = cluster.once(readRbac);
    if (rbac.isUnseen) return yield* unknownAtAll(cluster);
    for (const account of defaultAccounts(cluster)) {
      const { grants, unseen } = rbac.of(account);
      const own = grants.filter(({ group, rule }) => group !== 'system:authenticated' && rule.resources.size > 0);
      const [first] = own;
      const [missing] = unseen;
      const resource = refToAccount(account);
      if (first !== undefined) {
        const roles = [...new Set(own.map(({ role }) => role))];
        yield failed(resource, {
          at: [],
          detail: `${roles.join(', ')} is bound to the account \`default\` by ${formatObject(first.binding)}`,
          evidence: { bindings: [...new Set(own.map(({ binding }) => formatObject(binding)))], roles },
          remediation: {
            text: 'Bind the role to a service account of the one workload that needs it.',
            patch: null,
            manifest: null,
          },
        });
      } else if (missing === undefined) {
        yield passed(resource, [], 'nothing is granted to the account `default`');
      } else {
        yield unknownWithout(resource, [], missing);
      }
    }
  },
};

const ANYBODY: Rule = {
  info: credentialRuleInfo({
    id: 'credential-rbac-anonymous',
    title: 'A role is bound to whoever asks',
    severity: 'critical',
    subject: 'cluster',
    tenets: ['T4', 'T6'],
    aliases: ['C-0262'],
    atlas: ACCOUNTS,
    help: `\`system:anonymous\` and \`system:unauthenticated\` are everybody who reaches the API server, without any credential.

**Fix:** delete the binding. What remains by default (\`system:public-info-viewer\`) reads the version and health of the API server and no resources.`,
  }),
  *evaluate(cluster: Cluster): Iterable<Verdict> {
    const { ofAnybody } = cluster.once(readRbac);
    const grants = ofAnybody.grants.filter(({ rule }) => rule.resources.size > 0);
    for (const [binding, grant] of new Map(grants.map((grant) => [grant.binding, grant]))) {
      yield failed(refToObject(binding), {
        at: ['subjects'],
        detail: `${grant.role} is bound to ${grant.group ?? 'system:anonymous'}`,
        evidence: { role: grant.role },
        remediation: { text: 'Delete the binding.', patch: null, manifest: null },
      });
    }
    const [missing] = ofAnybody.unseen;
    if (missing !== undefined) yield unknownWithout(refToCluster(), [], missing);
    else if (grants.length === 0)
      yield passed(refToCluster(), [], 'no role with resources is bound to the unauthenticated');
  },
};

export const RBAC_RULES: readonly Rule[] = [
  RBAC_ADMIN,
  RBAC_SECRETS,
  RBAC_PODS,
  RBAC_ESCALATION,
  DEFAULT_ACCOUNT,
  ANYBODY,
];

const MAX_SHOWN = 10;

function powerRule(area: PowerArea, info: Pick<RuleInfo, 'id' | 'title' | 'severity' | 'aliases' | 'help'>): Rule {
  return {
    info: credentialRuleInfo({ ...info, subject: 'object', tenets: ['T3', 'T4'], atlas: ACCOUNTS }),
    *evaluate(cluster: Cluster): Iterable<Verdict> {
      const rbac = cluster.once(readRbac);
      if (rbac.isUnseen) return yield* unknownAtAll(cluster);
      for (const account of cluster.once(findServiceAccounts).values()) yield* judgeAccount(rbac, account, area);
    },
  };
}

function* judgeAccount(rbac: Rbac, account: ServiceAccount, area: PowerArea): Iterable<Verdict> {
  const { grants, unseen } = rbac.of(account);
  const resource = refToAccount(account);
  const held = distinctPowers(powersIn(area === 'admin' ? grants : withoutAll(grants), area));
  const [gravest] = held;
  const [missing] = unseen;
  if (gravest !== undefined) {
    const more = held.length > 1 ? `, and ${held.length - 1} more` : '';
    yield failed(resource, {
      at: [],
      detail: `the account can ${describePower(gravest)}${more}`,
      evidence: {
        powers: held.slice(0, MAX_SHOWN).map(powerEvidence),
        workloads: account.workloads.slice(0, MAX_SHOWN).map(({ ref }) => ref),
      },
      remediation: {
        text: `Reduce ${gravest.grant.role} to what the workload uses, or bind it in the one namespace where it is needed.`,
        patch: null,
        manifest: null,
      },
      severity: gravest.severity,
    });
  } else if (missing !== undefined) {
    yield unknownWithout(resource, [], missing);
  } else if (area === 'admin' || !grants.some(isAll)) {
    yield passed(resource, [], HELD[area]);
  }
}

const HELD: Readonly<Record<PowerArea, string>> = {
  admin: 'no role of the account has `*` for resources that it may change',
  secrets: 'the account can read no Secrets but such as are named to it',
  pods: 'the account can neither run pods nor get into any',
  escalation: 'the account can give itself nothing',
};

/** What follows from being allowed everything is told once. */
function withoutAll(grants: readonly Grant[]): readonly Grant[] {
  return grants.filter((grant) => !isAll(grant));
}

function isAll({ rule }: Grant): boolean {
  return rule.verbs.has('*') && rule.resources.has('*') && rule.names === null;
}

/** One for all accounts: there is no RBAC among the objects at all. */
function* unknownAtAll(cluster: Cluster): Iterable<Verdict> {
  const known = cluster.isKnown('rbac.authorization.k8s.io', 'ClusterRoleBinding');
  if (known !== true) yield unknownWithout(refToCluster(), [], known);
}

function defaultAccounts(cluster: Cluster): readonly ServiceAccount[] {
  return [...cluster.once(findServiceAccounts).values()].filter(({ name }) => name === 'default');
}
