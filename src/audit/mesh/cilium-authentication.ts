// Ports whose peers Cilium makes prove an identity before their packets pass.
// https://docs.cilium.io/en/stable/network/servicemesh/mutual-authentication/mutual-authentication/

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import { formatObject, type KubeObject } from '../kube-object.ts';
import { compileSelector, createSelector, matchLabels, type Selector } from '../selector.ts';
import type { Workload } from '../workload.ts';
import { every, some, toMatch, type Match } from './match.ts';

export interface CiliumAnswer {
  readonly mode: 'STRICT' | 'PERMISSIVE' | 'UNKNOWN';
  readonly object: KubeObject;
  readonly source: string;
}

interface IngressRule {
  readonly object: KubeObject;
  readonly selector: Selector;
  readonly requiresProof: boolean;
  /** Null for all ports. */
  readonly ports: readonly Field[] | null;
}

export class CiliumAuthentication {
  readonly #rules: readonly IngressRule[];
  readonly #settings: Field | null;

  constructor(cluster: Cluster) {
    this.#rules = ['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy'].flatMap((kind) =>
      cluster.byKind('cilium.io', kind).flatMap((object) => readRules(cluster, object)),
    );
    const config = cluster.byKind('', 'ConfigMap').find(({ name }) => name === 'cilium-config');
    this.#settings = config === undefined ? null : cluster.field(config, 'data');
  }

  get isUsed(): boolean {
    return this.#rules.some(({ requiresProof }) => requiresProof);
  }

  /** Null where nobody asks for proof. */
  answer(workload: Workload, port: number | null): CiliumAnswer | null {
    if (!this.isUsed || workload.isHostNetwork) return null;
    const rules = this.#rules
      .map((rule) => ({ rule, match: matchRule(rule, workload, port) }))
      .filter(({ match }) => match !== 'no');
    const proving = rules.find(({ rule, match }) => rule.requiresProof && match === 'yes')?.rule;
    const uncertain = rules.find(({ match }) => match === 'unknown')?.rule;
    const open = rules.find(({ rule }) => !rule.requiresProof)?.rule;
    if (proving === undefined) {
      return uncertain?.requiresProof === true
        ? { mode: 'UNKNOWN', object: uncertain.object, source: `${nameOf(uncertain.object)} cannot be read in full` }
        : null;
    }
    if (open !== undefined) {
      const source = `${nameOf(proving.object)} requires authentication, and ${nameOf(open.object)} does not`;
      return { mode: 'PERMISSIVE', object: open.object, source };
    }
    if (this.#setting('mesh-auth-enabled') === 'false') {
      const source = `${nameOf(proving.object)} requires authentication, which Cilium's configuration has switched off`;
      return { mode: 'UNKNOWN', object: proving.object, source };
    }
    const source = `${nameOf(proving.object)} requires authentication; ${this.#describeEncryption()}`;
    return { mode: 'STRICT', object: proving.object, source };
  }

  #describeEncryption(): string {
    const kinds = [
      { key: 'enable-wireguard', name: 'WireGuard' },
      { key: 'enable-ipsec', name: 'IPsec' },
    ];
    const used = kinds.find(({ key }) => this.#setting(key) === 'true');
    if (used !== undefined) return `packets are encrypted by ${used.name}`;
    return this.#settings === null ? 'whether packets are encrypted is not known' : 'packets are not encrypted';
  }

  #setting(key: string): string | null {
    return this.#settings?.get(key).asText() ?? null;
  }
}

function readRules(cluster: Cluster, object: KubeObject): readonly IngressRule[] {
  const root = cluster.field(object);
  return [root.get('spec'), ...root.get('specs').asList()].flatMap((spec) => {
    if (!spec.get('endpointSelector').isPresent) return [];
    const selector = withoutSources(compileSelector(spec.get('endpointSelector')));
    return spec
      .get('ingress')
      .asList()
      .map((rule) => ({
        object,
        selector,
        requiresProof: rule.get('authentication', 'mode').asText() === 'required',
        ports: rule.get('toPorts').isPresent
          ? rule
              .get('toPorts')
              .asList()
              .flatMap((entry) => entry.get('ports').asList())
          : null,
      }));
  });
}

/** `k8s:app` and `any:app` are the pod's label `app`. */
function withoutSources(selector: Selector): Selector {
  const requirements = selector.requirements.map((requirement) => ({
    ...requirement,
    key: requirement.key.replace(/^(?:k8s|any)[:.](?=.)/, ''),
  }));
  return createSelector(requirements, selector.isMalformed);
}

function matchRule({ object, selector, ports }: IngressRule, workload: Workload, port: number | null): Match {
  if (object.namespace !== null && object.namespace !== workload.namespace) return 'no';
  const labels = new Map([
    ...workload.labels,
    ['io.kubernetes.pod.namespace', workload.namespace],
    ['io.cilium.k8s.policy.serviceaccount', workload.serviceAccount],
  ]);
  if (ports === null) return matchLabels(selector, labels);
  return every([matchLabels(selector, labels), some(ports.map((entry) => matchPort(entry, workload, port)))]);
}

function matchPort(entry: Field, { containers }: Workload, port: number | null): Match {
  const text = entry.get('port').asQuantity();
  if (text === null) return 'unknown';
  if (!/^[0-9]+$/.test(text)) {
    return toMatch(containers.some(({ ports }) => ports.some(({ name, number }) => name === text && number === port)));
  }
  const first = Number(text);
  const last = entry.get('endPort').asInteger() ?? first;
  return toMatch(first === 0 || (port !== null && first <= port && port <= Math.max(first, last)));
}

function nameOf(object: KubeObject): string {
  return `${object.kind} ${formatObject(object).replace(/\[[^\]]*\]$/, '')}`;
}
