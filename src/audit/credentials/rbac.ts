// What Roles and ClusterRoles grant to service accounts.
// https://kubernetes.io/docs/reference/access-authn-authz/rbac/

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import type { Unreadable } from '../inventory.ts';
import { formatObject, type KubeObject } from '../kube-object.ts';
import { compileSelector, matchLabels } from '../selector.ts';
import { BUILT_IN_ROLES } from './built-in-roles.ts';
import type { PolicyRule } from './policy-rule.ts';
import type { AccountName } from './service-accounts.ts';

export interface Grant {
  readonly rule: PolicyRule;
  /** Null for the whole cluster. */
  readonly namespace: string | null;
  readonly binding: KubeObject;
  /** `ClusterRole edit`. */
  readonly role: string;
  /** The group by which the account is meant; null when it is named itself. */
  readonly group: string | null;
}

export interface Grants {
  readonly grants: readonly Grant[];
  /** Why there may be others: roles and bindings that could not be looked at. */
  readonly unseen: readonly Unreadable[];
}

export interface Rbac {
  of(account: AccountName): Grants;
  /** To whoever has not proven who he is. */
  readonly ofAnybody: Grants;
  /** Nothing at all of it was given. */
  readonly isUnseen: boolean;
}

const GROUP = 'rbac.authorization.k8s.io';
const KINDS = ['ClusterRoleBinding', 'RoleBinding', 'ClusterRole', 'Role'] as const;

interface Subject {
  readonly key: string;
  readonly group: string | null;
}

interface Bound {
  readonly binding: KubeObject;
  readonly group: string | null;
}

/** For `cluster.once`. */
export function readRbac(cluster: Cluster): Rbac {
  const bound = new Map<string, Bound[]>();
  for (const kind of ['ClusterRoleBinding', 'RoleBinding']) {
    for (const binding of cluster.byKind(GROUP, kind)) {
      for (const subject of cluster.field(binding, 'subjects').asList()) {
        const read = readSubject(subject, binding);
        if (read === null) continue;
        const bindings = bound.get(read.key) ?? [];
        bindings.push({ binding, group: read.group });
        bound.set(read.key, bindings);
      }
    }
  }
  const roles = new RoleReader(cluster);
  const grantsTo = (keys: readonly string[], namespace: string | null): Grants => {
    const unseen = KINDS.flatMap((kind) => unseenKind(cluster, kind, namespace));
    const grants: Grant[] = [];
    for (const { binding, group } of keys.flatMap((key) => bound.get(key) ?? [])) {
      const role = roles.read(binding);
      if (role.unseen !== null) unseen.push(role.unseen);
      const scope = binding.kind === 'RoleBinding' ? binding.namespace : null;
      for (const rule of role.rules) grants.push({ rule, namespace: scope, binding, role: role.name, group });
    }
    return { grants, unseen };
  };
  const ofAccounts = new Map<string, Grants>();
  return {
    of: ({ namespace, name }) => {
      const own = accountSubject(namespace, name);
      const known = ofAccounts.get(own);
      if (known !== undefined) return known;
      const groups = [`system:serviceaccounts:${namespace}`, 'system:serviceaccounts', 'system:authenticated'];
      const grants = grantsTo([own, ...groups.map(groupSubject)], namespace);
      ofAccounts.set(own, grants);
      return grants;
    },
    ofAnybody: grantsTo([groupSubject('system:unauthenticated'), userSubject('system:anonymous')], null),
    isUnseen: KINDS.every((kind) => cluster.byKind(GROUP, kind).length === 0),
  };
}

function accountSubject(namespace: string, name: string): string {
  return `account ${namespace}/${name}`;
}

function groupSubject(name: string): string {
  return `group ${name}`;
}

function userSubject(name: string): string {
  return `user ${name}`;
}

function readSubject(subject: Field, binding: KubeObject): Subject | null {
  const kind = subject.get('kind').requireText();
  const name = subject.get('name').requireText();
  if (kind === null || name === null) return null;
  switch (kind) {
    case 'ServiceAccount': {
      const namespace = subject.get('namespace').asText() ?? binding.namespace;
      return namespace === null ? null : { key: accountSubject(namespace, name), group: null };
    }
    case 'Group':
      return { key: groupSubject(name), group: name };
    case 'User': {
      const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
      const key = account === null ? userSubject(name) : accountSubject(account[1] ?? '', account[2] ?? '');
      return { key, group: null };
    }
    default:
      return null;
  }
}

function unseenKind(cluster: Cluster, kind: string, namespace: string | null): Unreadable[] {
  // Roles that are bound and not there are told one by one.
  if (kind === 'Role' || kind === 'ClusterRole') return [];
  const known = cluster.isKnown(GROUP, kind, kind === 'RoleBinding' ? namespace : null);
  return known === true ? [] : [known];
}

interface RoleReading {
  readonly name: string;
  readonly rules: readonly PolicyRule[];
  readonly unseen: Unreadable | null;
}

class RoleReader {
  readonly #cluster: Cluster;
  readonly #rules = new Map<KubeObject, readonly PolicyRule[]>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** That a binding binds. */
  read(binding: KubeObject): RoleReading {
    const reference = this.#cluster.field(binding, 'roleRef');
    const kind = reference.get('kind').requireText();
    const name = reference.get('name').requireText();
    if (name === null || (kind !== 'ClusterRole' && kind !== 'Role')) {
      const detail = `${formatObject(binding)} does not say which role it binds`;
      return { name: '?', rules: [], unseen: unseenRole({ what: formatObject(binding), reason: 'malformed', detail }) };
    }
    const shown = `${kind} ${name}`;
    const namespace = kind === 'Role' ? binding.namespace : null;
    const role = this.#cluster.find(GROUP, kind, { namespace, name });
    if (role !== null) return { name: shown, rules: this.#rulesOf(role), unseen: null };
    const builtIn = kind === 'ClusterRole' ? BUILT_IN_ROLES.get(name) : undefined;
    if (builtIn !== undefined) return { name: shown, rules: [...builtIn, ...this.#aggregatedTo(name)], unseen: null };
    const known = this.#cluster.isKnown(GROUP, kind, namespace);
    // A binding of a role that does not exist grants nothing, until somebody makes it.
    if (known === true && this.#cluster.inventory.completeKinds !== 'as-given') {
      return { name: shown, rules: [], unseen: null };
    }
    const detail = known === true ? 'it is not among the given files' : known.detail;
    const reason = known === true ? 'not-given' : known.reason;
    return { name: shown, rules: [], unseen: unseenRole({ what: shown, reason, detail }) };
  }

  /** Also those that the control plane fills in from roles with certain labels. */
  #rulesOf(role: KubeObject): readonly PolicyRule[] {
    const known = this.#rules.get(role);
    if (known !== undefined) return known;
    // A role that aggregates itself adds nothing to itself.
    this.#rules.set(role, []);
    const own = this.#cluster.field(role, 'rules').asList().map(readRule);
    const selectors = this.#cluster
      .field(role, 'aggregationRule', 'clusterRoleSelectors')
      .asList()
      .map(compileSelector);
    const aggregated = this.#cluster
      .byKind(GROUP, 'ClusterRole')
      .filter((other) => other !== role && selectors.some((selector) => matchLabels(selector, other.labels) === 'yes'))
      .flatMap((other) => this.#rulesOf(other));
    const rules = [...own, ...aggregated];
    this.#rules.set(role, rules);
    return rules;
  }

  /** To `admin`, `edit` or `view`, when they themselves were not given. */
  #aggregatedTo(name: string): readonly PolicyRule[] {
    return this.#cluster
      .byKind(GROUP, 'ClusterRole')
      .filter(({ labels }) => labels.get(`${GROUP}/aggregate-to-${name}`) === 'true')
      .flatMap((other) => this.#rulesOf(other));
  }
}

function unseenRole({ what, reason, detail }: Pick<Unreadable, 'what' | 'reason' | 'detail'>): Unreadable {
  return { what, kind: null, namespace: null, reason, detail, position: null };
}

function readRule(rule: Field): PolicyRule {
  const names = rule.get('resourceNames').asTexts();
  return {
    verbs: new Set(rule.get('verbs').asTexts()),
    groups: new Set(rule.get('apiGroups').asTexts()),
    resources: new Set(rule.get('resources').asTexts()),
    names: names.length === 0 ? null : new Set(names),
  };
}
