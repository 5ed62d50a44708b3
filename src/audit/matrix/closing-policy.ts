// NetworkPolicies that close a hole, and leave open what the access matrix grants.

import type { Cluster } from '../cluster.ts';
import type { Json } from '../finding.ts';
import { toYaml } from '../formats/yaml-text.ts';
import type { KubeObject } from '../kube-object.ts';
import { askPeer } from '../network/ask-program.ts';
import { type Endpoint, OTHER_NODE } from '../network/endpoint.ts';
import type { BoundRule } from '../network/evaluate.ts';
import type { Reason } from '../network/reason.ts';
import type { PolicyRule } from '../network/traffic-policy.ts';
import { compileSelector, matchLabels } from '../selector.ts';
import type { Workload } from '../workload.ts';
import type { Access } from './access.ts';
import { peerOf, selectOnly, toObjectName } from './selection.ts';
import type { Witness } from './witness.ts';

/** `why`: what stands in the way of a manifest that could be relied on. */
export type Closing =
  | { readonly kind: 'manifest'; readonly text: string }
  | { readonly kind: 'none'; readonly why: string };

const MAX_PEERS = 60;
const MAX_SELECTED = 20;

/** Of one cluster, for which much is the same from one hole to the next. */
export class ClosingPolicies {
  readonly #access: Access;
  readonly #cluster: Cluster;
  readonly #componentOf = new Map<Workload, string | null>();
  readonly #byComponent = new Map<string | null, readonly Workload[]>();
  readonly #opens = new Map<PolicyRule, Map<string | null, boolean>>();

  constructor(access: Access, cluster: Cluster) {
    this.#access = access;
    this.#cluster = cluster;
    for (const [workload, answer] of access.answers) {
      this.#componentOf.set(workload, answer.kind === 'component' ? answer.name : null);
    }
    this.#byComponent = Map.groupBy(access.answers.keys(), (workload) => this.#componentOf.get(workload) ?? null);
  }

  /**
   * Allows of policies add up, so that no further policy takes away what a rule lets in: such a rule goes, and each workload that it was for gets
   * a policy of its own.
   */
  close(witnesses: readonly Witness[]): Closing {
    const [first] = witnesses;
    if (first === undefined) return { kind: 'none', why: 'nobody gets in' };
    const beyond = witnesses.flatMap(({ reasons }) => reasons).find(isBeyondPolicy);
    if (beyond !== undefined) return { kind: 'none', why: beyond.detail };
    const removal = this.#removalFor(first.to);
    if (typeof removal === 'string') return { kind: 'none', why: removal };
    const documents = [...removal.rules].map(([policy, rules]) => toYaml(withoutRules(policy, rules)));
    for (const workload of removal.concerned) {
      if (this.#isAmbiguous(workload)) return { kind: 'none', why: `${workload.ref} is of two components` };
      const policy = this.#closingPolicy(workload, removal);
      if (typeof policy === 'string') return { kind: 'none', why: policy };
      documents.push(toYaml(policy));
    }
    return { kind: 'manifest', text: [...new Set(documents)].join('---\n') };
  }

  /**
   * Whoever else a policy selects that loses a rule is concerned too, and so are the policies of those: every hole among them is closed by the same
   * documents, in whichever order they are applied.
   */
  #removalFor(target: Workload): Removal | string {
    const concerned = new Set([target]);
    const rules = new Map<KubeObject, Map<number, PolicyRule>>();
    for (const workload of concerned) {
      for (const { policy, rule } of this.#openingRules(workload)) {
        const [, section, index] = rule.path;
        const { object, title } = policy;
        if (object === null || !isNetworkPolicy(object) || section !== 'ingress' || typeof index !== 'number') {
          return `${title} lets it in, which no NetworkPolicy takes back`;
        }
        rules.set(object, (rules.get(object) ?? new Map<number, PolicyRule>()).set(index, rule));
        for (const other of selectedBy(this.#cluster, object)) concerned.add(other);
      }
      if (concerned.size > MAX_SELECTED) return `the rules are for more than ${MAX_SELECTED} workloads`;
    }
    return { rules, concerned };
  }

  /** All that let in somebody of a component whom the matrix grants nothing: behind the one that a witness comes through there may be more. */
  #openingRules(to: Workload): readonly BoundRule[] {
    const pod = this.#access.found.classOf(to)?.pod;
    if (pod === undefined) return [];
    const component = this.#componentOf.get(to) ?? null;
    return this.#access.found
      .programOf(pod, 'ingress')
      .rules.filter(({ rule }) => rule.action === 'allow' && this.#letsStrangersIn(rule, component));
  }

  #letsStrangersIn(rule: PolicyRule, component: string | null): boolean {
    const known = this.#opens.get(rule) ?? new Map<string | null, boolean>();
    this.#opens.set(rule, known);
    const answer = known.get(component) ?? this.#findStranger(rule, component);
    known.set(component, answer);
    return answer;
  }

  #findStranger({ peer }: PolicyRule, component: string | null): boolean {
    return this.#access.cells.some((cell) => {
      if (cell.component === null || this.#access.grants.has(cell.component, component)) return false;
      const endpoint: Endpoint = cell.podClass === null ? OTHER_NODE : { kind: 'pod', pod: cell.podClass.pod };
      return askPeer(peer, endpoint) !== false;
    });
  }

  /**
   * Isolates a workload but for those whom the matrix grants something, and for what belongs to it, at the ports at which a rule let them in before; a
   * text says why that cannot be done.
   */
  #closingPolicy(to: Workload, { rules }: Removal): Json | string {
    if (to.isHostNetwork) return `${to.ref} is on the network of its node, where no policy is applied`;
    const component = this.#componentOf.get(to) ?? null;
    const podSelector = selectOnly(
      to,
      this.#neighboursOf(to, ({ object }) => object === to.object),
    );
    if (podSelector === null) return `its labels do not tell ${to.ref} from other workloads`;
    const friends = this.#friendsOf(component);
    if (typeof friends === 'string') return friends;
    const own = this.#cluster.workloadsIn(to.namespace).filter(({ object }) => object === to.object);
    const lost = [...rules].filter(([policy]) => selectedBy(this.#cluster, policy).includes(to));
    // Whoever no policy isolated was open to all, at all ports.
    const openings = lost.length === 0 ? [null] : lost.flatMap(([policy, ofPolicy]) => openingsOf(policy, ofPolicy));
    const ingress: Json[] = [];
    for (const opening of openings) {
      const admitted = [...friends, ...own].filter(
        (other) => opening === null || this.#isAdmitted(opening.rule, other),
      );
      const peers = new Map<string, Json>();
      const why = this.#addPeers(admitted, peers);
      if (why !== null) return why;
      if (peers.size > 0) ingress.push({ from: [...peers.values()], ...opening?.ports });
    }
    return {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: toObjectName(`matrix-${to.kind}-${to.name}-${to.role ?? 'pods'}`), namespace: to.namespace },
      spec: { podSelector, policyTypes: ['Ingress'], ingress },
    };
  }

  #isAmbiguous(workload: Workload): boolean {
    return this.#access.answers.get(workload)?.kind === 'several';
  }

  #isAdmitted({ peer }: PolicyRule, workload: Workload): boolean {
    const pod = this.#access.found.classOf(workload)?.pod;
    return askPeer(peer, pod === undefined ? OTHER_NODE : { kind: 'pod', pod }) !== false;
  }

  #friendsOf(component: string | null): readonly Workload[] | string {
    const friends = [...this.#byComponent]
      .filter(([source]) => this.#access.grants.has(source, component))
      .flatMap(([, workloads]) => workloads);
    return friends.length > MAX_PEERS ? `${friends.length} workloads may come` : friends;
  }

  /** Null when all could be named, and nobody else: who is granted something and was kept out by the rule stays out. */
  #addPeers(workloads: readonly Workload[], peers: Map<string, Json>): string | null {
    const isNamed = (other: Workload): boolean => workloads.includes(other);
    for (const workload of workloads) {
      if (workload.isHostNetwork) return `${workload.ref} is on the network of its node, and no policy can name it`;
      const selector = selectOnly(workload, this.#neighboursOf(workload, isNamed));
      if (selector === null) return `its labels do not tell ${workload.ref}, which may come, from others`;
      const peer = peerOf(workload.namespace, selector);
      peers.set(JSON.stringify(peer), peer);
    }
    return null;
  }

  #neighboursOf({ namespace }: Workload, isLeftOut: (other: Workload) => boolean): readonly Workload[] {
    return this.#cluster.workloadsIn(namespace).filter((other) => !isLeftOut(other));
  }
}

interface Removal {
  /** By the policy that has them and their place in it. */
  readonly rules: ReadonlyMap<KubeObject, ReadonlyMap<number, PolicyRule>>;
  readonly concerned: ReadonlySet<Workload>;
}

interface Opening {
  readonly rule: PolicyRule;
  /** As they stand in the rule; empty for all. */
  readonly ports: { readonly ports?: Json };
}

function openingsOf(policy: KubeObject, rules: ReadonlyMap<number, PolicyRule>): readonly Opening[] {
  const ingress = ingressOf(toJson(policy.body));
  return [...rules].map(([index, rule]) => {
    const body = ingress[index];
    const ports = isMap(body) ? body['ports'] : undefined;
    return { rule, ports: ports === undefined || ports === null ? {} : { ports } };
  });
}

function isNetworkPolicy(object: KubeObject): boolean {
  return object.apiVersion === 'networking.k8s.io/v1' && object.kind === 'NetworkPolicy';
}

/** Nothing that anybody writes into a policy closes it. */
function isBeyondPolicy({ direction, effect }: Reason): boolean {
  return effect === 'not-enforced' || (effect === 'beyond-policy' && direction === 'ingress');
}

function selectedBy(cluster: Cluster, policy: KubeObject): readonly Workload[] {
  const selector = compileSelector(cluster.field(policy, 'spec', 'podSelector'));
  return cluster
    .workloadsIn(policy.namespace ?? '')
    .filter(({ labels, isHostNetwork }) => !isHostNetwork && matchLabels(selector, labels) === 'yes');
}

/** As it is, but for those rules and for what the API server wrote into it. */
function withoutRules(policy: KubeObject, rules: ReadonlyMap<number, PolicyRule>): Json {
  const body = toJson(policy.body);
  const spec = isMap(body) ? body['spec'] : undefined;
  const kept = ingressOf(body).filter((_rule, index) => !rules.has(index));
  const { namespace, name } = policy;
  const metadata = {
    name,
    namespace,
    ...(policy.labels.size === 0 ? {} : { labels: Object.fromEntries(policy.labels) }),
  };
  return {
    apiVersion: policy.apiVersion,
    kind: policy.kind,
    metadata,
    spec: { ...(isMap(spec) ? spec : {}), ingress: kept },
  };
}

function ingressOf(body: Json): readonly Json[] {
  const spec = isMap(body) ? body['spec'] : undefined;
  const ingress = isMap(spec) ? spec['ingress'] : undefined;
  return isList(ingress) ? ingress : [];
}

function toJson(body: unknown): Json {
  if (body === null || typeof body === 'string' || typeof body === 'number' || typeof body === 'boolean') return body;
  if (Array.isArray(body)) return body.map(toJson);
  if (typeof body !== 'object') return null;
  return Object.fromEntries(Object.entries(body).map(([key, value]) => [key, toJson(value)]));
}

function isMap(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}
