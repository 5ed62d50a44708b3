// Credentials in plain text in ConfigMaps, annotations and the manifests of Secrets.

import type { Cluster } from '../../cluster.ts';
import type { Field } from '../../fields.ts';
import {
  refToCluster,
  refToObject,
  refToWorkload,
  type AuditContext,
  type Json,
  type Rule,
  type Verdict,
} from '../../finding.ts';
import { formatObject, type KubeObject } from '../../kube-object.ts';
import { passed, unknownWithout } from '../../verdict.ts';
import { createFinder, type CredentialFinder, type PlainCredential } from '../plain-places.ts';
import { findReferent, readReferences } from '../references.ts';
import { credentialRuleInfo } from './credential-rule-info.ts';
import { byPlace, failedOverPlain } from './plain-verdict.ts';

const CONFIGMAP_PLAINTEXT: Rule = {
  info: credentialRuleInfo({
    id: 'credential-configmap-plaintext',
    title: 'A ConfigMap holds a credential',
    severity: 'high',
    subject: 'object',
    tenets: ['T3', 'T6'],
    aliases: ['C-0012'],
    help: `ConfigMaps are for what everybody may read: the built-in role \`view\` includes them and leaves Secrets out, they are encrypted at rest by nobody's default, and tools print them. Their files are looked into as well: YAML, JSON, INI, properties, XML, scripts.

**Fix:** move the credential into a Secret that is synchronised from a secret store, and refer to it from the configuration (most software reads a file or a variable); change it, for it has been readable.`,
  }),
  *evaluate(cluster: Cluster, { nowMs }: AuditContext): Iterable<Verdict> {
    const finder = cluster.once(createFinder);
    const readers = readersOf(cluster);
    for (const object of cluster.byKind('', 'ConfigMap')) {
      if (PUBLISHED.has(object.name)) continue;
      const readBy = readers.get(formatObject(object)) ?? [];
      yield* judgeObject(
        object,
        [...finder.inEntries(cluster.field(object, 'data')), ...inBinary(cluster, finder, object)],
        {
          nowMs,
          holder: 'the ConfigMap',
          evidence: readBy.length === 0 ? {} : { readBy: readBy.slice(0, MAX_SHOWN) },
          remedy:
            'Move it into a Secret and refer to that from the configuration; then change it, for it has been readable.',
          held: 'no key holds a credential',
        },
      );
    }
    yield* judgeUnseenConfigMaps(cluster);
  },
};

const ANNOTATION_PLAINTEXT: Rule = {
  info: credentialRuleInfo({
    id: 'credential-annotation-plaintext',
    title: 'An annotation holds a credential',
    severity: 'high',
    subject: 'object',
    tenets: ['T3', 'T6'],
    aliases: ['C-0012'],
    help: `Annotations are read by every controller and dashboard, copied from templates to pods and from owners to what they make, and kept in events and logs.

**Fix:** name a Secret in the annotation instead; ingress controllers and operators have one for it. Then change the credential.`,
  }),
  *evaluate(cluster: Cluster, { nowMs }: AuditContext): Iterable<Verdict> {
    const finder = cluster.once(createFinder);
    const standard = {
      nowMs,
      evidence: {},
      remedy: 'Name a Secret in the annotation instead, and change the credential.',
      held: null,
    };
    let found = 0;
    for (const object of cluster.inventory.objects) {
      // Those of pods are copies of those of their templates, which are looked at below.
      if (object.annotations.size === 0 || (object.group === '' && object.kind === 'Pod')) continue;
      const credentials = finder.inEntries(cluster.field(object, 'metadata', 'annotations')).filter(isOfItsOwn);
      for (const verdict of judgeObject(object, credentials, { ...standard, holder: 'the annotations' })) {
        found += 1;
        yield verdict;
      }
    }
    for (const workload of cluster.workloads) {
      if (workload.annotations.size === 0) continue;
      const steps = [...workload.podPath.slice(0, -1), 'metadata', 'annotations'];
      const annotations = cluster.field(workload.source, ...steps);
      for (const { plain, index } of byPlace(finder.inEntries(annotations).filter(isOfItsOwn))) {
        found += 1;
        yield failedOverPlain({
          ...standard,
          resource: refToWorkload(workload, null),
          plain,
          index,
          holder: 'the annotations of its pods',
          remediation: { text: standard.remedy, patch: null, manifest: null },
        });
      }
    }
    if (found === 0 && cluster.objects.length > 0)
      yield passed(refToCluster(), [], 'no annotation of the objects that were read holds a credential');
  },
};

const SECRET_MANIFEST: Rule = {
  info: credentialRuleInfo({
    id: 'credential-secret-manifest',
    title: 'A manifest in a file holds the content of a Secret',
    severity: 'medium',
    subject: 'object',
    tenets: ['T3', 'T6'],
    help: `Base64 hides nothing. A manifest with the data of a Secret is a credential in plain text in whatever repository, artifact or mailbox the file gets into, for good: history keeps it. What was read from an API server, or dumped from one, is not meant.

**Fix:** keep the manifest out of the repository; generate it from a secret store (External Secrets, the Secrets Store CSI driver), or commit it encrypted (SealedSecrets, SOPS). Change what has been committed.`,
  }),
  *evaluate(cluster: Cluster, { nowMs }: AuditContext): Iterable<Verdict> {
    const finder = cluster.once(createFinder);
    for (const object of cluster.byKind('', 'Secret')) {
      // What has been in a cluster has an identity and an age.
      if (object.origin !== 'file' || object.uid !== null || object.createdMs !== null) continue;
      const credentials = [
        ...finder.inEntries(cluster.field(object, 'stringData')),
        ...[...cluster.field(object, 'data').asMap()].flatMap(([name, field]) => inDecoded(finder, name, field)),
      ];
      yield* judgeObject(object, credentials, {
        nowMs,
        holder: 'the Secret',
        evidence: {},
        remedy: 'Generate the Secret from a secret store, or commit it encrypted; change what has been committed.',
        held: 'no key holds a credential that is in force',
      });
    }
  },
};

export const PLAIN_OBJECT_RULES: readonly Rule[] = [CONFIGMAP_PLAINTEXT, ANNOTATION_PLAINTEXT, SECRET_MANIFEST];

/** Certificates that the cluster publishes. */
const PUBLISHED = new Set(['kube-root-ca.crt', 'openshift-service-ca.crt', 'istio-ca-root-cert']);
const MAX_SHOWN = 20;
/** What the applied manifest is, is looked at where it stands itself. */
const COPIES = new Set(['kubectl.kubernetes.io/last-applied-configuration']);

interface ObjectTerms {
  readonly nowMs: number;
  readonly holder: string;
  readonly evidence: Readonly<Record<string, Json>>;
  readonly remedy: string;
  /** Detail of a pass; null for none. */
  readonly held: string | null;
}

function* judgeObject(
  object: KubeObject,
  credentials: readonly PlainCredential[],
  terms: ObjectTerms,
): Iterable<Verdict> {
  const { nowMs, holder, evidence, remedy, held } = terms;
  const resource = refToObject(object);
  for (const { plain, index } of byPlace(credentials)) {
    const remediation = { text: remedy, patch: null, manifest: null };
    yield failedOverPlain({ resource, plain, index, holder, evidence, remediation, nowMs });
  }
  if (credentials.length === 0 && held !== null) yield passed(resource, [], held);
}

function isOfItsOwn({ at }: PlainCredential): boolean {
  return !COPIES.has(String(at.at(-1)));
}

function inBinary(cluster: Cluster, finder: CredentialFinder, object: KubeObject): readonly PlainCredential[] {
  return [...cluster.field(object, 'binaryData').asMap()].flatMap(([name, field]) => inDecoded(finder, name, field));
}

/** Base64 that is text. */
function inDecoded(finder: CredentialFinder, name: string, field: Field): readonly PlainCredential[] {
  const encoded = field.asText();
  if (encoded === null) return [];
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  return text.includes('\ufffd') ? [] : finder.inDecoded(name, text, field.path);
}

/** By ConfigMap, the workloads that read it. */
function readersOf(cluster: Cluster): ReadonlyMap<string, readonly string[]> {
  const readers = new Map<string, Set<string>>();
  for (const [workload, references] of cluster.once(readReferences)) {
    for (const { kind, name } of references) {
      if (kind !== 'ConfigMap') continue;
      const key = formatObject({ namespace: workload.namespace, name, kind });
      readers.set(key, (readers.get(key) ?? new Set()).add(workload.ref));
    }
  }
  return new Map([...readers].map(([key, refs]) => [key, [...refs]]));
}

/** A template that takes variables from a ConfigMap nobody gave may take a credential from it. */
function* judgeUnseenConfigMaps(cluster: Cluster): Iterable<Verdict> {
  for (const [workload, references] of cluster.once(readReferences)) {
    const seen = new Set<string>();
    for (const reference of references) {
      if (reference.kind !== 'ConfigMap' || PUBLISHED.has(reference.name) || seen.has(reference.name)) continue;
      seen.add(reference.name);
      const referent = findReferent(cluster, workload, reference);
      if (referent.kind === 'unknown') {
        yield unknownWithout(refToWorkload(workload, null), reference.at, referent.unreadable);
      }
    }
  }
}
