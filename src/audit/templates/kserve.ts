// Pod templates of KServe.
// https://kserve.github.io/website/docs/reference/crd-api

import type { Field } from '../fields.ts';
import {
  nameLabels,
  podSpecTemplate,
  reading,
  unseen,
  type PodTemplate,
  type TemplateContext,
  type TemplateReading,
} from './pod-template.ts';

/** Each a container whose image and more come from a serving runtime. */
const MODEL_SERVERS = [
  'model',
  'sklearn',
  'xgboost',
  'tensorflow',
  'pytorch',
  'triton',
  'onnx',
  'huggingface',
  'pmml',
  'lightgbm',
  'paddle',
  'art',
  'alibi',
];

export function readInferenceService(root: Field, { object }: TemplateContext): TemplateReading {
  const components = ['predictor', 'transformer', 'explainer'] as const;
  return reading(
    components.flatMap((role): readonly PodTemplate[] => {
      const component = root.get('spec', role);
      if (!component.isPresent) return [];
      const labels = [
        ...object.labels,
        ...component.get('labels').asTextMap(),
        ...nameLabels(object, 'serving.kserve.io/inferenceservice'),
        ['component', role] as const,
      ];
      const annotations = [...object.annotations, ...component.get('annotations').asTextMap()];
      const replicas = component.get('minReplicas').asInteger();
      const server = withModelServer(component);
      const main = podSpecTemplate(server.podSpec, {
        role,
        labels,
        annotations,
        replicas,
        isPartial: server.isPartial,
      });
      const worker = component.get('workerSpec');
      if (!worker.isPresent) return [main];
      return [main, podSpecTemplate(worker, { role: `${role}-worker`, labels, annotations, isPartial: FROM_RUNTIME })];
    }),
  );
}

/** A component is a pod spec, and beside `containers` it may name a model server. */
function withModelServer(component: Field): { readonly podSpec: Field; readonly isPartial: string | null } {
  const servers = MODEL_SERVERS.map((key) => component.get(key)).filter(({ isPresent }) => isPresent);
  if (servers.length === 0) return { podSpec: component, isPartial: null };
  const containers = servers.map((server) => server.overlay([['name', server.literal('kserve-container')]]));
  const podSpec = component.overlay([['containers', [...containers, ...component.get('containers').asList()]]]);
  const runtime = servers[0]?.get('runtime').asText();
  const isPartial = typeof runtime === 'string' ? `serving runtime \`${runtime}\` gives the rest` : FROM_RUNTIME;
  return { podSpec, isPartial };
}

const FROM_RUNTIME = 'a serving runtime gives the rest';

/** What model servers are made from. */
export function readServingRuntime(root: Field): TemplateReading {
  const spec = root.get('spec');
  const labels = spec.get('labels').asTextMap();
  const annotations = spec.get('annotations').asTextMap();
  const main = podSpecTemplate(spec, { role: 'runtime', labels, annotations });
  const worker = spec.get('workerSpec');
  if (!worker.isPresent) return reading([main]);
  return reading([main, podSpecTemplate(worker, { role: 'worker', labels, annotations })]);
}

/** Every pod spec in it is merged over those of configurations, of which one is always there. */
export function readLlmInferenceService(root: Field, { object }: TemplateContext): TemplateReading {
  const spec = root.get('spec');
  const scheduler = spec.get('router', 'scheduler');
  const parts = [
    { role: 'decode', podSpec: spec.get('template'), owner: spec },
    { role: 'worker', podSpec: spec.get('worker'), owner: spec },
    { role: 'prefill', podSpec: spec.get('prefill', 'template'), owner: spec.get('prefill') },
    { role: 'prefill-worker', podSpec: spec.get('prefill', 'worker'), owner: spec.get('prefill') },
    { role: 'scheduler', podSpec: scheduler.get('template'), owner: scheduler },
    { role: 'tokenizer', podSpec: scheduler.get('tokenizer', 'template'), owner: scheduler },
  ].filter(({ podSpec }) => podSpec.isPresent);
  if (parts.length === 0) return unseen(spec.path, 'its pods are made from an LLMInferenceServiceConfig alone');
  const isPartial = 'configurations of the service, and the defaults of KServe, give the rest';
  return reading(
    parts.map(({ role, podSpec, owner }) =>
      podSpecTemplate(podSpec, {
        role,
        replicas: owner.get('replicas').asInteger(),
        labels: [...owner.get('labels').asTextMap(), ...nameLabels(object, 'app.kubernetes.io/name')],
        annotations: owner.get('annotations').asTextMap(),
        isPartial,
      }),
    ),
  );
}
