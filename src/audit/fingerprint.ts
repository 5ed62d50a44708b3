// Recognises a finding in the report of another day, however its file is written by then.

import { hash } from 'node:crypto';
import type { ResourceRef, Verdict } from './finding.ts';
import { own } from './kube-object.ts';
import type { Path } from './path.ts';

/** What the fingerprint of a verdict is made of: neither a uid nor a position, and no index of a list whose items have names. */
export function identityOf(rule: string, verdict: Verdict): string {
  const { resource, at, key } = verdict;
  const { kind, namespace, name, container } = resource;
  const group = groupOf(resource);
  return JSON.stringify([rule, group, kind, namespace, name, container, nameSteps(resource.body, at), key ?? null]);
}

/** SHA-256, hex; `occurrence` counts, from 1, verdicts of one identity. */
export function fingerprintOf(identity: string, occurrence: number): string {
  return hash('sha256', occurrence === 1 ? identity : `${identity}\n${occurrence}`, 'hex');
}

function groupOf({ apiVersion }: ResourceRef): string {
  return apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
}

function nameSteps(body: unknown, path: Path): readonly (string | number)[] {
  let value = body;
  return path.map((step) => {
    if (typeof step === 'string') {
      value = own(value, step);
      return step;
    }
    value = Array.isArray(value) ? value[step] : undefined;
    const name = own(value, 'name');
    return typeof name === 'string' ? `=${name}` : step;
  });
}
