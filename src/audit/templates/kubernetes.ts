// Pod templates of Kubernetes' own kinds, and of kinds that have theirs in the same places.

import type { Field } from '../fields.ts';
import {
  mergeReadings,
  nameLabels,
  podSpecTemplate,
  podTemplate,
  reading,
  type TemplateContext,
  type TemplateReading,
} from './pod-template.ts';

export function readPod(root: Field): TemplateReading {
  return reading([podTemplate(root, {})]);
}

/** `spec.template` and `spec.replicas`. */
export function readReplicated(root: Field): TemplateReading {
  return reading([podTemplate(root.get('spec', 'template'), { replicas: integerOr(root.get('spec', 'replicas'), 1) })]);
}

/** `spec.template`, as many as there are nodes, requests or devices. */
export function readTemplated(root: Field): TemplateReading {
  return reading([podTemplate(root.get('spec', 'template'), {})]);
}

/** An Argo Rollout may leave its template in a Deployment, which is then judged there. */
export function readRollout(root: Field): TemplateReading {
  return root.get('spec', 'workloadRef').isPresent ? reading([]) : readReplicated(root);
}

export function readJob(root: Field, { object }: TemplateContext): TemplateReading {
  const labels = nameLabels(object, 'job-name', 'batch.kubernetes.io/job-name');
  const replicas = integerOr(root.get('spec', 'parallelism'), 1);
  return reading([podTemplate(root.get('spec', 'template'), { replicas, labels })]);
}

export function readCronJob(root: Field): TemplateReading {
  return reading([podTemplate(root.get('spec', 'jobTemplate', 'spec', 'template'), {})]);
}

/** A Knative Revision is a pod spec with a few fields more. */
export function readRevision(root: Field): TemplateReading {
  const labels = root.get('metadata', 'labels').asTextMap();
  return reading([podSpecTemplate(root.get('spec'), { labels })]);
}

/** https://jobset.sigs.k8s.io */
export function readJobSet(root: Field, { object }: TemplateContext): TemplateReading {
  return readReplicatedJobs(root.get('spec', 'replicatedJobs'), nameLabels(object, 'jobset.sigs.k8s.io/jobset-name'));
}

export function readReplicatedJobs(jobs: Field, labels: readonly (readonly [string, string])[]): TemplateReading {
  return reading(
    jobs.asList().map((job, index) => {
      const role = job.get('name').requireText() ?? String(index);
      const jobSpec = job.get('template', 'spec');
      return podTemplate(jobSpec.get('template'), {
        role,
        replicas: integerOr(job.get('replicas'), 1) * integerOr(jobSpec.get('parallelism'), 1),
        labels: [...labels, ['jobset.sigs.k8s.io/replicatedjob-name', role]],
      });
    }),
  );
}

/** https://lws.sigs.k8s.io */
export function readLeaderWorkerSet(root: Field, { object }: TemplateContext): TemplateReading {
  const labels = nameLabels(object, 'leaderworkerset.sigs.k8s.io/name');
  const spec = root.get('spec', 'leaderWorkerTemplate');
  const groups = integerOr(root.get('spec', 'replicas'), 1);
  const workers = podTemplate(spec.get('workerTemplate'), {
    role: 'worker',
    replicas: groups * integerOr(spec.get('size'), 1),
    labels,
  });
  const leader = spec.get('leaderTemplate');
  // Without a template of their own, leaders are made from that of the workers.
  if (!leader.isPresent) return reading([workers]);
  return reading([podTemplate(leader, { role: 'leader', replicas: groups, labels }), workers]);
}

/** Volcano: https://volcano.sh */
export function readVolcanoJob(root: Field, { object }: TemplateContext): TemplateReading {
  const tasks = root.get('spec', 'tasks').asList();
  return reading(
    tasks.map((task, index) => {
      const role = task.get('name').asText() ?? String(index);
      return podTemplate(task.get('template'), {
        role,
        replicas: integerOr(task.get('replicas'), 1),
        labels: [...nameLabels(object, 'volcano.sh/job-name'), ['volcano.sh/task-spec', role]],
      });
    }),
  );
}

/** Seldon Core v1. */
export function readSeldonDeployment(root: Field): TemplateReading {
  const predictors = root.get('spec', 'predictors').asList();
  const isPartial = 'Seldon adds the model servers of its graph';
  return reading(
    predictors.flatMap((predictor, index) => {
      const name = predictor.get('name').asText() ?? String(index);
      return predictor
        .get('componentSpecs')
        .asList()
        .map((component, at) => podTemplate(component, { role: `${name}-${at}`, isPartial }));
    }),
  );
}

/** An AppWrapper of CodeFlare holds whole objects. */
export function readAppWrapper(root: Field, context: TemplateContext): TemplateReading {
  const components = root.get('spec', 'components').asList();
  return mergeReadings(components.map((component) => context.readNested(component.get('template'))));
}

export function integerOr(field: Field, otherwise: number): number {
  return field.asInteger() ?? otherwise;
}
