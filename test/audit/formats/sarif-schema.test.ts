// Reports in SARIF, held to the schema that OASIS publishes, as the Go module go-sarif carries it.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { formatSarif } from '../../../src/audit/formats/sarif.ts';
import type { AuditReport } from '../../../src/audit/report.ts';
import { CLEAN, HOSTILE, MIXED } from './reports.ts';

const MODULE = 'github.com/owenrumney/go-sarif/v3@v3.3.1';
const DOWNLOAD_MS = 60_000;

/** Null where there is neither Go nor the module. */
function readSchema(): Readonly<Record<string, unknown>> | null {
  // First from the module cache alone: without network that answers at once, where a download would wait.
  for (const proxy of [{ GOPROXY: 'off' }, {}]) {
    const { status, stdout } = spawnSync('go', ['mod', 'download', '-json', MODULE], {
      cwd: tmpdir(),
      env: { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '', GOWORK: 'off', ...proxy },
      encoding: 'utf8',
      timeout: DOWNLOAD_MS,
    });
    if (status === 0)
      return schemaIn(readFileSync(join(JSON.parse(stdout).Dir, 'pkg/report/v210/sarif/schema.go'), 'utf8'));
  }
  return null;
}

function schemaIn(source: string): Readonly<Record<string, unknown>> {
  const text = source.slice(source.indexOf('`') + 1, source.lastIndexOf('`')).replaceAll('` + "`" + `', '`');
  return JSON.parse(text);
}

const schema = readSchema();

describe.skipIf(schema === null)('a report as SARIF, by the published schema (skipped without Go and go-sarif)', () => {
  // Of draft 4, it uses nothing that later drafts read otherwise, but for the name of its own id.
  const { $schema: _dialect, id: _id, ...definitions } = schema ?? {};
  const isValid = formats.default(new Ajv({ strict: false, allErrors: true })).compile(definitions);

  function documentOf(report: AuditReport): Readonly<Record<string, unknown>> {
    return JSON.parse(formatSarif(report, { version: '1.2.3', root: '/root' }));
  }

  it.each([
    ['when nothing failed', CLEAN],
    ['with failures, exceptions and what was not read', MIXED],
    ['about objects whose author means harm', HOSTILE],
  ])('is valid %s', (_name, report) => {
    isValid(documentOf(report));
    expect(isValid.errors).toBeNull();
  });

  it('names the schema by which it was held', () => {
    expect(documentOf(CLEAN)['$schema']).toBe(schema?.['id']);
  });

  it.each<[string, (run: Record<string, unknown>) => void]>([
    ['a level that is none', (run) => (run['results'] = [{ message: { text: 'x' }, level: 'awful' }])],
    ['a key that is none', (run) => (run['findings'] = [])],
    ['no tool', (run) => delete run['tool']],
  ])('would not be with %s', (_name, spoil) => {
    const document = structuredClone(documentOf(MIXED)) as { runs: Record<string, unknown>[] };
    for (const run of document.runs) spoil(run);
    expect(isValid(document)).toBe(false);
  });
});
