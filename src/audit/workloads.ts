// Finds the pod templates of every kind of object that makes pods.

import type { Field, MalformedNotes } from './fields.ts';
import type { KubeObject } from './kube-object.ts';
import { kindKey, type KindKey } from './scope.ts';
import type { Container, ContainerPort, UnseenTemplate, Workload } from './workload.ts';

export interface WorkloadReading {
  readonly workloads: readonly Workload[];
  readonly unseen: readonly UnseenTemplate[];
  /** Objects whose pods have all ended. */
  readonly finished: readonly KubeObject[];
}

const TEMPLATE_PATHS: ReadonlyMap<KindKey, readonly string[]> = new Map([
  ['Pod', []],
  ['Deployment.apps', ['spec', 'template']],
  ['StatefulSet.apps', ['spec', 'template']],
  ['DaemonSet.apps', ['spec', 'template']],
  ['ReplicaSet.apps', ['spec', 'template']],
  ['Job.batch', ['spec', 'template']],
  ['CronJob.batch', ['spec', 'jobTemplate', 'spec', 'template']],
]);

export function findWorkloads(objects: readonly KubeObject[], notes: MalformedNotes): WorkloadReading {
  const workloads = objects.flatMap((object): readonly Workload[] => {
    const path = TEMPLATE_PATHS.get(kindKey(object.group, object.kind));
    if (path === undefined) return [];
    return [toWorkload(object, notes.fieldOf(object).get(...path))];
  });
  return { workloads, unseen: [], finished: [] };
}

function toWorkload(object: KubeObject, template: Field): Workload {
  const podSpec = template.get('spec');
  const namespace = object.namespace ?? 'default';
  return {
    ref: `${namespace}/${object.name}[${object.kind}]`,
    object,
    source: object,
    namespace,
    name: object.name,
    kind: object.kind,
    role: null,
    labels: template.get('metadata', 'labels').asTextMap(),
    annotations: template.get('metadata', 'annotations').asTextMap(),
    podSpec,
    podPath: podSpec.path,
    serviceAccount: podSpec.get('serviceAccountName').asText() ?? podSpec.get('serviceAccount').asText() ?? 'default',
    replicas: null,
    isHostNetwork: podSpec.get('hostNetwork').asBoolean() ?? false,
    containers: readContainers(podSpec, null),
    isPartial: null,
    pods: [],
  };
}

export function readContainers(podSpec: Field, isPartial: string | null): readonly Container[] {
  const read = (key: string, kindOf: (field: Field) => Container['kind']): readonly Container[] =>
    podSpec
      .get(key)
      .asList()
      .map((field) => ({
        name: field.get('name').asText() ?? '',
        kind: kindOf(field),
        image: field.get('image').asText(),
        ports: readPorts(field),
        field,
        path: field.path,
        isPartial,
      }));
  return [
    ...read('initContainers', (field) => (field.get('restartPolicy').asText() === 'Always' ? 'sidecar' : 'init')),
    ...read('containers', () => 'main'),
    ...read('ephemeralContainers', () => 'ephemeral'),
  ];
}

function readPorts(container: Field): readonly ContainerPort[] {
  return container
    .get('ports')
    .asList()
    .flatMap((field): readonly ContainerPort[] => {
      const number = field.get('containerPort').asInteger();
      if (number === null) return [];
      return [
        {
          name: field.get('name').asText(),
          number,
          protocol: field.get('protocol').asText() ?? 'TCP',
          hostPort: field.get('hostPort').asInteger() ?? 0,
          field,
        },
      ];
    });
}
