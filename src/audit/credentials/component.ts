// To which component of the platform a workload belongs.

import type { AuditContext } from '../finding.ts';
import { classify } from '../../policy/decide.ts';
import type { CompiledPolicy } from '../../policy/matrix.ts';
import { parseSpiffeId, SpiffeIdError } from '../../spiffe/spiffe-id.ts';
import type { Workload } from '../workload.ts';

/** By which labels people tell components, the most telling first, where there is no policy. */
const COMPONENT_LABELS = [
  'app.kubernetes.io/component',
  'component',
  'app',
  'app.kubernetes.io/name',
  'k8s-app',
  'app.kubernetes.io/part-of',
];

/** The policy's component when there is a policy, else what a label says; null when nothing tells. */
export function componentOf(workload: Workload, { policy, options }: AuditContext): string | null {
  const labelled = options.componentLabel === null ? undefined : workload.labels.get(options.componentLabel);
  if (policy === null) return labelled ?? labelOf(workload);
  if (labelled !== undefined && policy.components.includes(labelled)) return labelled;
  return componentOfId(workload, policy, options.spiffeIdTemplate);
}

function componentOfId(workload: Workload, policy: CompiledPolicy, template: string): string | null {
  const path = formatIdPath(workload, template);
  if (path === null) return null;
  try {
    return classify(policy, parseSpiffeId(`spiffe://${policy.trustDomain}${path}`)).component;
  } catch (error) {
    // A label that cannot stand in an ID gives the workload none.
    if (error instanceof SpiffeIdError) return null;
    throw error;
  }
}

/** Null when it names a label that the workload has not. */
function formatIdPath(workload: Workload, template: string): string | null {
  let isWhole = true;
  const path = template.replaceAll(/\{([^{}]{1,317})\}/g, (_whole, key: string) => {
    const value = valueOf(workload, key);
    if (value === undefined) isWhole = false;
    return value ?? '';
  });
  return isWhole ? path : null;
}

function valueOf({ namespace, serviceAccount, name, labels }: Workload, key: string): string | undefined {
  if (key === 'namespace') return namespace;
  if (key === 'serviceAccount') return serviceAccount;
  if (key === 'name') return name;
  return key.startsWith('label:') ? labels.get(key.slice('label:'.length)) : undefined;
}

function labelOf({ labels }: Workload): string | null {
  const key = COMPONENT_LABELS.find((label) => labels.has(label));
  return key === undefined ? null : (labels.get(key) ?? null);
}
