// NetworkPolicy and GlobalNetworkPolicy of projectcalico.org, and the tiers they stand in.
// https://docs.tigera.io/calico/latest/reference/resources/networkpolicy

import type { Field } from '../fields.ts';
import { formatObject, type KubeObject } from '../kube-object.ts';
import { type Answer, doubt, type Doubt } from './answer.ts';
import { type CalicoContext, ownNamespace, ownSideOf, readEntity, restrictToFamily } from './calico-entity.ts';
import { namespaceTestOf, podTestOf, readCalicoSelector, serviceAccountTestOf } from './calico-labels.ts';
import { readCalicoPorts } from './calico-ports.ts';
import { hasOnly, isNoList } from './known-keys.ts';
import { allPodTests } from './pod-test.ts';
import { type PolicyTypes, readPolicyTypes } from './policy-types.ts';
import type { TieredPolicy } from './tier-order.ts';
import {
  EVERY_POD,
  NO_SECTION,
  type Action,
  type Direction,
  type PodTest,
  type PolicyRule,
  type PolicySection,
} from './traffic-policy.ts';
import { doubtfulRule, unreadableSection } from './unreadable-section.ts';

const SPEC_KEYS = [
  'tier',
  'order',
  'selector',
  'namespaceSelector',
  'serviceAccountSelector',
  'types',
  'ingress',
  'egress',
  'doNotTrack',
  'preDNAT',
  'applyOnForward',
  'performanceHints',
];
const RULE_KEYS = [
  'action',
  'protocol',
  'notProtocol',
  'icmp',
  'notICMP',
  'ipVersion',
  'source',
  'destination',
  'http',
  'metadata',
];
const MALFORMED_RULE = doubt('malformed', 'the rule cannot be read');
const SOURCE_PORT = doubt('unmodelled', 'the rule asks for source ports, which connections choose freely');
export const DEFAULT_TIER = 'default';

/** Null for one that is about hosts only: what is not tracked, or comes before address translation. */
export function compileCalicoPolicy(object: KubeObject, context: CalicoContext): TieredPolicy | null {
  const spec = context.cluster.field(object, 'spec');
  if (spec.get('doNotTrack').asBoolean() === true || spec.get('preDNAT').asBoolean() === true) return null;
  const isKnown = hasOnly(spec, SPEC_KEYS);
  const isReadable = isKnown && spec.kind === 'map';
  if (!spec.isPresent) spec.noteWrong('a mapping');
  const types = readTypes(spec);
  const unreadable = unreadableSection(spec.path);
  return {
    policy: {
      title: formatObject(object),
      object,
      path: ['spec'],
      subjects: readSubjects(spec, context),
      ingress: isReadable ? readSection(spec, { direction: 'ingress', applies: types.ingress, context }) : unreadable,
      egress: isReadable ? readSection(spec, { direction: 'egress', applies: types.egress, context }) : unreadable,
    },
    tier: readTier(spec.get('tier')),
    order: readOrder(spec.get('order')),
    // Those of one kind and order are asked by name.
    chain: object.kind,
    name: object.name,
  };
}

/** One that cannot be read is none that anybody knows, and so its place among the others is unknown. */
function readTier(field: Field): string {
  return field.isPresent ? (field.asText() ?? '') : DEFAULT_TIER;
}

/** After all others when absent. */
export function readOrder(field: Field): number | 'unknown' {
  if (!field.isPresent) return Number.POSITIVE_INFINITY;
  return field.asNumber() ?? 'unknown';
}

function readSubjects(spec: Field, { namespace, vocabulary }: CalicoContext): PodTest {
  const pods = readCalicoSelector(spec.get('selector'));
  const namespaces = readCalicoSelector(spec.get('namespaceSelector'));
  const accounts = readCalicoSelector(spec.get('serviceAccountSelector'));
  return allPodTests([
    ownNamespace(namespace),
    namespaces === null || namespace !== null ? EVERY_POD : namespaceTestOf(namespaces),
    pods === null ? EVERY_POD : podTestOf(pods, vocabulary),
    accounts === null ? EVERY_POD : serviceAccountTestOf(accounts, vocabulary),
  ]);
}

/** When absent, ingress unless there are rules for egress only; egress when there are rules for it. */
function readTypes(spec: Field): PolicyTypes {
  const types = readPolicyTypes(spec.get('types'));
  if (types !== null) return types;
  const ingress = hasRules(spec.get('ingress'));
  const egress = hasRules(spec.get('egress'));
  return { ingress: egress === true ? ingress : true, egress };
}

function hasRules(field: Field): Answer {
  return isNoList(field) ? MALFORMED_RULE : field.asList().length > 0;
}

interface SectionContext {
  readonly direction: Direction;
  readonly applies: Answer;
  readonly context: CalicoContext;
}

function readSection(spec: Field, section: SectionContext): PolicySection {
  const { applies, direction } = section;
  if (applies === false) return NO_SECTION;
  const field = spec.get(direction);
  if (isNoList(field)) {
    field.asList();
    return { isolates: applies, rules: doubtfulRules(field, MALFORMED_RULE) };
  }
  return { isolates: applies, rules: field.asList().flatMap((rule) => readRule(rule, section)) };
}

function readRule(field: Field, { direction, context }: SectionContext): readonly PolicyRule[] {
  const isKnown = hasOnly(field, RULE_KEYS);
  if (field.kind !== 'map') field.noteWrong('a mapping');
  if (!isKnown || field.kind !== 'map') return doubtfulRules(field, MALFORMED_RULE);
  const action = readAction(field.get('action'));
  if (action === 'log') return [];
  if (action === null) return doubtfulRules(field, MALFORMED_RULE);
  const [ownKey, peerKey] = direction === 'ingress' ? ['destination', 'source'] : ['source', 'destination'];
  const peer = readEntity(field.get(peerKey), context);
  const family = field.get('ipVersion');
  const version = family.asInteger();
  return [
    {
      action,
      doubt: doubtAbout(field),
      own: ownSideOf(readEntity(field.get(ownKey), context)),
      peer: version === 4 || version === 6 ? restrictToFamily(peer, version) : peer,
      ports: readCalicoPorts(field, context.vocabulary),
      remarks: field.get('http').isPresent ? ['http rules'] : [],
      path: field.path,
    },
  ];
}

function doubtAbout(field: Field): Doubt | null {
  const source = field.get('source');
  if (source.kind === 'map' && [source.get('ports'), source.get('notPorts')].some(isGiven)) return SOURCE_PORT;
  const version = field.get('ipVersion');
  if (version.isPresent && version.value !== 4 && version.value !== 6) {
    version.noteWrong('4 or 6');
    return MALFORMED_RULE;
  }
  return null;
}

function isGiven(field: Field): boolean {
  return isNoList(field) || field.asList().length > 0;
}

function readAction(field: Field): Action | 'log' | null {
  const text = field.requireText();
  if (text === null) return null;
  switch (text) {
    case 'Allow':
      return 'allow';
    case 'Deny':
      return 'deny';
    case 'Pass':
      return 'pass';
    case 'Log':
      return 'log';
    default:
      return field.noteWrong('Allow, Deny, Pass or Log');
  }
}

/** Whatever it says. */
function doubtfulRules({ path }: Field, reason: Doubt): readonly PolicyRule[] {
  return (['allow', 'deny', 'pass'] as const).map((action) => doubtfulRule(action, path, reason));
}
