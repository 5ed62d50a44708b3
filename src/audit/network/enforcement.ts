// Which CNI enforces which policies, or why nobody knows.

import type { Cluster } from '../cluster.ts';
import { type Answer, doubt, isDoubt, or } from './answer.ts';
import { type CniName, enforces, enforcesAnything, type PolicyKind } from './cni.ts';
import { type CniSign, findCniSigns } from './cni-signs.ts';

export interface Enforcer {
  readonly cni: CniName;
  /** Whether it enforces anything. */
  readonly isEnforcing: Answer;
}

export interface Enforcement {
  /**
   * `named` by whoever asks, `detected` by what the cluster shows, `assumed` where it shows nothing and that was asked for, `unknown` where
   * it shows nothing.
   */
  readonly basis: 'named' | 'detected' | 'assumed' | 'unknown';
  /** All of them must let a connection through. Empty when nothing is enforced. */
  readonly enforcers: readonly Enforcer[];
  readonly signs: readonly CniSign[];
  readonly detail: string;
}

export interface EnforcementTerms {
  /** Null to look for it. */
  readonly cni: CniName | null;
  /** What holds where no CNI shows: that policies are enforced as they are written, or that nobody knows. */
  readonly undetected: 'assumed' | 'unknown';
}

export function detectEnforcement(cluster: Cluster, { cni, undetected }: EnforcementTerms): Enforcement {
  const signs = findCniSigns(cluster);
  if (cni !== null) {
    const enforcers = enforcesAnything(cni) ? [{ cni, isEnforcing: true }] : [];
    return { basis: 'named', enforcers, signs, detail: `${cni} is named as the CNI` };
  }
  const strongest = strongestOf(signs);
  if (strongest.length === 0) {
    const detail = 'nothing among what was read shows which CNI enforces policies';
    return { basis: undetected, enforcers: presumedBy(cluster), signs, detail };
  }
  return {
    basis: 'detected',
    enforcers: enforcersOf(strongest),
    signs: strongest,
    detail: strongest.map(({ detail }) => detail).join('; '),
  };
}

/** Whether policies of a kind have any effect. */
export function isEnforced({ basis, enforcers }: Enforcement, kind: PolicyKind): Answer {
  let answer: Answer = false;
  for (const { cni, isEnforcing } of enforcers) {
    const ofKind = enforces(cni, kind);
    answer = or(answer, isDoubt(isEnforcing) && ofKind !== false ? isEnforcing : ofKind);
  }
  return basis === 'unknown' && answer !== false ? UNDETECTED : answer;
}

export const UNDETECTED = doubt('enforcement', 'no CNI that enforces policies was found');

function strongestOf(signs: readonly CniSign[]): readonly CniSign[] {
  for (const strength of ['agent', 'configuration', 'definition'] as const) {
    const found = signs.filter((sign) => sign.strength === strength);
    if (found.length > 0) return found;
  }
  return [];
}

function enforcersOf(signs: readonly CniSign[]): readonly Enforcer[] {
  const answers = new Map<CniName, Answer>();
  for (const { cni, isEnforcing } of signs) answers.set(cni, or(answers.get(cni) ?? false, isEnforcing));
  return [...answers]
    .filter(([cni, isEnforcing]) => isEnforcing !== false && enforcesAnything(cni))
    .map(([cni, isEnforcing]) => ({ cni, isEnforcing }));
}

/** Whoever writes policies of a vendor has that vendor in mind. */
function presumedBy(cluster: Cluster): readonly Enforcer[] {
  const names: CniName[] = [];
  if (hasAny(cluster, CILIUM_KINDS)) names.push('cilium');
  if (hasAny(cluster, CALICO_KINDS)) names.push('calico');
  return (names.length === 0 ? (['standard'] as const) : names).map((cni) => ({ cni, isEnforcing: true }));
}

function hasAny(cluster: Cluster, kinds: readonly (readonly [group: string, kind: string])[]): boolean {
  return kinds.some(([group, kind]) => cluster.byKind(group, kind).length > 0);
}

export const CILIUM_KINDS = [
  ['cilium.io', 'CiliumNetworkPolicy'],
  ['cilium.io', 'CiliumClusterwideNetworkPolicy'],
] as const;

export const CALICO_KINDS = [
  ['projectcalico.org', 'NetworkPolicy'],
  ['projectcalico.org', 'GlobalNetworkPolicy'],
  ['crd.projectcalico.org', 'NetworkPolicy'],
  ['crd.projectcalico.org', 'GlobalNetworkPolicy'],
] as const;
