// What the article's scripts lack for use by others than people: exit codes, no limit of time, remedies, exceptions.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { deployment, directoryOf, PRIVILEGED, runAudit } from './audit-run.ts';

const DEPLOY = ['kubernetes', 'audit/surroundings.yaml'].map((path) =>
  fileURLToPath(new URL(`../../deploy/${path}`, import.meta.url)),
);

describe('exit codes', () => {
  it('S21 are 0 when everything was judged and nothing failed', async () => {
    expect((await runAudit(['cluster', ...DEPLOY])).exitCode).toBe(0);
  });

  it('S21 are 1 when something failed', async () => {
    await using files = await directoryOf({ 'a.yaml': deployment('trainer', { extra: PRIVILEGED }) });
    expect((await runAudit(['cluster', files.path])).exitCode).toBe(1);
  });

  it('S21 are 2 for what cannot be asked', async () => {
    expect((await runAudit(['cluster', ...DEPLOY, '--severity-threshold', 'awful'])).exitCode).toBe(2);
  });

  it('S21 are 3 when nothing failed and not everything could be judged', async () => {
    const { out, exitCode } = await runAudit(['cluster', DEPLOY[0] ?? '']);
    expect(out).toContain('nothing failed\nnot everything could be judged\n');
    expect(exitCode).toBe(3);
  });

  it('S21 are 3, before anything else, when something could not be read', async () => {
    await using files = await directoryOf({
      'a.yaml': deployment('trainer', { extra: PRIVILEGED }),
      'b.yaml': 'kind: [\n',
    });
    expect((await runAudit(['cluster', files.path])).exitCode).toBe(3);
  });

  it('S21 are 4 when the audit itself fails', async () => {
    await using files = await directoryOf({ 'a.yaml': deployment('trainer') });
    const argv = ['cluster', files.path, '--format', 'json', '--output', '/nonexistent/report.json'];
    expect((await runAudit(argv)).exitCode).toBe(4);
  });
});

describe('a report', () => {
  it('S21 is for machines: each failure has an identity, a place, evidence and a remedy', async () => {
    await using files = await directoryOf({ 'a.yaml': deployment('trainer', { extra: PRIVILEGED }) });
    const { out } = await runAudit(['cluster', files.path, '--format', 'json']);
    const failures = JSON.parse(out).findings.filter(({ verdict }: { verdict: string }) => verdict === 'fail');
    expect(failures.length).toBeGreaterThan(5);
    for (const { fingerprint, location, evidence, remediation, resource } of failures) {
      expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
      expect(Object.keys(evidence)).not.toEqual([]);
      expect(remediation.text).not.toBe('');
      // A namespace and an account that no file holds stand nowhere.
      const isGiven = resource.kind === 'Deployment';
      expect(location === undefined).toBe(!isGiven);
    }
  });

  it('S21 has a patch that mends the failure, where one change does', async () => {
    await using files = await directoryOf({ 'a.yaml': deployment('trainer', { extra: PRIVILEGED }) });
    const { out } = await runAudit(['cluster', files.path, '--format', 'json']);
    const privileged = JSON.parse(out).findings.find(({ rule }: { rule: string }) => rule === 'pod-privileged');
    expect(privileged.remediation.patch).toEqual([
      { op: 'replace', path: '/spec/template/spec/containers/0/securityContext/privileged', value: false },
    ]);
  });

  it('S21 leaves out what somebody lives with, for a reason and until a day', async () => {
    const exceptions = `version: 1
exceptions:
  - { rule: "pod-*", resource: "ml/trainer[Deployment]", reason: its image needs it, expires: "9999-12-31" }
`;
    await using files = await directoryOf({
      'in/a.yaml': deployment('trainer', { extra: PRIVILEGED }),
      'exceptions.yaml': exceptions,
    });
    const report = files.at('report.json');
    const argv = ['cluster', files.at('in'), '--format', 'json', '--output', report];
    await runAudit([...argv, '--exceptions', files.at('exceptions.yaml')]);
    const { findings, summary } = JSON.parse(await readFile(report, 'utf8'));
    const privileged = findings.find(({ rule }: { rule: string }) => rule === 'pod-privileged');
    expect(privileged.state).toMatchObject({ kind: 'excepted', reason: 'its image needs it' });
    expect(summary.excepted).toBeGreaterThan(1);
  });
});
