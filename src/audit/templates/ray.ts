// Pod templates of KubeRay.
// https://docs.ray.io/en/latest/cluster/kubernetes/references.html

import type { Field } from '../fields.ts';
import { integerOr } from './kubernetes.ts';
import {
  nameLabels,
  podTemplate,
  reading,
  unseen,
  type PodTemplate,
  type TemplateContext,
  type TemplateReading,
} from './pod-template.ts';

export function readRayCluster(root: Field, { object }: TemplateContext): TemplateReading {
  return reading(templatesOf(root.get('spec'), nameLabels(object, 'ray.io/cluster')));
}

/** Its cluster gets a name of its own. */
export function readRayService(root: Field): TemplateReading {
  return reading(templatesOf(root.get('spec', 'rayClusterConfig'), []));
}

export function readRayJob(root: Field): TemplateReading {
  return readRayJobSpec(root.get('spec'));
}

/** `spec.jobTemplate` is the spec of a RayJob, without another `spec` around it. */
export function readRayCronJob(root: Field): TemplateReading {
  return readRayJobSpec(root.get('spec', 'jobTemplate'));
}

function readRayJobSpec(spec: Field): TemplateReading {
  const submitter = spec.get('submitterPodTemplate');
  const submitters = submitter.isPresent ? [podTemplate(submitter, { role: 'submitter' })] : [];
  // A job for a cluster that is already there brings no pods but the one that submits it.
  if (spec.get('clusterSelector').asTextMap().size > 0) return reading(submitters);
  const cluster = spec.get('rayClusterSpec');
  if (!cluster.isPresent) return unseen(spec.path, 'neither `rayClusterSpec` nor `clusterSelector` is given');
  return reading([...templatesOf(cluster, []), ...submitters]);
}

function templatesOf(spec: Field, labels: readonly (readonly [string, string])[]): readonly PodTemplate[] {
  const ofNode = (type: string, group: string): readonly (readonly [string, string])[] => [
    ...labels,
    ['ray.io/node-type', type],
    ['ray.io/group', group],
    ['ray.io/is-ray-node', 'yes'],
    ['app.kubernetes.io/name', 'kuberay'],
    ['app.kubernetes.io/created-by', 'kuberay-operator'],
  ];
  const head = podTemplate(spec.get('headGroupSpec', 'template'), {
    role: 'head',
    replicas: 1,
    labels: ofNode('head', 'headgroup'),
  });
  const workers = spec.get('workerGroupSpecs').asList();
  return [
    withAutoscaler(head, spec),
    ...workers.map((group, index) => {
      const role = group.get('groupName').requireText() ?? String(index);
      const hosts = integerOr(group.get('numOfHosts'), 1);
      return podTemplate(group.get('template'), {
        role,
        replicas: integerOr(group.get('replicas'), integerOr(group.get('minReplicas'), 0)) * hosts,
        labels: ofNode('worker', role),
      });
    }),
  ];
}

/** The operator puts it into the head's pod, with the head's image unless told otherwise. */
function withAutoscaler(head: PodTemplate, spec: Field): PodTemplate {
  if (spec.get('enableInTreeAutoscaling').asBoolean() !== true) return head;
  const containers = head.podSpec.get('containers').asList();
  const options = spec.get('autoscalerOptions');
  const own = options.get('image');
  const image = own.isPresent ? own : (containers[0]?.get('image') ?? own);
  const autoscaler = (options.isPresent ? options : options.literal({})).overlay([
    ['name', options.literal('autoscaler')],
    ['image', image],
  ]);
  return { ...head, podSpec: head.podSpec.overlay([['containers', [...containers, autoscaler]]]) };
}
