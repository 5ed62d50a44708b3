// To which component of the platform a workload belongs.

import { classify } from '../policy/decide.ts';
import type { CompiledPolicy } from '../policy/matrix.ts';
import { parseSpiffeId, SpiffeIdError } from '../spiffe/spiffe-id.ts';
import type { AuditContext, AuditOptions } from './finding.ts';
import type { Workload } from './workload.ts';

export type ComponentAnswer =
  | { readonly kind: 'component'; readonly name: string }
  /** Its label says one thing and its SPIFFE ID another; the label's is the first. */
  | { readonly kind: 'several'; readonly names: readonly [string, string]; readonly detail: string }
  | { readonly kind: 'none'; readonly detail: string };

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
  if (policy === null) return labelledComponent(workload, options) ?? labelOf(workload);
  const answer = mapToComponent(workload, policy, options);
  if (answer.kind === 'component') return answer.name;
  return answer.kind === 'several' ? answer.names[0] : null;
}

/** By its label, where one is to say so, and by the SPIFFE ID that the template makes of it. */
export function mapToComponent(workload: Workload, policy: CompiledPolicy, options: AuditOptions): ComponentAnswer {
  const label = labelledComponent(workload, options);
  const byLabel = label !== null && policy.components.includes(label) ? label : null;
  const identity = identify(workload, policy, options.spiffeIdTemplate);
  const byId = identity.component;
  if (byLabel !== null && byId !== null && byLabel !== byId) {
    const detail = `its label says ${byLabel}, and ${identity.detail} belongs to ${byId}`;
    return { kind: 'several', names: [byLabel, byId], detail };
  }
  const name = byLabel ?? byId;
  if (name !== null) return { kind: 'component', name };
  const misnamed = label === null ? '' : `its label says ${label}, which is no component of the matrix, and `;
  const partial = workload.isPartial === null ? '' : `; its template is not given in full: ${workload.isPartial}`;
  return { kind: 'none', detail: `${misnamed}${identity.detail} belongs to none${partial}` };
}

function labelledComponent({ labels }: Workload, { componentLabel }: AuditOptions): string | null {
  return componentLabel === null ? null : (labels.get(componentLabel) ?? null);
}

interface Identity {
  readonly component: string | null;
  readonly detail: string;
}

function identify(workload: Workload, policy: CompiledPolicy, template: string): Identity {
  const path = formatIdPath(workload, template);
  if (path === null) return { component: null, detail: `a workload without the labels that ${template} asks for` };
  const text = `spiffe://${policy.trustDomain}${path}`;
  try {
    return { component: classify(policy, parseSpiffeId(text)).component, detail: text };
  } catch (error) {
    // A label that cannot stand in an ID gives the workload none.
    if (error instanceof SpiffeIdError) return { component: null, detail: `${text}, which is no SPIFFE ID,` };
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
