// What has happened to an object, and how that is said in a sentence.

import { isDeepStrictEqual } from 'node:util';
import { type KubeObject, own } from '../kube-object.ts';

export type ObjectChange =
  | { readonly kind: 'added'; readonly object: KubeObject }
  | { readonly kind: 'modified'; readonly object: KubeObject; readonly before: KubeObject }
  | { readonly kind: 'deleted'; readonly before: KubeObject };

/** As it is, or was last. */
export function subjectOf(change: ObjectChange): KubeObject {
  return change.kind === 'deleted' ? change.before : change.object;
}

/** "policy ml/deny-egress lost its egress rule". */
export function describeChange(change: ObjectChange): string {
  const { kind, namespace, name } = subjectOf(change);
  const place = namespace === null ? name : `${namespace}/${name}`;
  const subject = `${kind === 'NetworkPolicy' ? 'policy' : kind} ${place}`;
  if (change.kind !== 'modified') return `${subject} was ${change.kind}`;
  const news = [...policyNews(change.before.body, change.object.body), ...labelNews(change.before, change.object)];
  return `${subject} ${news.length === 0 ? 'was changed' : news.join(' and ')}`;
}

const SECTIONS = [
  ['egress', 'egress rule'],
  ['ingress', 'ingress rule'],
  ['egressDeny', 'egress deny rule'],
  ['ingressDeny', 'ingress deny rule'],
] as const;

function policyNews(before: unknown, after: unknown): readonly string[] {
  const [was, is] = [own(before, 'spec'), own(after, 'spec')];
  const sections = SECTIONS.flatMap(([field, noun]) => sectionNews(own(was, field), own(is, field), noun));
  const isSelecting = own(is, 'podSelector') !== undefined || own(is, 'endpointSelector') !== undefined;
  const selectors = ['podSelector', 'endpointSelector'].map((field) => [own(was, field), own(is, field)] as const);
  const selects = isSelecting && selectors.some(([left, right]) => !isDeepStrictEqual(left, right));
  const [types, newTypes] = [textsOf(own(was, 'policyTypes')), textsOf(own(is, 'policyTypes'))];
  return [
    ...sections,
    ...types.filter((type) => !newTypes.includes(type)).map((type) => `lost the policy type ${type}`),
    ...newTypes.filter((type) => !types.includes(type)).map((type) => `got the policy type ${type}`),
    ...(selects ? ['selects other pods'] : []),
  ];
}

function sectionNews(before: unknown, after: unknown, noun: string): readonly string[] {
  if (isDeepStrictEqual(before, after)) return [];
  const [was, is] = [listOf(before), listOf(after)];
  const lost = was.filter((rule) => !is.some((other) => isDeepStrictEqual(rule, other))).length;
  const got = is.filter((rule) => !was.some((other) => isDeepStrictEqual(rule, other))).length;
  if (lost > 0 && got > 0) return [`has other ${noun}s`];
  if (lost > 0) return [`lost ${lost === was.length ? 'its' : String(lost)} ${noun}${lost === 1 ? '' : 's'}`];
  if (got > 0) return [`got ${got === 1 ? 'an' : String(got)} ${noun}${got === 1 ? '' : 's'}`];
  return [];
}

function labelNews(before: KubeObject, after: KubeObject): readonly string[] {
  const [was, is] = [templateLabels(before), templateLabels(after)];
  return isDeepStrictEqual(before.labels, after.labels) && isDeepStrictEqual(was, is) ? [] : ['has other labels'];
}

function templateLabels({ body }: KubeObject): unknown {
  return own(own(own(own(body, 'spec'), 'template'), 'metadata'), 'labels') ?? null;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textsOf(value: unknown): readonly string[] {
  return listOf(value).filter((text) => typeof text === 'string');
}
