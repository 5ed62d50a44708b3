// Pod templates of Kubeflow: training jobs of both generations, notebooks, experiments and pipelines.
// https://www.kubeflow.org/docs/components/

import type { Field } from '../fields.ts';
import { integerOr, readReplicatedJobs } from './kubernetes.ts';
import {
  mergeReadings,
  nameLabels,
  podSpecTemplate,
  podTemplate,
  reading,
  unseen,
  type TemplateContext,
  type TemplateReader,
  type TemplateReading,
} from './pod-template.ts';

/** PyTorchJob, TFJob and their like: `spec.<key>.<replica type>.template`. */
export function readReplicaSpecs(key: string): TemplateReader {
  return (root, { object }) => {
    const named = nameLabels(object, 'training.kubeflow.org/job-name');
    return reading(
      [...root.get('spec', key).asMap()].map(([type, replica]) => {
        const role = type.toLowerCase();
        return podTemplate(replica.get('template'), {
          role,
          replicas: integerOr(replica.get('replicas'), 1),
          labels: [...named, ['training.kubeflow.org/replica-type', role]],
        });
      }),
    );
  };
}

/**
 * A TrainJob changes a runtime that stands elsewhere: what it gives of its own can be judged, and all else is the runtime's.
 * https://www.kubeflow.org/docs/components/trainer/
 */
export function readTrainJob(root: Field, { object }: TemplateContext): TemplateReading {
  const spec = root.get('spec');
  const runtime = spec.get('runtimeRef');
  const kind = runtime.get('kind').asText() ?? 'ClusterTrainingRuntime';
  const isPartial = `its pods are made from ${kind} \`${runtime.get('name').requireText() ?? '?'}\``;
  const labels = nameLabels(object, 'jobset.sigs.k8s.io/jobset-name');
  const trainer = spec.get('trainer');
  const steps = [
    { role: 'node', settings: trainer, replicas: trainer.get('numNodes').asInteger() },
    { role: 'dataset-initializer', settings: spec.get('initializer', 'dataset'), replicas: 1 },
    { role: 'model-initializer', settings: spec.get('initializer', 'model'), replicas: 1 },
  ].filter(({ role, settings }) => role === 'node' || settings.isPresent);
  return reading(
    steps.map(({ role, settings, replicas }) => {
      const container = (settings.isPresent ? settings : settings.literal({})).overlay([
        ['name', settings.literal(role)],
        ['resources', settings.get('resourcesPerNode')],
      ]);
      const podSpec = spec.literal({}).overlay([['containers', [container]]]);
      const ofJob = [...labels, ['jobset.sigs.k8s.io/replicatedjob-name', role]] as const;
      return podSpecTemplate(podSpec, { role, replicas, labels: ofJob, isPartial });
    }),
  );
}

/** What TrainJobs are made from. */
export function readTrainingRuntime(root: Field): TemplateReading {
  return readReplicatedJobs(root.get('spec', 'template', 'spec', 'replicatedJobs'), []);
}

/** The controller copies the labels of the notebook to its pod. */
export function readNotebook(root: Field, { object }: TemplateContext): TemplateReading {
  const labels = [...object.labels, ...nameLabels(object, 'notebook-name', 'statefulset')];
  const template = root.get('spec', 'template');
  return reading([podTemplate(template, { replicas: 1, labels, annotations: object.annotations })]);
}

/** Katib: trials are whole objects with parameters in them. */
export function readExperiment(root: Field, context: TemplateContext): TemplateReading {
  const template = root.get('spec', 'trialTemplate');
  const trial = template.get('trialSpec');
  if (trial.isPresent) return context.readNested(trial);
  return unseen(template.path, 'the template of its trials stands in a ConfigMap');
}

/** A run of an Argo workflow on a schedule. */
export function readScheduledWorkflow(root: Field, context: TemplateContext): TemplateReading {
  const workflow = root.get('spec', 'workflow');
  const spec = workflow.get('spec');
  if (spec.kind !== 'map') return unseen(workflow.path, 'its workflow is not written as an object');
  const kind = workflow.literal({}).overlay([
    ['apiVersion', workflow.literal('argoproj.io/v1alpha1')],
    ['kind', workflow.literal('Workflow')],
    ['spec', spec],
  ]);
  return context.readNested(kind);
}

/** A pipeline of the second generation, in the form its compiler writes: containers without pods. */
export function readPipeline(root: Field): TemplateReading {
  const executors = root.get('spec', 'pipelineSpec', 'deploymentSpec', 'executors');
  const isPartial = 'Kubeflow Pipelines makes the pod around the container';
  return mergeReadings(
    [...executors.asMap()].map(([role, executor]) => {
      const container = executor.get('container');
      if (!container.isPresent) return reading([]);
      const named = container.overlay([['name', container.literal('main')]]);
      const podSpec = executor.literal({}).overlay([['containers', [named]]]);
      return reading([podSpecTemplate(podSpec, { role, isPartial })]);
    }),
  );
}

export function readViewer(root: Field): TemplateReading {
  return reading([podTemplate(root.get('spec', 'podTemplateSpec'), {})]);
}
