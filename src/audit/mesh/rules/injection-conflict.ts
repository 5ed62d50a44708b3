// Labels about injection that contradict each other, or that nobody answers to.

import type { Cluster, Namespace } from '../../cluster.ts';
import { refToNamespace, refToWorkload, type AuditContext, type Rule, type Verdict } from '../../finding.ts';
import { matchNamespace } from '../../selector.ts';
import { failed, passed } from '../../verdict.ts';
import type { Workload } from '../../workload.ts';
import { DATAPLANE_MODE } from '../carrier.ts';
import { INJECT, NAMESPACE_INJECTION, REVISION } from '../injection.ts';
import type { IstioSettings } from '../istio-settings.ts';
import { meshOf } from '../mesh.ts';
import { meshRuleInfo } from './mesh-rule-info.ts';

export const INJECTION_CONFLICT: Rule = {
  info: meshRuleInfo({
    id: 'mesh-injection-conflict',
    title: 'Labels about the mesh contradict each other',
    severity: 'medium',
    subject: 'namespace',
    tenets: ['T5'],
    aliases: ['IST0123'],
    atlas: [],
    check: null,
    help: `\`istio-injection\` and \`istio.io/rev\` on one namespace name two control planes; the first counts and the second is ignored, which nobody sees. \`istio-injection: true\` means nothing: the only value that injects is \`enabled\`. A revision that does not exist injects nothing, and a namespace with \`istio-injection: enabled\` and \`istio.io/dataplane-mode: ambient\` gets sidecars.

On a pod, the label \`sidecar.istio.io/inject\` counts for more than the annotation of the same name.

**Fix:** keep the one that is meant.`,
  }),
  *evaluate(cluster: Cluster, { options }: AuditContext): Iterable<Verdict> {
    const { settings } = meshOf(cluster, options);
    for (const namespace of cluster.namespaces.values()) yield* judgeNamespace(namespace, settings);
    for (const workload of cluster.workloads) yield* judgeWorkload(workload);
  },
};

function* judgeNamespace(namespace: Namespace, settings: IstioSettings): Iterable<Verdict> {
  const { name, labels, object } = namespace;
  const injection = labels.get(NAMESPACE_INJECTION);
  const revision = labels.get(REVISION);
  const mode = labels.get(DATAPLANE_MODE);
  if (injection === undefined && revision === undefined && mode === undefined) return;
  const resource = refToNamespace(name, object);
  const fail = (label: string, detail: string, text: string): Verdict =>
    failed(resource, {
      at: ['metadata', 'labels', label],
      detail,
      evidence: { [NAMESPACE_INJECTION]: injection ?? '', [REVISION]: revision ?? '', [DATAPLANE_MODE]: mode ?? '' },
      remediation: { text, patch: null, manifest: null },
      key: label,
    });
  let isSound = true;
  if (injection !== undefined && revision !== undefined) {
    isSound = false;
    const detail = `\`${NAMESPACE_INJECTION}: ${injection}\` counts and \`${REVISION}: ${revision}\` is ignored`;
    yield fail(REVISION, detail, `Remove one of the labels ${NAMESPACE_INJECTION} and ${REVISION}.`);
  } else if (injection !== undefined && injection !== 'enabled' && injection !== 'disabled') {
    isSound = false;
    const detail = `\`${NAMESPACE_INJECTION}: ${injection}\` injects nothing: the value is not \`enabled\``;
    yield fail(NAMESPACE_INJECTION, detail, `Write ${NAMESPACE_INJECTION}: enabled.`);
  } else if (revision !== undefined && mode !== 'ambient' && !isAnswered(namespace, settings)) {
    isSound = false;
    const detail = `\`${REVISION}: ${revision}\` injects nothing: no webhook answers to that revision`;
    yield fail(REVISION, detail, 'Name a revision, or a tag of one, that is installed.');
  }
  if (mode === 'ambient' && injection === 'enabled') {
    isSound = false;
    const detail = `\`${NAMESPACE_INJECTION}: enabled\` counts: pods get sidecars and are not in ambient mode`;
    yield fail(DATAPLANE_MODE, detail, `Remove one of the labels ${NAMESPACE_INJECTION} and ${DATAPLANE_MODE}.`);
  }
  if (isSound) yield passed(resource, ['metadata', 'labels'], 'its labels about the mesh agree');
}

/** Whether any webhook would take a pod of the namespace that says nothing itself. */
function isAnswered(namespace: Namespace, { webhooks }: IstioSettings): boolean {
  return (
    webhooks === null || webhooks.some(({ namespaceSelector }) => matchNamespace(namespaceSelector, namespace) !== 'no')
  );
}

function* judgeWorkload(workload: Workload): Iterable<Verdict> {
  const label = workload.labels.get(INJECT);
  const annotation = workload.annotations.get(INJECT);
  if (label === undefined || annotation === undefined || label === annotation) return;
  yield failed(refToWorkload(workload, null), {
    at: workload.podPath,
    detail: `label \`${INJECT}: ${label}\` counts, and the annotation \`${INJECT}: ${annotation}\` is ignored`,
    evidence: { label, annotation },
    remediation: { text: `Remove the annotation ${INJECT}.`, patch: null, manifest: null },
    key: INJECT,
  });
}
