import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { formatSarif } from '../../../src/audit/formats/sarif.ts';
import type { AuditReport } from '../../../src/audit/report.ts';
import { CLEAN, HOSTILE, MIXED } from './reports.ts';

// What the published schema demands of the objects that we write: SARIF 2.1.0 §3.13 to §3.58, nothing beyond what is named here.
const message = z.strictObject({ text: z.string().min(1), markdown: z.string().optional() });
const level = z.enum(['none', 'note', 'warning', 'error']);
const location = z.strictObject({
  physicalLocation: z
    .strictObject({
      artifactLocation: z.strictObject({
        uri: z.string().refine((uri) => URL.canParse(uri, 'file:///base/') && !/[\s\\]/.test(uri)),
        uriBaseId: z.string().optional(),
      }),
      region: z.strictObject({ startLine: z.int().min(1), startColumn: z.int().min(1) }),
    })
    .optional(),
  logicalLocations: z.array(z.strictObject({ fullyQualifiedName: z.string(), kind: z.string() })).optional(),
});
const result = z.strictObject({
  ruleId: z.string(),
  ruleIndex: z.int().min(0),
  level,
  message,
  locations: z.array(location).min(1),
  partialFingerprints: z.record(z.string(), z.string()),
  properties: z.record(z.string(), z.unknown()),
  suppressions: z
    .array(
      z.strictObject({
        kind: z.enum(['inSource', 'external']),
        status: z.enum(['accepted', 'underReview', 'rejected']),
        justification: z.string(),
      }),
    )
    .optional(),
});
const rule = z.strictObject({
  id: z.string(),
  name: z.string(),
  shortDescription: message,
  fullDescription: message,
  help: message,
  defaultConfiguration: z.strictObject({ level }),
  properties: z.strictObject({ 'security-severity': z.string().regex(/^\d+\.\d$/), tags: z.array(z.string()) }),
});
const sarif = z.strictObject({
  $schema: z.url(),
  version: z.literal('2.1.0'),
  runs: z
    .array(
      z.strictObject({
        tool: z.strictObject({
          driver: z.strictObject({ name: z.string(), version: z.string(), rules: z.array(rule) }),
        }),
        columnKind: z.enum(['utf16CodeUnits', 'unicodeCodePoints']),
        originalUriBaseIds: z.record(z.string(), z.strictObject({ description: message })),
        invocations: z.array(
          z.strictObject({
            executionSuccessful: z.boolean(),
            toolExecutionNotifications: z.array(
              z.strictObject({ level, message, locations: z.array(location).optional() }),
            ),
          }),
        ),
        results: z.array(result),
      }),
    )
    .length(1),
});

function runOf(report: AuditReport): z.infer<typeof sarif>['runs'][number] {
  const [run] = sarif.parse(JSON.parse(formatSarif(report, { version: '1.2.3', root: '/root' }))).runs;
  if (run === undefined) throw new Error('no run');
  return run;
}

describe('a report as SARIF', () => {
  it('has an empty list of results when nothing failed', () => {
    expect(runOf(CLEAN).results).toEqual([]);
  });

  it('has what failed, with its rule, line and column, the gravest first', () => {
    const run = runOf(MIXED);
    expect(run.results.map(({ level: given }) => given)).toEqual(['error', 'warning', 'warning']);
    expect(run.results[0]).toMatchObject({
      ruleId: 'test-rule',
      ruleIndex: 0,
      message: { text: 'ml/worse[Service]: looked at' },
      locations: [
        {
          physicalLocation: {
            artifactLocation: { uri: 'manifests/my%20services.yaml', uriBaseId: '%SRCROOT%' },
            region: { startLine: expect.any(Number), startColumn: 15 },
          },
        },
      ],
    });
    expect(run.tool.driver.rules[0]).toMatchObject({ id: 'test-rule', properties: { 'security-severity': '5.0' } });
  });

  it('tells each result where it stands, and none at the first line for want of a better', () => {
    const lines = runOf(MIXED).results.map(
      ({ locations }) => locations[0]?.physicalLocation?.region.startLine ?? Number.NaN,
    );
    expect(new Set(lines).size).toBe(3);
    expect(Math.min(...lines)).toBeGreaterThan(1);
  });

  it('suppresses what is excepted, and says why', () => {
    const suppressed = runOf(MIXED).results.filter(({ suppressions }) => suppressions !== undefined);
    expect(suppressed.map(({ message: { text } }) => text)).toEqual(['ml/accepted[Service]: looked at']);
    expect(suppressed[0]?.suppressions).toEqual([{ kind: 'external', status: 'accepted', justification: 'known' }]);
  });

  it('tells what was not read or not judged as notifications', () => {
    const notes = runOf(MIXED).invocations[0]?.toolExecutionNotifications ?? [];
    expect(notes).toMatchObject([
      { level: 'warning', message: { text: expect.stringContaining('broken.yaml') } },
      { level: 'note', message: { text: expect.stringContaining('1 not judged (test)') } },
    ]);
  });

  it('writes names of files as relative references, also when they are no text', () => {
    const [first] = runOf(HOSTILE).results;
    expect(first?.locations[0]?.physicalLocation?.artifactLocation).toEqual({
      uri: 'dir/%3D%E2%80%AE%EF%BF%BD%20a.yaml',
      uriBaseId: '%SRCROOT%',
    });
  });
});
