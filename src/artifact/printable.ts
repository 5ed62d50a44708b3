// Names that others chose, in verdicts that people read in terminals: nothing in them moves a cursor or turns text round.

import type { Json, ResourceRef, Verdict } from '../audit/finding.ts';
import type { SourcePosition } from '../core/source-position.ts';

/** Controls, separators of lines, and marks of writing direction (UAX #9). */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** Each as `\u{1b}`; everything else stays. */
export function toPrintable(text: string): string {
  return text.replace(UNPRINTABLE, (sign) => String.raw`\u{${sign.codePointAt(0)?.toString(16) ?? ''}}`);
}

/** What tells it from others stays as it is. */
export function toPrintableVerdict(verdict: Verdict): Verdict {
  const { resource, detail, evidence } = verdict;
  return {
    ...verdict,
    detail: toPrintable(detail),
    evidence: Object.fromEntries(Object.entries(evidence).map(([key, value]) => [toPrintable(key), printJson(value)])),
    resource: printResource(resource),
  };
}

function printResource(resource: ResourceRef): ResourceRef {
  const { namespace, name, ref, locate } = resource;
  return {
    ...resource,
    namespace: namespace === null ? null : toPrintable(namespace),
    name: toPrintable(name),
    ref: toPrintable(ref),
    locate: (path) => printPosition(locate(path)),
  };
}

function printPosition(position: SourcePosition | null): SourcePosition | null {
  return position === null ? null : { ...position, file: toPrintable(position.file) };
}

function printJson(value: Json): Json {
  if (typeof value === 'string') return toPrintable(value);
  if (typeof value !== 'object' || value === null) return value;
  if (isList(value)) return value.map(printJson);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [toPrintable(key), printJson(each)]));
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
