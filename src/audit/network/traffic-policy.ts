// The one form into which policies of every kind are brought.

import type { KubeObject } from '../kube-object.ts';
import type { Path } from '../path.ts';
import type { AddressSet } from './address-set.ts';
import type { Answer, Doubt } from './answer.ts';
import type { ConnectionSet, Protocol } from './connection-set.ts';
import type { NamespaceFacts, PodFacts } from './endpoint.ts';

export type Direction = 'ingress' | 'egress';

/** `pass` leaves the decision to the next tier. */
export type Action = 'allow' | 'deny' | 'pass';

/** A question about pods that has one answer for all of them. */
export interface EveryPod {
  readonly kind: 'every';
  readonly answer: Answer;
}

export interface SomePods {
  readonly kind: 'some';
  /** Equal for tests that answer alike. */
  readonly key: string;
  /** Nobody outside of it passes; null when it is open to all. */
  readonly namespace: string | null;
  readonly ofNamespace: (namespace: NamespaceFacts) => Answer;
  /** Of a pod whose namespace passed. */
  readonly ofPod: (pod: PodFacts) => Answer;
}

export type PodTest = EveryPod | SomePods;

export interface PeerTest {
  /** Pods that pass any of them. */
  readonly pods: readonly PodTest[];
  readonly nodes: { readonly same: Answer; readonly other: Answer };
  readonly outside: OutsideTest;
}

export interface OutsideTest {
  readonly certain: AddressSet;
  /** With those that are certain. */
  readonly possible: AddressSet;
  /** Null when nothing more is possible than what is certain. */
  readonly doubt: Doubt | null;
}

export interface PortName {
  readonly name: string;
  /** Null for any. */
  readonly protocol: Protocol | null;
}

export interface PortList {
  readonly certain: ConnectionSet;
  readonly possible: ConnectionSet;
  readonly names: readonly PortName[];
  readonly doubt: Doubt | null;
}

export interface PortTest {
  readonly include: PortList;
  /** Null for nothing. */
  readonly exclude: PortList | null;
}

export interface PolicyRule {
  readonly action: Action;
  /** Not null when it may match less than it seems to. */
  readonly doubt: Doubt | null;
  /** What it asks of the pods it is applied to, beside the policy itself; null for nothing. */
  readonly own: PodTest | null;
  readonly peer: PeerTest;
  readonly ports: PortTest;
  /** What narrows it where connections are no longer told apart: "HTTP rules". */
  readonly remarks: readonly string[];
  /** In the object. */
  readonly path: Path;
}

export interface PolicySection {
  /** Whether what no rule decides is denied to the pods it selects. */
  readonly isolates: Answer;
  /** In the order in which they are asked. */
  readonly rules: readonly PolicyRule[];
}

export interface TrafficPolicy {
  /** `ml/default-deny[NetworkPolicy]`, or what stands for policies that nobody has seen. */
  readonly title: string;
  /** Null for policies that nobody has seen. */
  readonly object: KubeObject | null;
  /** Of the part of it that this is. */
  readonly path: Path;
  readonly subjects: PodTest;
  readonly ingress: PolicySection;
  readonly egress: PolicySection;
}

/** Policies of which the earlier is asked first. */
export type Chain = readonly TrafficPolicy[];

/** Chains among which nobody knows the order. */
export type Rank = readonly Chain[];

export interface Tier {
  /** "Admin tier". */
  readonly name: string;
  /** What becomes of connections of isolated pods that no rule decides. */
  readonly atEnd: 'deny' | 'pass';
  readonly ranks: readonly Rank[];
}

export const NO_SECTION: PolicySection = { isolates: false, rules: [] };
export const EVERY_POD: EveryPod = { kind: 'every', answer: true };
export const NO_POD: EveryPod = { kind: 'every', answer: false };
