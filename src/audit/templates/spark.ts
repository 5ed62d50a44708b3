// Pod templates of the Spark operator, which describes driver and executors in words of its own.
// https://www.kubeflow.org/docs/components/spark-operator/

import type { Field } from '../fields.ts';
import {
  nameLabels,
  podSpecTemplate,
  reading,
  type PodTemplate,
  type TemplateContext,
  type TemplateReading,
} from './pod-template.ts';

export function readSparkApplication(root: Field, context: TemplateContext): TemplateReading {
  return readSpec(root.get('spec'), nameLabels(context.object, 'sparkoperator.k8s.io/app-name'));
}

export function readScheduledSparkApplication(root: Field): TemplateReading {
  return readSpec(root.get('spec', 'template'), []);
}

type Labels = readonly (readonly [string, string])[];

function readSpec(spec: Field, labels: Labels): TemplateReading {
  const driver = spec.get('driver');
  const own = spec.get('executor', 'serviceAccount');
  return reading([
    readSide(spec, { side: driver, role: 'driver', labels, replicas: 1, serviceAccount: driver.get('serviceAccount') }),
    readSide(spec, {
      side: spec.get('executor'),
      role: 'executor',
      labels,
      replicas: spec.get('executor', 'instances').asInteger(),
      serviceAccount: own.isPresent ? own : driver.get('serviceAccount'),
    }),
  ]);
}

interface Side {
  readonly side: Field;
  readonly role: 'driver' | 'executor';
  readonly labels: Labels;
  readonly replicas: number | null;
  readonly serviceAccount: Field;
}

/** Fields of a pod spec that the operator takes under their own names. */
const POD_FIELDS = [
  'hostNetwork',
  'shareProcessNamespace',
  'runtimeClassName',
  'nodeSelector',
  'tolerations',
  'affinity',
  'hostAliases',
  'dnsConfig',
  'initContainers',
];

function readSide(spec: Field, { side, role, labels, replicas, serviceAccount }: Side): PodTemplate {
  const template = side.get('template');
  const base = template.get('spec');
  const entries: (readonly [string, Field | readonly Field[]])[] = [
    ...POD_FIELDS.map((key) => [key, side.get(key)] as const),
    ['securityContext', side.get('podSecurityContext')] as const,
    ['volumes', spec.get('volumes')] as const,
    ['serviceAccountName', serviceAccount] as const,
  ].filter(([, field]) => field.isPresent);
  // The template's first container is that of Spark.
  const [, ...others] = base.get('containers').asList();
  entries.push(['containers', [mainContainer(spec, side, role), ...others, ...side.get('sidecars').asList()]]);
  const podSpec = base.isPresent ? base.overlay(entries) : side.literal({}).overlay(entries);
  return podSpecTemplate(podSpec, {
    role,
    replicas,
    labels: [
      ...template.get('metadata', 'labels').asTextMap(),
      ...side.get('labels').asTextMap(),
      ...labels,
      ['spark-role', role],
    ],
    annotations: [...template.get('metadata', 'annotations').asTextMap(), ...side.get('annotations').asTextMap()],
    isPartial: changesPods(spec) ? 'Spark properties `spark.kubernetes.*` change the pod' : null,
  });
}

function mainContainer(spec: Field, side: Field, role: string): Field {
  const base = side.get('template', 'spec', 'containers');
  const first = base.kind === 'list' ? base.get(0) : base.literal(undefined);
  const image = [side.get('image'), spec.get('image')].find(({ isPresent }) => isPresent);
  const present = ['env', 'envFrom', 'volumeMounts', 'securityContext', 'ports', 'lifecycle']
    .map((key) => [key, side.get(key)] as const)
    .filter(([, field]) => field.isPresent);
  const entries: (readonly [string, Field | readonly Field[]])[] = [
    ...present,
    ['name', side.literal(role === 'driver' ? 'spark-kubernetes-driver' : 'spark-kubernetes-executor')],
  ];
  if (image !== undefined) entries.push(['image', image]);
  // The older way to give the environment.
  const variables = [...side.get('envVars').asMap()].map(([name, value]) =>
    value.literal({}).overlay([
      ['name', value.literal(name)],
      ['value', value],
    ]),
  );
  if (variables.length > 0) entries.push(['env', [...side.get('env').asList(), ...variables]]);
  const arguments_ = spec.get('arguments');
  if (arguments_.isPresent) entries.push(['args', arguments_]);
  return (first.isPresent ? first : side.literal({})).overlay(entries);
}

function changesPods(spec: Field): boolean {
  return [...spec.get('sparkConf').asMap().keys()].some((key) => key.startsWith('spark.kubernetes.'));
}
