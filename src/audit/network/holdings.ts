// What a workload has that is worth carrying away: models and credentials.

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import type { Workload } from '../workload.ts';

/** Kinds of workloads that train or serve models. */
const MODEL_KINDS: ReadonlySet<string> = new Set([
  'RayCluster',
  'RayJob',
  'RayService',
  'PyTorchJob',
  'TFJob',
  'MPIJob',
  'XGBoostJob',
  'PaddleJob',
  'JAXJob',
  'TrainJob',
  'InferenceService',
  'LLMInferenceService',
  'InferenceGraph',
  'Notebook',
]);
const ACCELERATOR =
  /^(?:(?:[a-z0-9-]+\.)*(?:nvidia|amd)\.com\/(?:gpu|mig-.*)|google\.com\/tpu|aws\.amazon\.com\/neuron.*|habana\.ai\/gaudi|gpu\.intel\.com\/.*)$/;
const MODEL_IMAGE =
  /(?:vllm|triton|tgi|text-generation-inference|ollama|torchserve|tensorflow|pytorch|mlflow|kserve|huggingface|llama|sglang|nim)/i;
/** Annotations of service accounts that make a pod somebody in a cloud. */
const CLOUD_IDENTITY = [
  'eks.amazonaws.com/role-arn',
  'iam.gke.io/gcp-service-account',
  'azure.workload.identity/client-id',
];

/** In words, the same for equal templates. */
export function findHoldings(workload: Workload, cluster: Cluster): readonly string[] {
  const found = new Set<string>();
  if (MODEL_KINDS.has(workload.kind)) found.add(`models, as a ${workload.kind}`);
  for (const { image, field } of workload.containers) {
    if (image !== null && MODEL_IMAGE.test(image)) found.add(`models, by its image ${image}`);
    for (const name of ['limits', 'requests']) {
      for (const [resource, amount] of field.get('resources', name).asMap()) {
        if (ACCELERATOR.test(resource) && String(amount.value) !== '0') found.add(`models, by ${resource}`);
      }
    }
    for (const secret of secretsInEnvironment(field)) found.add(`secret ${secret}`);
  }
  for (const volume of workload.podSpec.get('volumes').asList()) {
    for (const secret of secretsInVolume(volume)) found.add(`secret ${secret}`);
  }
  const account = cluster.find('', 'ServiceAccount', { namespace: workload.namespace, name: workload.serviceAccount });
  for (const key of CLOUD_IDENTITY) {
    if (account?.annotations.has(key)) found.add(`cloud identity of service account ${workload.serviceAccount}`);
  }
  return [...found].sort();
}

function secretsInEnvironment(container: Field): readonly string[] {
  const direct = container
    .get('env')
    .asList()
    .map((entry) => entry.get('valueFrom', 'secretKeyRef', 'name'));
  const whole = container
    .get('envFrom')
    .asList()
    .map((entry) => entry.get('secretRef', 'name'));
  return [...direct, ...whole].flatMap((name) => name.asText() ?? []);
}

function secretsInVolume(volume: Field): readonly string[] {
  const projected = volume
    .get('projected', 'sources')
    .asList()
    .map((source) => source.get('secret', 'name'));
  return [volume.get('secret', 'secretName'), ...projected].flatMap((name) => name.asText() ?? []);
}
