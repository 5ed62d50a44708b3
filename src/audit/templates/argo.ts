// Pod templates of Argo Workflows, where every step is a pod and no pod is written as one.
// https://argo-workflows.readthedocs.io/en/latest/fields/

import { quote } from '../../core/quote.ts';
import type { Field } from '../fields.ts';
import {
  mergeReadings,
  nameLabels,
  podSpecTemplate,
  reading,
  unseen,
  type TemplateContext,
  type TemplateReading,
} from './pod-template.ts';

export function readWorkflow(root: Field, context: TemplateContext): TemplateReading {
  return readWorkflowSpec(root.get('spec'), context, nameLabels(context.object, 'workflows.argoproj.io/workflow'));
}

/** Also that of the cluster. */
export function readWorkflowTemplate(root: Field, context: TemplateContext): TemplateReading {
  return readWorkflowSpec(root.get('spec'), context, []);
}

export function readCronWorkflow(root: Field, context: TemplateContext): TemplateReading {
  return readWorkflowSpec(root.get('spec', 'workflowSpec'), context, []);
}

type Labels = readonly (readonly [string, string])[];

function readWorkflowSpec(spec: Field, context: TemplateContext, labels: Labels): TemplateReading {
  const templates = inlineTemplates(spec);
  const references = templates.flatMap((template) => readReferences(template, context));
  const own = templates.map((template) => readTemplate(spec, template, labels));
  const base = spec.get('workflowTemplateRef');
  const whole = base.isPresent ? [readReferred(base, context, spec.get('serviceAccountName').asText())] : [];
  return mergeReadings([...own, ...whole, ...references]);
}

/** The listed ones, and those written into the steps and tasks of others. */
function inlineTemplates(spec: Field): readonly Field[] {
  const templates = [...spec.get('templates').asList()];
  // Grows while it is walked: an inline template may hold steps again.
  for (const template of templates) {
    for (const task of tasksOf(template)) {
      const inline = task.get('inline');
      if (inline.isPresent) templates.push(inline.overlay([['name', task.get('name')]]));
    }
  }
  return templates;
}

function tasksOf(template: Field): readonly Field[] {
  const steps = template.get('steps').asList();
  return [
    // A list of lists: what stands in one runs in parallel.
    ...steps.flatMap((step) => (step.kind === 'list' ? step.asList() : [step])),
    ...template.get('dag', 'tasks').asList(),
  ];
}

function readReferences(template: Field, context: TemplateContext): readonly TemplateReading[] {
  return tasksOf(template)
    .map((task) => task.get('templateRef'))
    .filter(({ isPresent }) => isPresent)
    .map((reference) => (findReferred(reference, context) === null ? missing(reference) : reading([])));
}

/** A workflow made from another object runs its templates, with a service account of its own if it names one. */
function readReferred(reference: Field, context: TemplateContext, serviceAccount: string | null): TemplateReading {
  const found = findReferred(reference, context);
  if (found === null) return missing(reference);
  const { object, root } = found;
  const { templates, unseen } = readWorkflowTemplate(root, { ...context, object });
  return { templates: templates.map((template) => ({ ...template, source: object, serviceAccount })), unseen };
}

function findReferred(reference: Field, context: TemplateContext): ReturnType<TemplateContext['find']> {
  const name = reference.get('name').requireText() ?? '';
  return reference.get('clusterScope').asBoolean() === true
    ? context.find('argoproj.io', 'ClusterWorkflowTemplate', { namespace: null, name })
    : context.find('argoproj.io', 'WorkflowTemplate', { namespace: context.object.namespace, name });
}

function missing(reference: Field): TemplateReading {
  const name = quote(reference.get('name').asText() ?? '?');
  return unseen(reference.path, `the workflow template ${name} is not among the objects`);
}

function readTemplate(spec: Field, template: Field, labels: Labels): TemplateReading {
  const defaults = spec.get('templateDefaults');
  const pick = (key: string): Field => {
    const own = template.get(key);
    return own.isPresent ? own : defaults.get(key);
  };
  const resource = template.get('resource', 'manifest');
  if (resource.isPresent)
    return unseen(resource.path, 'the step creates an object from a manifest with parameters in it');
  const containers = readContainers(template, pick);
  if (containers.length === 0) return reading([]);
  const ofPod = (key: string): Field => {
    const own = pick(key);
    return own.isPresent ? own : spec.get(key);
  };
  const entries: (readonly [string, Field | readonly Field[]])[] = [
    ...[
      'serviceAccountName',
      'automountServiceAccountToken',
      'securityContext',
      'hostAliases',
      'nodeSelector',
      'tolerations',
    ].map((key) => [key, ofPod(key)] as const),
    ['hostNetwork', spec.get('hostNetwork')] as const,
    ['initContainers', pick('initContainers')] as const,
  ].filter(([, field]) => field.isPresent);
  entries.push(
    ['containers', [...containers, ...pick('sidecars').asList()]],
    ['volumes', [...spec.get('volumes').asList(), ...template.get('volumes').asList()]],
  );
  const isPatched = spec.get('podSpecPatch').isPresent || pick('podSpecPatch').isPresent;
  const role = template.get('name').asText() ?? template.path.join('-');
  return reading([
    podSpecTemplate(template.literal({}).overlay(entries), {
      role,
      labels: [
        ...spec.get('podMetadata', 'labels').asTextMap(),
        ...template.get('metadata', 'labels').asTextMap(),
        ...labels,
      ],
      annotations: [
        ...spec.get('podMetadata', 'annotations').asTextMap(),
        ...template.get('metadata', 'annotations').asTextMap(),
      ],
      isPartial: isPatched ? '`podSpecPatch` changes the pod' : null,
    }),
  ]);
}

function readContainers(template: Field, pick: (key: string) => Field): readonly Field[] {
  const set = template.get('containerSet', 'containers');
  if (set.isPresent) return set.asList();
  return ['container', 'script']
    .map((key) => (template.get(key).isPresent ? pick(key) : null))
    .filter((container) => container !== null)
    .map((container) => container.overlay([['name', container.literal('main')]]));
}
