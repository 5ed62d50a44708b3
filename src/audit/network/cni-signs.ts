// Traces that a CNI leaves in a cluster: its agents, its configuration, the kinds it defines.

import type { Cluster } from '../cluster.ts';
import { formatObject, type KubeObject } from '../kube-object.ts';
import type { Container, Workload } from '../workload.ts';
import { type Answer, doubt } from './answer.ts';
import type { CniName } from './cni.ts';

export interface CniSign {
  readonly cni: CniName;
  /** An agent that runs outweighs configuration, and that outweighs kinds, which stay behind when a CNI goes. */
  readonly strength: 'agent' | 'configuration' | 'definition';
  /** Whether it enforces anything, as far as this sign tells. */
  readonly isEnforcing: Answer;
  readonly object: KubeObject;
  readonly detail: string;
}

export function findCniSigns(cluster: Cluster): readonly CniSign[] {
  return [...agentSigns(cluster), ...nodeSigns(cluster), ...configurationSigns(cluster), ...definitionSigns(cluster)];
}

interface AgentTrait {
  readonly cni: CniName;
  /** Of an image's repository, without registry, tag and digest. */
  readonly image: RegExp;
  /** For images that are told by their digest only. */
  readonly daemonSet: RegExp | null;
  readonly isEnforcing?: (container: Container, workload: Workload) => Answer;
}

const AGENTS: readonly AgentTrait[] = [
  {
    cni: 'cilium',
    image: /(?:^|\/)(?:hardened-|mirrored-)?cilium(?:-cilium|-ci|-dev)?$/,
    daemonSet: /^(?:cilium|anetd)$/,
  },
  {
    cni: 'calico',
    image: /(?:^|\/)(?:calico\/(?:node|cnx-node)|[\w-]*calico-node|hardened-calico|cnx-node)$/,
    daemonSet: /^(?:calico-node|canal|rke2-canal)$/,
  },
  { cni: 'antrea', image: /(?:^|\/)antrea-(?:agent|ubuntu|ubi)[\w-]*$/, daemonSet: /^antrea-agent$/ },
  { cni: 'ovn-kubernetes', image: /(?:^|\/)ovn-kube[\w-]*$/, daemonSet: /^ovnkube-node$/ },
  { cni: 'openshift-sdn', image: /(?:^|\/)origin-sdn$/, daemonSet: /^sdn$/ },
  { cni: 'kube-ovn', image: /(?:^|\/)kube-ovn$/, daemonSet: /^kube-ovn-cni$/ },
  { cni: 'kube-router', image: /(?:^|\/)kube-router$/, daemonSet: null, isEnforcing: isFirewallOn },
  { cni: 'weave', image: /(?:^|\/)weave-npc$/, daemonSet: null },
  { cni: 'aws-vpc-cni', image: /(?:^|\/)aws-network-policy-agent$/, daemonSet: null, isEnforcing: isPolicyAgentOn },
  { cni: 'azure-npm', image: /(?:^|\/)azure-npm$/, daemonSet: /^azure-npm$/ },
  { cni: 'kube-network-policies', image: /(?:^|\/)kube-network-policies$/, daemonSet: null },
  { cni: 'kindnet', image: /(?:^|\/)kindnetd$/, daemonSet: null, isEnforcing: isKindnetNew },
  { cni: 'flannel', image: /(?:^|\/)[\w-]*flannel$/, daemonSet: /^kube-flannel(?:-ds)?/, isEnforcing: () => false },
  { cni: 'aws-vpc-cni', image: /(?:^|\/)amazon-k8s-cni$/, daemonSet: null, isEnforcing: () => false },
];

function agentSigns(cluster: Cluster): readonly CniSign[] {
  return cluster.workloads
    .filter(({ kind }) => kind === 'DaemonSet')
    .flatMap((workload) => AGENTS.flatMap((trait) => signOfAgent(workload, trait) ?? []));
}

function signOfAgent(workload: Workload, trait: AgentTrait): CniSign | null {
  const containers = workload.containers.filter(({ kind }) => kind === 'main' || kind === 'sidecar');
  const byImage = containers.find(({ image }) => image !== null && trait.image.test(repositoryOf(image)));
  const container = byImage ?? (trait.daemonSet?.test(workload.name) ? containers.find(isNamedByDigest) : undefined);
  if (container === undefined) return null;
  const isEnforcing = trait.isEnforcing?.(container, workload) ?? true;
  const detail = `${workload.ref} runs ${container.image ?? container.name}`;
  return { cni: trait.cni, strength: 'agent', isEnforcing, object: workload.object, detail };
}

/** A name of a DaemonSet proves nothing about an image whose own name says otherwise. */
function isNamedByDigest({ image }: Container): boolean {
  return image !== null && /^[^:]+(?::\d+\/[^:]+)?@sha256:/.test(image);
}

/** `quay.io/cilium/cilium:v1.18@sha256:…` → `cilium/cilium`. */
function repositoryOf(image: string): string {
  const path = image.replace(/@.*$/, '').replace(/:[^/]*$/, '');
  const slash = path.indexOf('/');
  const isRegistry = slash !== -1 && /[.:]|^localhost$/.test(path.slice(0, slash));
  return isRegistry ? path.slice(slash + 1) : path;
}

const AGENT_OFF = doubt('enforcement', 'the policy agent of the VPC CNI does not say that it is enabled');
const KINDNET_AGE = doubt(
  'enforcement',
  'only kindnet since August 2024 enforces policies, and the version is not known',
);

function argumentsOf(container: Container): readonly string[] {
  return [...container.field.get('command').asTexts(), ...container.field.get('args').asTexts()];
}

function isFirewallOn(container: Container): Answer {
  return !argumentsOf(container).some((argument) => /^--run-firewall=(?:false|0|f)$/i.test(argument));
}

function isPolicyAgentOn(container: Container): Answer {
  const setting = argumentsOf(container).find((argument) => argument.startsWith('--enable-network-policy'));
  if (setting === undefined) return AGENT_OFF;
  return /^--enable-network-policy(?:=true)?$/.test(setting);
}

/** Tags are dates: `v20240813-c6f155d6`. */
function isKindnetNew({ image }: Container): Answer {
  const date = /:v(\d{8})/.exec(image ?? '')?.[1];
  return date === undefined ? KINDNET_AGE : date >= '20240813';
}

const EMBEDDED = doubt('enforcement', 'K3s enforces policies unless it is started without its policy controller');

/** K3s carries its policy controller in itself; nothing of it runs as a pod. */
function nodeSigns(cluster: Cluster): readonly CniSign[] {
  return cluster.byKind('', 'Node').flatMap((object): readonly CniSign[] => {
    const version = cluster.field(object, 'status', 'nodeInfo', 'kubeletVersion').asText() ?? '';
    if (!version.includes('+k3s')) return [];
    const detail = `${formatObject(object)} runs ${version}`;
    return [{ cni: 'k3s', strength: 'agent', isEnforcing: EMBEDDED, object, detail }];
  });
}

const CONFIG_MAPS: ReadonlyMap<string, CniName> = new Map([
  ['cilium-config', 'cilium'],
  ['calico-config', 'calico'],
  ['canal-config', 'calico'],
  ['antrea-config', 'antrea'],
  ['ovnkube-config', 'ovn-kubernetes'],
  ['kube-flannel-cfg', 'flannel'],
]);

/** Objects of these kinds are written by the CNI itself, or by its operator for it. */
const CONFIGURATION_KINDS: readonly (readonly [group: string, kind: string, cni: CniName])[] = [
  ['cilium.io', 'CiliumNode', 'cilium'],
  ['cilium.io', 'CiliumEndpoint', 'cilium'],
  ['crd.projectcalico.org', 'FelixConfiguration', 'calico'],
  ['projectcalico.org', 'FelixConfiguration', 'calico'],
  ['crd.projectcalico.org', 'ClusterInformation', 'calico'],
  ['projectcalico.org', 'ClusterInformation', 'calico'],
  ['operator.tigera.io', 'Installation', 'calico'],
];

function configurationSigns(cluster: Cluster): readonly CniSign[] {
  const signs: CniSign[] = [];
  for (const object of cluster.byKind('', 'ConfigMap')) {
    const cni = CONFIG_MAPS.get(object.name.replace(/^(antrea-config)-[a-z0-9]+$/, '$1'));
    if (cni !== undefined) signs.push(configuration(cni, object));
  }
  for (const [group, kind, cni] of CONFIGURATION_KINDS) {
    const [object] = cluster.byKind(group, kind);
    if (object !== undefined) signs.push(configuration(cni, object));
  }
  for (const object of cluster.byKind('config.openshift.io', 'Network')) {
    const type =
      cluster.field(object, 'status', 'networkType').asText() ?? cluster.field(object, 'spec', 'networkType').asText();
    if (type === 'OVNKubernetes') signs.push(configuration('ovn-kubernetes', object));
    if (type === 'OpenShiftSDN') signs.push(configuration('openshift-sdn', object));
  }
  return signs;
}

function configuration(cni: CniName, object: KubeObject): CniSign {
  const detail = `${formatObject(object)} configures ${cni}`;
  return { cni, strength: 'configuration', isEnforcing: cni !== 'flannel', object, detail };
}

const DEFINITIONS: ReadonlyMap<string, CniName> = new Map([
  ['ciliumnetworkpolicies.cilium.io', 'cilium'],
  ['felixconfigurations.crd.projectcalico.org', 'calico'],
  ['felixconfigurations.projectcalico.org', 'calico'],
  ['globalnetworkpolicies.crd.projectcalico.org', 'calico'],
  ['globalnetworkpolicies.projectcalico.org', 'calico'],
  ['clusternetworkpolicies.crd.antrea.io', 'antrea'],
  ['egressfirewalls.k8s.ovn.org', 'ovn-kubernetes'],
]);

function definitionSigns(cluster: Cluster): readonly CniSign[] {
  return cluster.byKind('apiextensions.k8s.io', 'CustomResourceDefinition').flatMap((object): readonly CniSign[] => {
    const cni = DEFINITIONS.get(object.name);
    if (cni === undefined) return [];
    const detail = `${formatObject(object)} defines policies of ${cni}`;
    return [{ cni, strength: 'definition', isEnforcing: true, object, detail }];
  });
}
