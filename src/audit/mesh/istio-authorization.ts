// Whom Istio's AuthorizationPolicies let through to a port of a workload.

import type { Cluster } from '../cluster.ts';
import { formatObject, type KubeObject } from '../kube-object.ts';
import { matchLabels } from '../selector.ts';
import type { Workload } from '../workload.ts';
import type { CallerIdentity } from './caller.ts';
import {
  readAuthorizationPolicy,
  type AuthorizationPolicy,
  type PolicyAction,
  type PolicyCondition,
  type PolicyRule,
  type PolicyTerm,
} from './istio-policy.ts';
import type { IstioSettings } from './istio-settings.ts';
import { every, not, some, toMatch, type Match } from './match.ts';

/** What a policy is asked about. */
export interface Asked {
  readonly caller: CallerIdentity;
  /** Of the workload; null for one that nobody named. */
  readonly port: number | null;
  /** ztunnel sees no requests, and knows of ALLOW and DENY only. */
  readonly enforcer: 'sidecar' | 'ztunnel';
}

/** `depends`: on the request, or on an authorizer outside of the mesh. */
export type Admission = 'allowed' | 'denied' | 'depends' | 'unknown';

export interface AuthorizationAnswer {
  readonly admission: Admission;
  readonly why: readonly string[];
  readonly policies: readonly KubeObject[];
}

export interface PolicyMatch {
  readonly policy: AuthorizationPolicy;
  /** Whether it is for the workload at all. */
  readonly isSelected: boolean | 'unknown';
  readonly match: Match;
}

export class AuthorizationPolicies {
  readonly all: readonly AuthorizationPolicy[];
  readonly #settings: IstioSettings;
  readonly #byNamespace = new Map<string, AuthorizationPolicy[]>();
  readonly #ofWorkload = new Map<Workload, readonly AuthorizationPolicy[]>();

  constructor(cluster: Cluster, settings: IstioSettings) {
    this.#settings = settings;
    this.all = cluster
      .byKind('security.istio.io', 'AuthorizationPolicy')
      .map((object) => readAuthorizationPolicy(cluster, object));
    for (const policy of this.all) {
      const policies = this.#byNamespace.get(policy.namespace) ?? [];
      policies.push(policy);
      this.#byNamespace.set(policy.namespace, policies);
    }
  }

  /** Those that the workload's own proxy looks at. */
  of(workload: Workload): readonly AuthorizationPolicy[] {
    const known = this.#ofWorkload.get(workload);
    if (known !== undefined) return known;
    const namespaces = new Set([this.#settings.rootNamespace, workload.namespace]);
    const policies = [...namespaces]
      .flatMap((namespace) => this.#byNamespace.get(namespace) ?? [])
      .filter(({ isTargeted, selector }) => !isTargeted && matchLabels(selector, workload.labels) !== 'no');
    this.#ofWorkload.set(workload, policies);
    return policies;
  }

  /** Policies for waypoints and services that stand where the workload's would. */
  hasTargetedFor({ namespace }: Workload): boolean {
    return [this.#settings.rootNamespace, namespace].some((name) =>
      (this.#byNamespace.get(name) ?? []).some(({ isTargeted }) => isTargeted),
    );
  }

  answer(workload: Workload, asked: Asked): AuthorizationAnswer {
    const matches = this.matches(workload, asked);
    const of = (action: PolicyAction | null): readonly PolicyMatch[] =>
      matches.filter(({ policy }) => policy.action === action);
    const denied = of('DENY').filter(({ match }) => match === 'yes');
    if (denied.length > 0) return toAnswer('denied', 'denies it', denied);
    const broken = of(null).filter(({ isSelected }) => isSelected !== false);
    if (broken.length > 0) return toAnswer('unknown', 'has no action that there is', broken);
    // ztunnel takes no policies of action CUSTOM.
    const custom = asked.enforcer === 'sidecar' ? of('CUSTOM') : [];
    const doubts = [...of('DENY'), ...custom].filter(({ match }) => match !== 'no');
    return answerAllowing(of('ALLOW'), doubts);
  }

  /** Of those in force. */
  matches(workload: Workload, asked: Asked): readonly PolicyMatch[] {
    return this.of(workload)
      .filter(({ isDryRun }) => !isDryRun)
      .map((policy) => this.#matchPolicy(policy, workload, asked));
  }

  #matchPolicy(policy: AuthorizationPolicy, workload: Workload, asked: Asked): PolicyMatch {
    const selected = matchLabels(policy.selector, workload.labels);
    const context = { asked, policy, settings: this.#settings };
    const match = some(policy.rules.map((rule) => matchRule(rule, context)));
    return {
      policy,
      isSelected: selected === 'unknown' ? selected : selected === 'yes',
      match: every([selected, match]),
    };
  }
}

/** `doubts`: what may deny, and is not known to. */
function answerAllowing(allowing: readonly PolicyMatch[], doubts: readonly PolicyMatch[]): AuthorizationAnswer {
  const allowed = some(allowing.map(({ match }) => match));
  const matching = (wanted: Match): readonly PolicyMatch[] =>
    [...allowing, ...doubts].filter(({ match }) => match === wanted);
  const isRestricted = allowing.some(({ isSelected }) => isSelected === true);
  if (isRestricted && allowed === 'no') return toAnswer('denied', 'allows only others', allowing);
  // Whether its selector holds decides whether anybody is kept out at all.
  if (!isRestricted && allowing.length > 0) return toAnswer('unknown', 'may or may not be for it', allowing);
  if (allowed === 'unknown' || doubts.some(({ match }) => match === 'unknown')) {
    return toAnswer('unknown', 'may or may not apply', matching('unknown'));
  }
  if (doubts.length > 0) return toAnswer('depends', 'decides by request', doubts);
  if (allowing.length === 0) {
    return { admission: 'allowed', why: ['no AuthorizationPolicy of action ALLOW is for it'], policies: [] };
  }
  if (allowed === 'request') return toAnswer('depends', 'decides by request', matching('request'));
  return toAnswer('allowed', 'allows it', matching('yes'));
}

function toAnswer(
  admission: Admission,
  verb: string,
  matches: readonly { readonly policy: AuthorizationPolicy }[],
): AuthorizationAnswer {
  return {
    admission,
    why: matches.map(({ policy: { object } }) => `AuthorizationPolicy ${nameOf(object)} ${verb}`),
    policies: matches.map(({ policy: { object } }) => object),
  };
}

function nameOf(object: KubeObject): string {
  return formatObject(object).replace(/\[[^\]]*\]$/, '');
}

interface Context {
  readonly asked: Asked;
  readonly policy: AuthorizationPolicy;
  readonly settings: IstioSettings;
}

function matchRule(rule: PolicyRule, context: Context): Match {
  const conditions = [...(rule.from ?? []), ...(rule.to ?? []), rule.when].flat();
  // What istiod cannot translate is left out, whatever the action.
  if (conditions.some(({ attribute }) => attribute === 'invalid')) return 'no';
  if (context.asked.enforcer === 'ztunnel') return matchAtZtunnel(rule, context, conditions);
  const oneOf = (terms: readonly PolicyTerm[] | null): Match =>
    terms === null
      ? 'yes'
      : some(terms.map((term) => every(term.map((condition) => matchCondition(condition, context)))));
  const when = every(rule.when.map((condition) => matchCondition(condition, context)));
  return every([oneOf(rule.from), oneOf(rule.to), when]);
}

/**
 * A rule about requests allows nothing there. One that denies loses what it says of requests, which makes it wider; and what says nothing else
 * matches nothing.
 */
function matchAtZtunnel(rule: PolicyRule, context: Context, conditions: readonly PolicyCondition[]): Match {
  const isOfRequests = conditions.some(({ attribute }) => attribute === 'request');
  if (context.policy.action === 'ALLOW' && isOfRequests) return 'no';
  const matchTerm = (term: PolicyTerm): Match => {
    const visible = term.filter(({ attribute }) => attribute !== 'request');
    return visible.length === 0 ? 'no' : every(visible.map((condition) => matchCondition(condition, context)));
  };
  const oneOf = (terms: readonly PolicyTerm[] | null): Match => (terms === null ? 'yes' : some(terms.map(matchTerm)));
  return every([oneOf(rule.from), oneOf(rule.to), ...rule.when.map((condition) => matchTerm([condition]))]);
}

function matchCondition({ attribute, values, notValues }: PolicyCondition, context: Context): Match {
  const matchOne = (value: string): Match => matchValue(attribute, value, context);
  const positive = values.length === 0 ? 'yes' : some(values.map(matchOne));
  const negative = notValues.length === 0 ? 'yes' : not(some(notValues.map(matchOne)));
  return every([positive, negative]);
}

function matchValue(attribute: PolicyCondition['attribute'], value: string, context: Context): Match {
  const { caller, port } = context.asked;
  switch (attribute) {
    case 'principal':
    case 'namespace':
    case 'service-account':
      // Without a certificate there is nothing to compare with: neither "is" nor "is one of" holds, and every "is not" does.
      if (caller.kind === 'none') return 'no';
      if (caller.kind === 'unknown') return 'unknown';
      if (attribute === 'principal') return matchPrincipal(value, caller, context.settings.trustDomains);
      if (attribute === 'namespace') return toMatch(matchesPattern(value, caller.namespace));
      return toMatch(isServiceAccount(value, { caller, policyNamespace: context.policy.namespace }));
    case 'port':
      return /^[0-9]{1,5}$/.test(value) ? toMatch(port !== null && Number(value) === port) : 'no';
    case 'source-ip':
    case 'destination-ip':
      return 'unknown';
    case 'request':
      return 'request';
    case 'invalid':
      return 'no';
    case 'malformed':
      return 'unknown';
  }
}

type Proven = Extract<CallerIdentity, { readonly kind: 'proven' }>;

/** `cluster.local` stands for the mesh's own trust domain, whatever that is. */
function matchPrincipal(
  value: string,
  { namespace, serviceAccount }: Proven,
  trustDomains: ReadonlySet<string> | null,
): Match {
  const path = `/ns/${namespace}/sa/${serviceAccount}`;
  const own = [...(trustDomains ?? []), 'cluster.local'];
  if (own.some((trustDomain) => matchesPattern(value, `${trustDomain}${path}`))) return 'yes';
  if (trustDomains !== null || value.startsWith('*')) return 'no';
  const [named = ''] = value.split('/');
  return matchesPattern(value, `${named}${path}`) ? 'unknown' : 'no';
}

/** `*` for anything, `a*` for what begins with it, `*a` for what ends with it. */
function matchesPattern(pattern: string, text: string): boolean {
  if (pattern === '*') return text !== '';
  if (pattern.startsWith('*')) return text.endsWith(pattern.slice(1));
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern;
}

/** `name`, in the namespace of the policy, or `namespace/name`. */
function isServiceAccount(
  value: string,
  { caller, policyNamespace }: { readonly caller: Proven; readonly policyNamespace: string },
): boolean {
  const slash = value.indexOf('/');
  const namespace = slash < 0 ? policyNamespace : value.slice(0, slash);
  return caller.namespace === namespace && caller.serviceAccount === value.slice(slash + 1);
}
