// Objects whose pods have run to their end: their templates make no pods any more.

import type { Field } from '../fields.ts';
import { kindKey } from '../scope.ts';

/** As its status says; an object without one has not even begun. */
export function isFinished(group: string, kind: string, root: Field): boolean {
  const status = root.get('status');
  if (!status.isPresent) return false;
  switch (kindKey(group, kind)) {
    case 'Pod':
      return has(status.get('phase'), 'Succeeded', 'Failed');
    case 'Workflow.argoproj.io':
      return has(status.get('phase'), 'Succeeded', 'Failed', 'Error');
    case 'SparkApplication.sparkoperator.k8s.io':
      return has(status.get('applicationState', 'state'), 'COMPLETED', 'FAILED');
    case 'Job.batch.volcano.sh':
      return has(status.get('state', 'phase'), 'Completed', 'Failed', 'Terminated', 'Aborted');
    case 'RayJob.ray.io':
      // Its cluster goes on unless it was told to go with the job.
      return (
        root.get('spec', 'shutdownAfterJobFinishes').asBoolean() === true &&
        has(status.get('jobDeploymentStatus'), 'Complete', 'Failed')
      );
    case 'Job.batch':
    case 'JobSet.jobset.x-k8s.io':
    case 'TrainJob.trainer.kubeflow.org':
    case 'PyTorchJob.kubeflow.org':
    case 'TFJob.kubeflow.org':
    case 'MPIJob.kubeflow.org':
    case 'MXJob.kubeflow.org':
    case 'XGBoostJob.kubeflow.org':
    case 'PaddleJob.kubeflow.org':
    case 'JAXJob.kubeflow.org':
    case 'Experiment.kubeflow.org':
      return hasEndCondition(status);
    default:
      return false;
  }
}

function hasEndCondition(status: Field): boolean {
  return status
    .get('conditions')
    .asList()
    .some(
      (condition) =>
        has(condition.get('type'), 'Complete', 'Completed', 'Succeeded', 'Failed') &&
        has(condition.get('status'), 'True'),
    );
}

function has(field: Field, ...values: readonly string[]): boolean {
  const text = field.asText();
  return text !== null && values.includes(text);
}
