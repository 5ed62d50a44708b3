// Reports in JSON, held to the schema that users get.

import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { runAudit } from '../../../src/audit/audit.ts';
import { formatJson } from '../../../src/audit/formats/json.ts';
import type { AuditReport } from '../../../src/audit/report.ts';
import { ALL_RULES } from '../../../src/audit/rules.ts';
import { nodeFileTree } from '../../../src/kube/file-tree.ts';
import { MANIFEST_LIMITS, readManifests } from '../../../src/kube/manifests.ts';
import { termsOf } from '../terms.ts';
import { CLEAN, HOSTILE, MIXED } from './reports.ts';

const SCHEMA = new URL('../../../deploy/audit/report-1.0.schema.json', import.meta.url);
const CLUSTER = new URL('../article/cluster', import.meta.url).pathname;

const isValid = new Ajv2020({ strict: true, strictRequired: false, allowUnionTypes: true, allErrors: true }).compile(
  JSON.parse(readFileSync(SCHEMA, 'utf8')),
);

function documentOf(report: AuditReport): Record<string, unknown> {
  return JSON.parse([...formatJson(report)].join(''));
}

async function articleReport(baseline: AuditReport | null): Promise<AuditReport> {
  const inventory = await readManifests([CLUSTER], {
    tree: nodeFileTree,
    stdin: (async function* () {})(),
    defaultNamespace: 'default',
    limits: MANIFEST_LIMITS,
  });
  if (baseline === null) return runAudit(inventory, termsOf({ rules: ALL_RULES }));
  const failures = baseline.findings.flatMap(({ fingerprint, verdict }) =>
    verdict === 'fail' && fingerprint !== null ? [fingerprint] : [],
  );
  return runAudit(inventory, termsOf({ rules: ALL_RULES, baseline: { failures: new Set(failures) } }));
}

describe('a report as JSON, by its schema', () => {
  it.each([
    ['when nothing failed', CLEAN],
    ['with failures, exceptions and what was not read', MIXED],
    ['about objects whose author means harm', HOSTILE],
  ])('is valid %s', (_name, report) => {
    isValid(documentOf(report));
    expect(isValid.errors).toBeNull();
  });

  it('is valid with findings of every area, and against a baseline', async () => {
    const before = await articleReport(null);
    for (const report of [before, await articleReport(before)]) {
      isValid(documentOf(report));
      expect(isValid.errors).toBeNull();
    }
  });

  it('has the version of the schema', () => {
    expect(documentOf(CLEAN)['schemaVersion']).toBe('1.0');
    expect(SCHEMA.pathname).toContain('report-1.0.');
  });

  it.each<[string, (finding: Record<string, unknown>) => void]>([
    ['a verdict that is none', (finding) => (finding['verdict'] = 'ok')],
    ['an unknown without a reason', (finding) => (finding['verdict'] = 'unknown')],
    ['a failure with a reason not to know', (finding) => (finding['reason'] = 'forbidden')],
    ['a key that nobody knows', (finding) => (finding['ref'] = 'ml/a[Pod]')],
    ['a place that is none', (finding) => (finding['location'] = { file: 'a.yaml', line: 0, column: 1 })],
  ])('would not be with %s', (_name, spoil) => {
    const document = documentOf(MIXED);
    const [first] = document['findings'] as Record<string, unknown>[];
    spoil(first ?? {});
    expect(isValid(document)).toBe(false);
  });
});
