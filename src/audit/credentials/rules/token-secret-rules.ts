// Tokens of service accounts that never expire, and Secrets that pods read.

import type { Cluster } from '../../cluster.ts';
import { refToCluster, refToObject, refToWorkload, type AuditContext, type Rule, type Verdict } from '../../finding.ts';
import type { KubeObject } from '../../kube-object.ts';
import { failed, passed, unknown, unknownWithout } from '../../verdict.ts';
import type { Workload } from '../../workload.ts';
import { findReferent, readReferences, type Reference } from '../references.ts';
import { ACCOUNTS, credentialRuleInfo, UNSECURED } from './credential-rule-info.ts';

const TOKEN_TYPE = 'kubernetes.io/service-account-token';
const ACCOUNT_ANNOTATION = 'kubernetes.io/service-account.name';
const LAST_USED = 'kubernetes.io/legacy-token-last-used';
const INVALID_SINCE = 'kubernetes.io/legacy-token-invalid-since';

/** Told by the type of the Secret: neither by its name, nor by what a ServiceAccount lists under `secrets`. */
const LEGACY_TOKEN: Rule = {
  info: credentialRuleInfo({
    id: 'credential-legacy-token',
    title: 'A Secret is a service account token that never expires',
    severity: 'high',
    subject: 'object',
    tenets: ['T3', 'T6'],
    aliases: [],
    atlas: [...UNSECURED, ...ACCOUNTS],
    check: 'token-projection',
    help: `A Secret of type \`${TOKEN_TYPE}\` holds a token without an expiry, that is bound to no pod and accepted until the Secret is deleted. Kubernetes makes none by itself since 1.24; those that are there were left over or asked for. Its labels say when one was last used (\`${LAST_USED}\`) and that it was invalidated for lack of use (\`${INVALID_SINCE}\`).

A name under \`secrets\` of a ServiceAccount says nothing: what counts is the type of a Secret.

**Fix:** let pods use projected tokens, which are theirs alone and expire; let what runs outside of the cluster ask for one (\`kubectl create token\`). Delete the Secret when its last use is past.`,
  }),
  *evaluate(cluster: Cluster, { nowMs }: AuditContext): Iterable<Verdict> {
    const known = cluster.isKnown('', 'Secret');
    const tokens = cluster.byKind('', 'Secret').filter((secret) => typeOf(cluster, secret) === TOKEN_TYPE);
    for (const secret of tokens) yield judgeToken(secret, nowMs);
    if (known !== true) yield unknownWithout(refToCluster(), [], known);
    else if (tokens.length === 0) yield passed(refToCluster(), [], 'no Secret is a token that never expires');
  },
};

const MOUNTED_TOKEN: Rule = {
  info: credentialRuleInfo({
    id: 'credential-mounted-token',
    title: 'A pod uses a service account token that never expires',
    severity: 'high',
    subject: 'workload',
    tenets: ['T3', 'T6'],
    atlas: [...UNSECURED, ...ACCOUNTS],
    check: 'token-projection',
    help: `The pod takes a Secret of type \`${TOKEN_TYPE}\` as a volume or a variable: a token that never expires, often of another service account than its own. The type of the Secret decides; a Secret called \`hf-token\` is none, and one called \`settings\` may be.

**Fix:** give the pod that service account, and let it use the projected token (\`serviceAccountToken\` in a projected volume, with an audience and a short \`expirationSeconds\`).`,
  }),
  *evaluate(cluster: Cluster): Iterable<Verdict> {
    for (const [workload, references] of cluster.once(readReferences))
      yield* judgeMounts(cluster, workload, references);
  },
};

const SECRET_IN_ENV: Rule = {
  info: credentialRuleInfo({
    id: 'credential-secret-in-env',
    title: 'A Secret is handed over in variables',
    severity: 'low',
    subject: 'workload',
    tenets: ['T6'],
    aliases: ['CIS-5.4.1', 'C-0207'],
    help: `Better than in plain text, and still: a variable is inherited by every process, printed by crash reports and debug pages, and keeps its first value while the Secret is changed.

**Fix:** mount the Secret as a file, and have the software read it again when it changes.`,
  }),
  *evaluate(cluster: Cluster): Iterable<Verdict> {
    const references = cluster.once(readReferences);
    for (const workload of cluster.workloads) {
      const inEnv = (references.get(workload) ?? []).filter(({ kind, use }) => kind === 'Secret' && use === 'env');
      for (const container of workload.containers) {
        const resource = refToWorkload(workload, container);
        const own = inEnv.filter((reference) => reference.container === container.name);
        const partial = container.isPartial ?? workload.isPartial;
        const [first] = own;
        if (first !== undefined) {
          const secrets = [...new Set(own.map(({ name }) => name))];
          yield failed(resource, {
            at: [...container.path, first.variable === null ? 'envFrom' : 'env'],
            detail: `container \`${container.name}\` takes variables from Secret ${secrets.join(', ')}`,
            evidence: { secrets, variables: own.flatMap(({ variable }) => variable ?? []) },
            remediation: { text: 'Mount the Secret as a file instead.', patch: null, manifest: null },
          });
        } else if (partial === null) {
          yield passed(resource, container.path, 'no variable comes from a Secret');
        } else {
          yield unknown(resource, { at: container.path, reason: 'partial-template', detail: partial });
        }
      }
    }
  },
};

export const TOKEN_SECRET_RULES: readonly Rule[] = [LEGACY_TOKEN, MOUNTED_TOKEN, SECRET_IN_ENV];

function typeOf(cluster: Cluster, secret: KubeObject): string {
  return cluster.field(secret, 'type').asText() ?? 'Opaque';
}

function judgeToken(secret: KubeObject, nowMs: number): Verdict {
  const account = secret.annotations.get(ACCOUNT_ANNOTATION) ?? null;
  const lastUsed = secret.labels.get(LAST_USED) ?? null;
  const invalidSince = secret.labels.get(INVALID_SINCE) ?? null;
  const days = secret.createdMs === null ? null : Math.floor((nowMs - secret.createdMs) / DAY_MS);
  const use = lastUsed === null ? 'no use of it is known' : `it was last used on ${lastUsed}`;
  const state = invalidSince === null ? '' : `; it is not accepted any more since ${invalidSince}`;
  return failed(refToObject(secret), {
    at: ['type'],
    detail: `a token of service account ${account ?? '(unnamed)'} without an expiry; ${use}${state}`,
    evidence: { account, lastUsed, invalidSince, ...(days === null ? {} : { ageDays: days }) },
    remediation: {
      text: 'Let pods use projected tokens, then delete this Secret.',
      patch: null,
      manifest: null,
    },
    ...(invalidSince === null ? {} : { severity: 'low' as const }),
  });
}

const DAY_MS = 86_400_000;

function* judgeMounts(cluster: Cluster, workload: Workload, references: readonly Reference[]): Iterable<Verdict> {
  const resource = refToWorkload(workload, null);
  const secrets = new Map<string, Reference>();
  for (const reference of references) {
    const isInside = reference.use === 'env' || reference.use === 'volume';
    if (reference.kind === 'Secret' && isInside && !secrets.has(reference.name)) secrets.set(reference.name, reference);
  }
  let failures = 0;
  let unseen: Verdict | null = null;
  for (const reference of secrets.values()) {
    const referent = findReferent(cluster, workload, reference);
    if (referent.kind === 'unknown') {
      unseen ??= unknownWithout(resource, reference.at, referent.unreadable);
    } else if (referent.kind === 'found' && typeOf(cluster, referent.object) === TOKEN_TYPE) {
      failures += 1;
      const account = referent.object.annotations.get(ACCOUNT_ANNOTATION) ?? null;
      yield failed(resource, {
        at: reference.at,
        detail: `Secret ${reference.name} is a token of service account ${account ?? '(unnamed)'} without an expiry`,
        evidence: { secret: reference.name, account, use: reference.use },
        remediation: {
          text: 'Run the pod under that service account, with a projected token that expires.',
          patch: null,
          manifest: null,
        },
        key: reference.name,
      });
    }
  }
  if (unseen !== null) yield unseen;
  else if (workload.isPartial !== null && failures === 0) {
    yield unknown(resource, { at: workload.podPath, reason: 'partial-template', detail: workload.isPartial });
  } else if (failures === 0) {
    yield passed(resource, workload.podPath, 'no Secret that it reads is a token without an expiry');
  }
}
