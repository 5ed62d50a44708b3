// Every kind that pods are made from, and who reads it.

import { kindKey, type KindKey } from '../scope.ts';
import { readCronWorkflow, readWorkflow, readWorkflowTemplate } from './argo.ts';
import { readInferenceService, readLlmInferenceService, readServingRuntime } from './kserve.ts';
import {
  readExperiment,
  readNotebook,
  readPipeline,
  readReplicaSpecs,
  readScheduledWorkflow,
  readTrainingRuntime,
  readTrainJob,
  readViewer,
} from './kubeflow.ts';
import {
  readAppWrapper,
  readCronJob,
  readJob,
  readJobSet,
  readLeaderWorkerSet,
  readPod,
  readReplicated,
  readRevision,
  readRollout,
  readSeldonDeployment,
  readTemplated,
  readVolcanoJob,
} from './kubernetes.ts';
import { reading, type TemplateReader } from './pod-template.ts';
import { readRayCluster, readRayCronJob, readRayJob, readRayService } from './ray.ts';
import { readScheduledSparkApplication, readSparkApplication } from './spark.ts';
import { readUnknownKind } from './unknown-kind.ts';

/** Of a kind that makes pods. */
export function readerOf(group: string, kind: string): TemplateReader {
  const key = kindKey(group, kind);
  if (BLUEPRINTS.has(key)) return NO_TEMPLATES;
  return READERS.get(key) ?? readUnknownKind;
}

/** Of a kind that other objects make their pods from; null for any other. */
export function blueprintReaderOf(group: string, kind: string): TemplateReader | null {
  return BLUEPRINTS.get(kindKey(group, kind)) ?? null;
}

const NO_TEMPLATES: TemplateReader = () => reading([]);

const READERS: ReadonlyMap<KindKey, TemplateReader> = new Map<KindKey, TemplateReader>([
  ['Pod', readPod],
  ['ReplicationController', readReplicated],
  ['Deployment.apps', readReplicated],
  ['StatefulSet.apps', readReplicated],
  ['ReplicaSet.apps', readReplicated],
  ['DaemonSet.apps', readTemplated],
  // Until Kubernetes 1.16; files of that time are still about.
  ['Deployment.extensions', readReplicated],
  ['ReplicaSet.extensions', readReplicated],
  ['DaemonSet.extensions', readTemplated],
  ['Job.batch', readJob],
  ['CronJob.batch', readCronJob],
  ['DeploymentConfig.apps.openshift.io', readReplicated],
  ['Rollout.argoproj.io', readRollout],
  ['Service.serving.knative.dev', readTemplated],
  ['Configuration.serving.knative.dev', readTemplated],
  ['Revision.serving.knative.dev', readRevision],
  ['JobSet.jobset.x-k8s.io', readJobSet],
  ['LeaderWorkerSet.leaderworkerset.x-k8s.io', readLeaderWorkerSet],
  ['Job.batch.volcano.sh', readVolcanoJob],
  ['SeldonDeployment.machinelearning.seldon.io', readSeldonDeployment],
  ['AppWrapper.workload.codeflare.dev', readAppWrapper],
  ['RayCluster.ray.io', readRayCluster],
  ['RayJob.ray.io', readRayJob],
  ['RayService.ray.io', readRayService],
  ['RayCronJob.ray.io', readRayCronJob],
  ['PyTorchJob.kubeflow.org', readReplicaSpecs('pytorchReplicaSpecs')],
  ['TFJob.kubeflow.org', readReplicaSpecs('tfReplicaSpecs')],
  ['MPIJob.kubeflow.org', readReplicaSpecs('mpiReplicaSpecs')],
  ['MXJob.kubeflow.org', readReplicaSpecs('mxReplicaSpecs')],
  ['XGBoostJob.kubeflow.org', readReplicaSpecs('xgbReplicaSpecs')],
  ['PaddleJob.kubeflow.org', readReplicaSpecs('paddleReplicaSpecs')],
  ['JAXJob.kubeflow.org', readReplicaSpecs('jaxReplicaSpecs')],
  ['TrainJob.trainer.kubeflow.org', readTrainJob],
  ['Notebook.kubeflow.org', readNotebook],
  ['Experiment.kubeflow.org', readExperiment],
  ['ScheduledWorkflow.kubeflow.org', readScheduledWorkflow],
  ['Viewer.kubeflow.org', readViewer],
  ['Pipeline.pipelines.kubeflow.org', readPipeline],
  ['PipelineVersion.pipelines.kubeflow.org', readPipeline],
  ['InferenceService.serving.kserve.io', readInferenceService],
  ['LLMInferenceService.serving.kserve.io', readLlmInferenceService],
  ['SparkApplication.sparkoperator.k8s.io', readSparkApplication],
  ['ScheduledSparkApplication.sparkoperator.k8s.io', readScheduledSparkApplication],
  ['Workflow.argoproj.io', readWorkflow],
  ['CronWorkflow.argoproj.io', readCronWorkflow],
  ['WorkflowTemplate.argoproj.io', readWorkflowTemplate],
]);

const BLUEPRINTS: ReadonlyMap<KindKey, TemplateReader> = new Map<KindKey, TemplateReader>([
  ['PodTemplate', (root) => readPod(root.get('template'))],
  ['TrainingRuntime.trainer.kubeflow.org', readTrainingRuntime],
  ['ClusterTrainingRuntime.trainer.kubeflow.org', readTrainingRuntime],
  ['ServingRuntime.serving.kserve.io', readServingRuntime],
  ['ClusterServingRuntime.serving.kserve.io', readServingRuntime],
  ['LLMInferenceServiceConfig.serving.kserve.io', readLlmInferenceService],
  ['ClusterWorkflowTemplate.argoproj.io', readWorkflowTemplate],
]);
