// The CNIs that can be told from each other, and which kinds of policies each of them enforces.

import { type Answer, doubt } from './answer.ts';

export type PolicyKind = 'kubernetes' | 'admin' | 'cluster' | 'cilium' | 'calico';

export type CniName = keyof typeof CNIS;

interface Cni {
  /** What is not listed is not enforced. */
  readonly enforces: Partial<Readonly<Record<PolicyKind, Answer>>>;
}

const SINCE_A_VERSION = doubt('enforcement', 'only some versions enforce policies of this kind');
const IF_ENABLED = doubt('enforcement', 'policies of this kind are enforced only where that is enabled');

const CNIS = {
  cilium: { enforces: { kubernetes: true, cilium: true, admin: SINCE_A_VERSION, cluster: SINCE_A_VERSION } },
  calico: { enforces: { kubernetes: true, calico: true, admin: true, cluster: true } },
  antrea: { enforces: { kubernetes: true, admin: IF_ENABLED, cluster: IF_ENABLED } },
  'ovn-kubernetes': { enforces: { kubernetes: true, admin: true, cluster: SINCE_A_VERSION } },
  'openshift-sdn': { enforces: { kubernetes: true } },
  'kube-ovn': { enforces: { kubernetes: true, admin: SINCE_A_VERSION, cluster: SINCE_A_VERSION } },
  'kube-router': { enforces: { kubernetes: true } },
  weave: { enforces: { kubernetes: true } },
  'aws-vpc-cni': { enforces: { kubernetes: true } },
  'azure-npm': { enforces: { kubernetes: true } },
  'kube-network-policies': { enforces: { kubernetes: true, admin: IF_ENABLED, cluster: IF_ENABLED } },
  kindnet: { enforces: { kubernetes: true } },
  k3s: { enforces: { kubernetes: true } },
  flannel: { enforces: {} },
  none: { enforces: {} },
  /** Whatever enforces the kinds that Kubernetes itself defines. */
  standard: { enforces: { kubernetes: true, admin: true, cluster: true } },
} as const satisfies Readonly<Record<string, Cni>>;

export const CNI_NAMES: readonly CniName[] = Object.keys(CNIS).filter(isCniName);

export function isCniName(text: string): text is CniName {
  return Object.hasOwn(CNIS, text);
}

export function enforces(name: CniName, kind: PolicyKind): Answer {
  const cni: Cni = CNIS[name];
  return cni.enforces[kind] ?? false;
}

export function enforcesAnything(name: CniName): boolean {
  return Object.keys(CNIS[name].enforces).length > 0;
}
