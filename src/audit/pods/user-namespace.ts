// User namespaces, in which root is nobody on the node: they relax some controls from Kubernetes 1.35 on.
// https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/

import type { Inspection } from './inspection.ts';

function inUserNamespace(inspection: Inspection): 'yes' | 'no' | 'unknown' {
  const hostUsers = inspection.boolean(inspection.pod, 'hostUsers');
  if (hostUsers.kind === 'unknown') return 'unknown';
  return hostUsers.kind === 'value' && !hostUsers.value ? 'yes' : 'no';
}

/** Breaks nothing in a pod that has one. */
export function outsideUserNamespaces(inspect: (inspection: Inspection) => void): (inspection: Inspection) => void {
  return (inspection) => {
    const { violations, doubts } = inspection.apart(inspect);
    if (violations.length === 0 && doubts.length === 0) return;
    switch (inUserNamespace(inspection)) {
      case 'yes':
        return;
      case 'no':
        inspection.take({ violations, doubts });
        return;
      case 'unknown':
        inspection.take({ violations: [], doubts });
    }
  };
}
