// Istio's AuthorizationPolicies, compiled.
// https://istio.io/latest/docs/reference/config/security/authorization-policy/

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import type { KubeObject } from '../kube-object.ts';
import { compileEquality, type Selector } from '../selector.ts';

export type PolicyAction = 'ALLOW' | 'DENY' | 'CUSTOM' | 'AUDIT';

export interface AuthorizationPolicy {
  readonly object: KubeObject;
  readonly namespace: string;
  /** Null when it cannot be read. */
  readonly action: PolicyAction | null;
  /** Empty: all workloads of the namespace; of the mesh, in the root namespace. */
  readonly selector: Selector;
  /** It is for gateways, waypoints or services and no proxy of a workload looks at it. */
  readonly isTargeted: boolean;
  readonly isDryRun: boolean;
  /** None: matches nothing. */
  readonly rules: readonly PolicyRule[];
}

/** Every part must match. */
export interface PolicyRule {
  /** One of them must match; null for everybody. */
  readonly from: readonly PolicyTerm[] | null;
  readonly to: readonly PolicyTerm[] | null;
  readonly when: readonly PolicyCondition[];
}

/** All of its conditions must hold. */
export type PolicyTerm = readonly PolicyCondition[];

export interface PolicyCondition {
  readonly attribute: Attribute;
  /** One of them; empty for any. */
  readonly values: readonly string[];
  /** None of them. */
  readonly notValues: readonly string[];
}

export type Attribute =
  | 'principal'
  | 'namespace'
  | 'service-account'
  | 'port'
  | 'source-ip'
  | 'destination-ip'
  /** Of a request, or of the handshake before it. */
  | 'request'
  /** There is no such attribute. */
  | 'invalid'
  /** Something stands there that is not of the right type. */
  | 'malformed';

const SOURCE_FIELDS: ReadonlyMap<string, Attribute> = new Map([
  ['principals', 'principal'],
  ['namespaces', 'namespace'],
  ['serviceAccounts', 'service-account'],
  ['ipBlocks', 'source-ip'],
  ['requestPrincipals', 'request'],
  ['remoteIpBlocks', 'request'],
  // Whose trust domain it is depends on which others are federated with.
  ['trustDomains', 'malformed'],
]);
const OPERATION_FIELDS: ReadonlyMap<string, Attribute> = new Map([
  ['ports', 'port'],
  ['hosts', 'request'],
  ['methods', 'request'],
  ['paths', 'request'],
]);
const CONDITION_KEYS: readonly (readonly [key: RegExp, attribute: Attribute])[] = [
  [/^source\.principal$/, 'principal'],
  [/^source\.namespace$/, 'namespace'],
  [/^source\.serviceAccount$/, 'service-account'],
  [/^source\.ip$/, 'source-ip'],
  [/^destination\.ip$/, 'destination-ip'],
  [/^destination\.port$/, 'port'],
  [/^(?:request\.|remote\.ip$|connection\.sni$|experimental\.)/, 'request'],
];

export function readAuthorizationPolicy(cluster: Cluster, object: KubeObject): AuthorizationPolicy {
  const spec = cluster.field(object, 'spec');
  const action = spec.get('action').isPresent ? spec.get('action').asText() : 'ALLOW';
  return {
    object,
    namespace: object.namespace ?? '',
    action: toAction(action),
    selector: compileEquality(spec.get('selector', 'matchLabels')),
    isTargeted: spec.get('targetRef').isPresent || spec.get('targetRefs').asList().length > 0,
    isDryRun: DRY_RUN_TRUE.has(object.annotations.get('istio.io/dry-run') ?? ''),
    rules: readList(spec.get('rules'), readRule, MALFORMED_RULE),
  };
}

/** As Go's strconv.ParseBool has it. */
const DRY_RUN_TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const MALFORMED: PolicyCondition = { attribute: 'malformed', values: [''], notValues: [] };
const MALFORMED_RULE: PolicyRule = { from: null, to: null, when: [MALFORMED] };

function toAction(text: string | null): PolicyAction | null {
  switch (text) {
    case 'ALLOW':
    case 'DENY':
    case 'CUSTOM':
    case 'AUDIT':
      return text;
    case null:
    default:
      return null;
  }
}

function readRule(rule: Field): PolicyRule {
  if (rule.kind !== 'map') return MALFORMED_RULE;
  const from = readList(rule.get('from'), (entry) => readTerm(entry.get('source'), SOURCE_FIELDS), [MALFORMED]);
  const to = readList(rule.get('to'), (entry) => readTerm(entry.get('operation'), OPERATION_FIELDS), [MALFORMED]);
  return {
    from: from.length === 0 ? null : from,
    to: to.length === 0 ? null : to,
    when: readList(rule.get('when'), readCondition, MALFORMED),
  };
}

/** Something other than a list is one item of which nothing is known. */
function readList<T>(field: Field, read: (item: Field) => T, malformed: T): readonly T[] {
  if (field.isPresent && field.kind !== 'list') {
    field.noteWrong('a list');
    return [malformed];
  }
  return field.asList().map(read);
}

function readTerm(term: Field, fields: ReadonlyMap<string, Attribute>): PolicyTerm {
  if (term.isPresent && term.kind !== 'map') return [MALFORMED];
  return [...fields].flatMap(([name, attribute]) => {
    const opposite = `not${name.charAt(0).toUpperCase()}${name.slice(1)}`;
    return toCondition(attribute, { values: term.get(name), notValues: term.get(opposite) }) ?? [];
  });
}

function readCondition(condition: Field): PolicyCondition {
  const key = condition.get('key').requireText();
  if (key === null) return MALFORMED;
  const attribute = CONDITION_KEYS.find(([pattern]) => pattern.test(key))?.[1] ?? 'invalid';
  const texts = { values: condition.get('values'), notValues: condition.get('notValues') };
  return toCondition(attribute, texts) ?? MALFORMED;
}

function toCondition(
  attribute: Attribute,
  texts: { readonly values: Field; readonly notValues: Field },
): PolicyCondition | null {
  const values = texts.values.asTexts();
  const notValues = texts.notValues.asTexts();
  const isWhole = isTextList(texts.values, values) && isTextList(texts.notValues, notValues);
  if (!isWhole) return MALFORMED;
  return values.length + notValues.length === 0 ? null : { attribute, values, notValues };
}

function isTextList(field: Field, texts: readonly string[]): boolean {
  return !field.isPresent || (field.kind === 'list' && texts.length === field.asList().length);
}
