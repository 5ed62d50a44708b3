// JSON values as block YAML, for remediations that people paste into files.

import type { Json, JsonPatchOperation } from '../finding.ts';

/** A JSON patch, as `kubectl patch --type=json --patch-file` takes it. */
export function patchToYaml(patch: readonly JsonPatchOperation[]): string {
  return toYaml(patch.map(({ op, path, value }) => (value === undefined ? { op, path } : { op, path, value })));
}

/** Ends with a line feed. */
export function toYaml(value: Json): string {
  return `${toLines(value).join('\n')}\n`;
}

function toLines(value: Json): readonly string[] {
  if (isList(value)) return value.length === 0 ? ['[]'] : value.flatMap((item) => underMark('- ', toLines(item)));
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value);
    return entries.length === 0 ? ['{}'] : entries.flatMap(([key, item]) => toEntry(key, item));
  }
  return [typeof value === 'string' ? toScalar(value) : JSON.stringify(value)];
}

function toEntry(key: string, value: Json): readonly string[] {
  const lines = toLines(value);
  const isBlock = typeof value === 'object' && value !== null && !['[]', '{}'].includes(lines[0] ?? '');
  if (!isBlock) return [`${toScalar(key)}: ${lines[0] ?? ''}`];
  return [`${toScalar(key)}:`, ...lines.map((line) => `  ${line}`)];
}

function underMark(mark: string, lines: readonly string[]): readonly string[] {
  return lines.map((line, index) => (index === 0 ? mark : '  ') + line);
}

/** Plain where no reader of any YAML version could take it for something else than text. */
function toScalar(text: string): string {
  const isPlain = /^[A-Za-z/][\w./-]*$/.test(text) && !/^(?:y|n|yes|no|on|off|true|false|null)$/i.test(text);
  return isPlain ? text : JSON.stringify(text);
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
