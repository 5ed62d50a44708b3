// The containers of a pod spec, of all kinds.

import type { Field } from './fields.ts';
import type { Container, ContainerPort } from './workload.ts';

/** In the order in which they start. A pod spec in full has at least one, or it is noted as malformed. */
export function readContainers(podSpec: Field, isPartial: string | null): readonly Container[] {
  const read = (key: string, kindOf: (field: Field) => Container['kind']): readonly Container[] =>
    podSpec
      .get(key)
      .asList()
      .map((field) => ({
        name: (isPartial === null ? field.get('name').requireText() : field.get('name').asText()) ?? '',
        kind: kindOf(field),
        image: field.get('image').asText(),
        ports: readPorts(field),
        field,
        path: field.path,
        isPartial,
      }));
  const main = read('containers', () => 'main');
  if (main.length === 0 && isPartial === null)
    podSpec.get('containers').noteWrong('a list with at least one container');
  return [
    // An init container that is always restarted goes on beside the others.
    // https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
    ...read('initContainers', (field) => (field.get('restartPolicy').asText() === 'Always' ? 'sidecar' : 'init')),
    ...main,
    ...read('ephemeralContainers', () => 'ephemeral'),
  ];
}

function readPorts(container: Field): readonly ContainerPort[] {
  return container
    .get('ports')
    .asList()
    .flatMap((field): readonly ContainerPort[] => {
      const containerPort = field.get('containerPort');
      const number = containerPort.asInteger() ?? containerPort.noteWrong('a port number');
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
