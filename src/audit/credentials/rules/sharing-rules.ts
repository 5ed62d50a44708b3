// Credentials that several components have: none of them can be told from the others, or be cut off alone.

import type { Cluster } from '../../cluster.ts';
import { refToObject, type AuditContext, type Json, type ResourceRef, type Rule, type Verdict } from '../../finding.ts';
import { failed, passed, unknown } from '../../verdict.ts';
import type { Workload } from '../../workload.ts';
import { componentOf } from '../../component.ts';
import { readReferences } from '../references.ts';
import { findServiceAccounts, refToAccount } from '../service-accounts.ts';
import { ACCOUNTS, credentialRuleInfo } from './credential-rule-info.ts';

const SHARED_ACCOUNT: Rule = {
  info: credentialRuleInfo({
    id: 'credential-shared-service-account',
    title: 'Several components run under one service account',
    severity: 'medium',
    subject: 'object',
    tenets: ['T1', 'T3', 'T6'],
    atlas: ACCOUNTS,
    help: `The service account is the identity of a workload: for the API server, for the cloud, and mostly for SPIFFE. Components that share one have the rights of all of them together, look the same to every policy and in every log, and can only be revoked together.

Components are those of the access matrix when one is given; else what the labels \`app.kubernetes.io/component\`, \`component\` or \`app\` say.

**Fix:** one service account for each component.`,
  }),
  *evaluate(cluster: Cluster, context: AuditContext): Iterable<Verdict> {
    for (const account of cluster.once(findServiceAccounts).values()) {
      yield judgeSharing(refToAccount(account), account.workloads, context, 'run under the account');
    }
  },
};

const SHARED_SECRET: Rule = {
  info: credentialRuleInfo({
    id: 'credential-shared-secret',
    title: 'Several components read one Secret',
    severity: 'medium',
    subject: 'object',
    tenets: ['T1', 'T3', 'T6'],
    help: `A key that training, serving and notebooks all use says of no request whose it was. Changing it breaks all of them at once, so that nobody changes it.

Secrets for pulling images, and those that storage drivers use, do not get into containers and are not counted.

**Fix:** one credential for each component, with the rights of that component.`,
  }),
  *evaluate(cluster: Cluster, context: AuditContext): Iterable<Verdict> {
    for (const [key, readers] of readersOf(cluster)) {
      const [namespace = '', name = ''] = key.split('/');
      const object = cluster.find('', 'Secret', { namespace, name });
      const resource = object === null ? refToSecret(namespace, name) : refToObject(object);
      yield judgeSharing(resource, readers, context, 'read the Secret');
    }
  },
};

export const SHARING_RULES: readonly Rule[] = [SHARED_ACCOUNT, SHARED_SECRET];

const MAX_SHOWN = 20;

function judgeSharing(
  resource: ResourceRef,
  workloads: readonly Workload[],
  context: AuditContext,
  what: string,
): Verdict {
  const byComponent = new Map<string, string[]>();
  const strangers: string[] = [];
  for (const workload of workloads) {
    const component = componentOf(workload, context);
    if (component === null) strangers.push(workload.ref);
    else byComponent.set(component, [...(byComponent.get(component) ?? []), workload.ref]);
  }
  // To a policy, whoever is of no component is somebody else.
  const isShared = byComponent.size > 1 || (context.policy !== null && byComponent.size === 1 && strangers.length > 0);
  if (isShared) {
    const names = [...byComponent.keys(), ...(strangers.length > 0 ? ['others'] : [])];
    const evidence: Record<string, Json> = {};
    for (const [component, refs] of byComponent) evidence[component] = refs.slice(0, MAX_SHOWN);
    if (strangers.length > 0) evidence['others'] = strangers.slice(0, MAX_SHOWN);
    return failed(resource, {
      at: [],
      detail: `${names.join(', ')} ${what}`,
      evidence: { components: evidence },
      remediation: { text: 'Give each component its own.', patch: null, manifest: null },
    });
  }
  if (strangers.length > 0 && workloads.length > 1) {
    const detail = `which components ${what} is not known: ${strangers[0] ?? ''} has no label that says so`;
    return unknown(resource, { at: [], reason: 'component-unknown', detail });
  }
  return passed(resource, [], `one component only ${what.replace(/^run/, 'runs').replace(/^read/, 'reads')}`);
}

function readersOf(cluster: Cluster): ReadonlyMap<string, readonly Workload[]> {
  const readers = new Map<string, Set<Workload>>();
  for (const [workload, references] of cluster.once(readReferences)) {
    // A template for whichever namespace will use it reads what is there then.
    if (workload.namespace === '') continue;
    for (const { kind, use, name } of references) {
      if (kind !== 'Secret' || use === 'pull' || use === 'storage') continue;
      const key = `${workload.namespace}/${name}`;
      readers.set(key, (readers.get(key) ?? new Set()).add(workload));
    }
  }
  return new Map([...readers].map(([key, workloads]) => [key, [...workloads]]));
}

function refToSecret(namespace: string, name: string): ResourceRef {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    namespace,
    name,
    container: null,
    ref: `${namespace}/${name}[Secret]`,
    object: null,
    locate: () => null,
    body: null,
  };
}
