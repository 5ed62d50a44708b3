// What rules say, and what becomes of it in a report.

import type { SourcePosition } from '../core/source-position.ts';
import type { CompiledPolicy } from '../policy/matrix.ts';
import type { Cluster } from './cluster.ts';
import type { KubeObject } from './kube-object.ts';
import type { Path } from './path.ts';
import type { Container, Workload } from './workload.ts';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export const SEVERITIES = ['critical', 'high', 'medium', 'low', 'info'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Of NIST SP 800-207 §2.1. */
export type Tenet = 'T1' | 'T2' | 'T3' | 'T4' | 'T5' | 'T6' | 'T7';

/** The five questions of the report's first page. */
export type ComplianceCheck =
  | 'default-deny'
  | 'mesh-mtls'
  | 'token-projection'
  | 'privileged-containers'
  | 'external-access';

export interface RuleInfo {
  /** Kebab-case, beginning with its area; at most 50 characters, for it ends an annotation's name. */
  readonly id: string;
  readonly title: string;
  readonly severity: Severity;
  readonly tenets: readonly Tenet[];
  /** Of other scanners and benchmarks: `CIS-5.2.2`, `C-0057`. */
  readonly aliases: readonly string[];
  /** MITRE ATLAS: `AML.T0105`. */
  readonly atlas: readonly string[];
  /** Markdown: what, why, how to fix. */
  readonly help: string;
  /** What its verdicts are about. One about workloads is unknown of each template that nobody gave, which the audit itself adds. */
  readonly subject: 'workload' | 'object' | 'namespace' | 'cluster' | 'artifact';
  readonly check: ComplianceCheck | null;
}

export interface ResourceRef {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string | null;
  readonly name: string;
  readonly container: string | null;
  /** As people read it: `ml/trainer[Job]`. */
  readonly ref: string;
  /** Null for what is no object of a cluster. */
  readonly object: KubeObject | null;
  /** Position of a path; not always in `object`. */
  readonly locate: (path: Path) => SourcePosition | null;
  /** For the fingerprint: what a path points at, told without list indices where items have names. */
  readonly body: unknown;
}

export interface JsonPatchOperation {
  readonly op: 'add' | 'replace' | 'remove';
  /** RFC 6901, in the object. */
  readonly path: string;
  readonly value?: Json;
}

export interface Remediation {
  readonly text: string;
  readonly patch: readonly JsonPatchOperation[] | null;
  /** YAML to apply beside what is there. */
  readonly manifest: string | null;
}

interface VerdictBase {
  readonly resource: ResourceRef;
  /** In the object: for the location and the fingerprint. */
  readonly at: Path;
  readonly detail: string;
  readonly evidence: Readonly<Record<string, Json>>;
  readonly remediation: Remediation;
  /** When it differs from the rule's. */
  readonly severity?: Severity;
  /** What tells this verdict from others of the same rule in the same place, such as the target of a connection. */
  readonly key?: string;
}

export interface Judgement extends VerdictBase {
  readonly verdict: 'pass' | 'fail';
}

export interface NoJudgement extends VerdictBase {
  readonly verdict: 'unknown';
  /** Kebab-case, from a small set, by which coverage is counted: `forbidden`, `not-given`, `malformed`, `cni-unknown`. */
  readonly reason: string;
}

export type Verdict = Judgement | NoJudgement;

export interface AuditOptions {
  /** Path of the SPIFFE ID that a workload gets, with `{namespace}`, `{serviceAccount}`, `{name}` and `{label:KEY}`. */
  readonly spiffeIdTemplate: string;
  /** Pod label that names a workload's component in the matrix; null for none. */
  readonly componentLabel: string | null;
  /** Istio's root namespace where its own configuration is not among the objects. */
  readonly meshRootNamespace: string;
}

export interface AuditContext {
  readonly policy: CompiledPolicy | null;
  readonly options: AuditOptions;
  readonly nowMs: number;
}

export interface Rule {
  readonly info: RuleInfo;
  evaluate(cluster: Cluster, context: AuditContext): Iterable<Verdict>;
}

/** All that one rule said. */
export interface Evaluation {
  readonly info: RuleInfo;
  readonly verdicts: readonly Verdict[];
  /** Why the rule itself broke; null when it did not. */
  readonly failure: string | null;
}

/** What a verdict about an object refers to. */
export function refToObject(object: KubeObject): ResourceRef {
  const known = OBJECT_REFS.get(object);
  if (known !== undefined) return known;
  const { apiVersion, kind, namespace, name, body } = object;
  const ref = namespace === null ? `${name}[${kind}]` : `${namespace}/${name}[${kind}]`;
  const locate = (path: Path): SourcePosition | null => object.locate(path);
  const made = { apiVersion, kind, namespace, name, container: null, ref, object, locate, body };
  OBJECT_REFS.set(object, made);
  return made;
}

/** Paths of the verdict are paths in `workload.source`. */
export function refToWorkload(workload: Workload, container: Container | null): ResourceRef {
  const key = container ?? workload;
  const known = WORKLOAD_REFS.get(key);
  if (known !== undefined) return known;
  const { object, source, apiVersion, kind, name, ref } = workload;
  const made = {
    apiVersion,
    kind,
    namespace: workload.namespace === '' ? null : workload.namespace,
    name,
    container: container?.name ?? null,
    ref,
    object,
    locate: (path: Path) => source.locate(path),
    body: source.body,
  };
  WORKLOAD_REFS.set(key, made);
  return made;
}

// A rule asks for one at every verdict, and most of what a big audit holds would be copies of them.
const OBJECT_REFS = new WeakMap<KubeObject, ResourceRef>();
const WORKLOAD_REFS = new WeakMap<Workload | Container, ResourceRef>();

/** A namespace or the cluster as a whole, whether or not an object of it was given. */
export function refToNamespace(name: string, object: KubeObject | null): ResourceRef {
  if (object !== null) return refToObject(object);
  return nameless({ kind: 'Namespace', name });
}

export function refToCluster(): ResourceRef {
  return nameless({ kind: 'Cluster', name: 'cluster' });
}

function nameless({ kind, name }: { readonly kind: string; readonly name: string }): ResourceRef {
  return {
    apiVersion: 'v1',
    kind,
    namespace: null,
    name,
    container: null,
    ref: `${name}[${kind}]`,
    object: null,
    locate: () => null,
    body: null,
  };
}
