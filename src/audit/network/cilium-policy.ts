// CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy.
// https://docs.cilium.io/en/stable/security/policy/

import type { Field } from '../fields.ts';
import { formatObject, type KubeObject } from '../kube-object.ts';
import { type Answer, doubt, or } from './answer.ts';
import { readIdentitySelector, selectSubjects } from './cilium-identity.ts';
import { type PeerContext, peerKeysOf, readCiliumPeers } from './cilium-peers.ts';
import { readCiliumPorts } from './cilium-ports.ts';
import { hasOnly, isNoList } from './known-keys.ts';
import { anything, EVERYTHING, NOTHING } from './peer-test.ts';
import { ALL_PORTS, NO_PORTS } from './port-test.ts';
import type { PolicyReader } from './reader.ts';
import { unreadableSection } from './unreadable-section.ts';
import {
  EVERY_POD,
  type Action,
  type Direction,
  type PodTest,
  type PolicyRule,
  type PolicySection,
  type TrafficPolicy,
} from './traffic-policy.ts';

/** Denials of all policies come before everything that any of them allows. */
export interface CiliumPolicies {
  readonly denying: readonly TrafficPolicy[];
  readonly allowing: readonly TrafficPolicy[];
  /** Policies of nodes, whose effect is not computed. */
  readonly ofNodes: readonly KubeObject[];
}

const RULE_SET_KEYS = [
  'endpointSelector',
  'nodeSelector',
  'ingress',
  'ingressDeny',
  'egress',
  'egressDeny',
  'enableDefaultDeny',
  'labels',
  'description',
  'log',
];
const MALFORMED_RULE = doubt('malformed', 'the rule cannot be read');
const MALFORMED_POLICY = doubt(
  'malformed',
  'Cilium refuses a policy that selects neither endpoints nor nodes, or both',
);
const MALFORMED_DEFAULT = doubt('malformed', '`enableDefaultDeny` cannot be read');
const REQUIREMENT = doubt('unmodelled', '`fromRequires` and `toRequires` narrow the rules of all policies');
const EMPTY_SECTION = doubt('unmodelled', 'an empty list of peers selects nothing, and everything in old versions');

export function compileCiliumPolicies(
  objects: readonly KubeObject[],
  reader: PolicyReader,
  { clusterName }: { readonly clusterName: string },
): CiliumPolicies {
  const denying: TrafficPolicy[] = [];
  const allowing: TrafficPolicy[] = [];
  const ofNodes = new Set<KubeObject>();
  for (const object of objects) {
    for (const ruleSet of ruleSetsOf(reader.cluster.field(object))) {
      const context: PeerContext = { reader, vocabulary: reader.vocabulary, namespace: object.namespace, clusterName };
      const subjects = readSubjects(ruleSet, context);
      if (subjects === 'nodes') {
        ofNodes.add(object);
        continue;
      }
      const place = { title: formatObject(object), object, path: ruleSet.path, subjects };
      if (ruleSet.kind !== 'map') {
        const section = unreadableSection(ruleSet.path);
        allowing.push({ ...place, ingress: section, egress: section });
        continue;
      }
      const ingress = readDirection(ruleSet, 'ingress', context);
      const egress = readDirection(ruleSet, 'egress', context);
      denying.push({ ...place, ingress: ingress.denying, egress: egress.denying });
      allowing.push({ ...place, ingress: ingress.allowing, egress: egress.allowing });
    }
  }
  return { denying, allowing, ofNodes: [...ofNodes] };
}

/** `spec` and `specs` are both allowed, and both at once. */
function ruleSetsOf(object: Field): readonly Field[] {
  const spec = object.get('spec');
  const specs = object.get('specs');
  const items = specs.asList();
  if (!spec.isPresent && items.length === 0) spec.noteWrong('a rule, or a list of them in specs');
  const unreadable = isNoList(specs) ? [specs] : [];
  return [...(spec.isPresent || items.length + unreadable.length === 0 ? [spec] : []), ...items, ...unreadable];
}

function readSubjects(ruleSet: Field, context: PeerContext): PodTest | 'nodes' {
  const isKnown = hasOnly(ruleSet, RULE_SET_KEYS);
  if (ruleSet.isPresent) ruleSet.asMap();
  const endpoints = ruleSet.get('endpointSelector');
  const nodes = ruleSet.get('nodeSelector');
  if (ruleSet.kind === 'map' && isKnown && endpoints.isPresent === nodes.isPresent) {
    ruleSet.noteWrong('either endpointSelector or nodeSelector');
  }
  if (ruleSet.kind !== 'map' || !isKnown || endpoints.isPresent === nodes.isPresent) {
    return inNamespace(context.namespace);
  }
  if (nodes.isPresent) return 'nodes';
  return selectSubjects(readIdentitySelector(endpoints), context);
}

function inNamespace(namespace: string | null): PodTest {
  if (namespace === null) return { ...EVERY_POD, answer: MALFORMED_POLICY };
  return {
    kind: 'some',
    key: JSON.stringify(['malformed', namespace]),
    namespace,
    ofNamespace: ({ name }) => name === namespace,
    ofPod: () => MALFORMED_POLICY,
  };
}

interface DirectionSections {
  readonly denying: PolicySection;
  readonly allowing: PolicySection;
}

function readDirection(ruleSet: Field, direction: Direction, context: PeerContext): DirectionSections {
  const allow = ruleSet.get(direction);
  const deny = ruleSet.get(`${direction}Deny`);
  const isolates = readDefaultDeny(ruleSet, direction, [allow, deny]);
  const denyRules = readRules(deny, { direction, action: 'deny', context });
  const allowRules = readRules(allow, { direction, action: 'allow', context });
  return {
    denying: { isolates, rules: [...denyRules, ...requirementsOn([allow, deny], direction)] },
    allowing: { isolates, rules: allowRules },
  };
}

/** Where nothing else is said, a direction with rules denies by default, and one without is not touched. */
function readDefaultDeny(ruleSet: Field, direction: Direction, sections: readonly Field[]): Answer {
  const setting = ruleSet.get('enableDefaultDeny');
  const field = setting.get(direction);
  if (setting.isPresent && setting.kind !== 'map') return MALFORMED_DEFAULT;
  if (field.isPresent) return field.asBoolean() ?? MALFORMED_DEFAULT;
  let answer: Answer = false;
  for (const section of sections) {
    answer = or(answer, isNoList(section) ? MALFORMED_RULE : section.asList().length > 0);
  }
  return answer;
}

interface RuleContext {
  readonly direction: Direction;
  readonly action: Action;
  readonly context: PeerContext;
}

function readRules(field: Field, rules: RuleContext): readonly PolicyRule[] {
  if (!isNoList(field)) return field.asList().map((rule) => readRule(rule, rules));
  field.asList();
  const { action } = rules;
  return [{ ...NO_RULE, action, doubt: MALFORMED_RULE, peer: EVERYTHING, ports: ALL_PORTS, path: field.path }];
}

const NO_RULE: Omit<PolicyRule, 'action' | 'path'> = {
  doubt: null,
  own: null,
  peer: NOTHING,
  ports: NO_PORTS,
  remarks: [],
};

function readRule(field: Field, { direction, action, context }: RuleContext): PolicyRule {
  const requires = direction === 'ingress' ? 'fromRequires' : 'toRequires';
  const isKnown = hasOnly(field, [...peerKeysOf(direction), requires, 'toPorts', 'icmps', 'authentication']);
  const base = { ...NO_RULE, action, path: field.path };
  if (field.kind !== 'map' || !isKnown) {
    if (field.kind !== 'map') field.noteWrong('a mapping');
    return { ...base, doubt: MALFORMED_RULE, peer: EVERYTHING, ports: ALL_PORTS };
  }
  const ports = readCiliumPorts(field.get('toPorts'), context.vocabulary);
  const peers = readCiliumPeers(field, direction, context);
  // A rule about ICMP says nothing of ports, and one that says nothing at all only denies by default.
  if (field.get('icmps').isPresent || (ports === null && peers.given !== 'some')) return base;
  const authentication = field.get('authentication', 'mode').asText();
  return {
    ...base,
    doubt: peers.doubt,
    peer: peerOf(peers),
    ports: ports?.ports ?? ALL_PORTS,
    remarks: [...(ports?.remarks ?? []), ...(authentication === null ? [] : [`authentication mode ${authentication}`])],
  };
}

function peerOf({ given, peer }: Pick<ReturnType<typeof readCiliumPeers>, 'given' | 'peer'>): PolicyRule['peer'] {
  if (given === 'some') return peer;
  return given === 'none' ? EVERYTHING : anything(EMPTY_SECTION);
}

function requirementsOn(sections: readonly Field[], direction: Direction): readonly PolicyRule[] {
  const key = direction === 'ingress' ? 'fromRequires' : 'toRequires';
  const found = sections.flatMap((section) => (isNoList(section) ? [] : section.asList()));
  return found
    .filter((rule) => rule.kind === 'map' && rule.get(key).isPresent)
    .map((rule) => ({
      ...NO_RULE,
      action: 'deny',
      doubt: REQUIREMENT,
      peer: EVERYTHING,
      ports: ALL_PORTS,
      path: rule.get(key).path,
    }));
}

/** A policy that does nothing, for what is isolated by the agent's configuration. */
export function isolationBySetting(object: KubeObject): TrafficPolicy {
  const section: PolicySection = { isolates: true, rules: [] };
  return {
    title: formatObject(object),
    object,
    path: ['data', 'enable-policy'],
    subjects: EVERY_POD,
    ingress: section,
    egress: section,
  };
}
