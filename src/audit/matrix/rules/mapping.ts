// Workloads and components that do not find each other, about which the matrix therefore says nothing here.

import type { Cluster } from '../../cluster.ts';
import { refToObject, refToWorkload, type AuditContext, type Verdict } from '../../finding.ts';
import { meshOf } from '../../mesh/mesh.ts';
import { isInfrastructure } from '../../mesh/rules/scope.ts';
import { passed, unknown } from '../../verdict.ts';
import type { Access } from '../access.ts';
import { componentsIn } from '../cell.ts';
import { refToComponent } from './component-ref.ts';
import { matrixRuleInfo, type MatrixRule } from './matrix-rule.ts';

export const MAPPING: MatrixRule = {
  info: matrixRuleInfo({
    id: 'matrix-component',
    title: 'Which component a workload is',
    severity: 'info',
    tenets: ['T1'],
    atlas: [],
    help: `The access matrix speaks of components, the cluster of workloads. A workload belongs to the component that owns its SPIFFE ID, as \`--spiffe-id-template\` makes it of namespace, service account, name and labels; or that its label names (\`--component-label\`). One that belongs to none is held to nothing, and what it may reach or be reached by is judged for nobody; one that may belong to two is held to each. A component without a workload is one that was not given, is not there any more, or is written otherwise.

Namespaces of the platform itself, such as \`kube-system\`, are left out.

**Fix:** let the matrix claim the ID, set the label, or audit the rest of the cluster too.`,
  }),
  *evaluate(access: Access, cluster: Cluster, context: AuditContext): Iterable<Verdict> {
    const mesh = meshOf(cluster, context.options);
    for (const [workload, answer] of access.answers) {
      const resource = refToWorkload(workload, null);
      if (answer.kind === 'component') {
        yield passed(resource, workload.podPath, `belongs to component ${answer.name}`);
      } else if (!isInfrastructure(workload.namespace, mesh)) {
        const reason = answer.kind === 'several' ? 'several-components' : 'no-component';
        yield unknown(resource, { at: workload.podPath, reason, detail: answer.detail });
      }
    }
    for (const { object, ref, at, detail } of cluster.unseen) {
      yield unknown({ ...refToObject(object), ref }, { at, reason: 'unseen-template', detail });
    }
    yield* judgeComponents(access);
  },
};

function* judgeComponents({ policy, answers }: Access): Iterable<Verdict> {
  const found = new Set([...answers.values()].flatMap(componentsIn));
  for (const component of policy.components) {
    if (found.has(component)) continue;
    const detail = `no workload among what was read belongs to component ${component}`;
    yield unknown(refToComponent(policy, component), { at: [], reason: 'no-workload', detail });
  }
}
