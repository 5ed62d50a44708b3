import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { makeRun, POLICY, safetensors } from '../artifact/run-fixture.ts';
import { type AuditRun, runAudit } from './audit-run.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CLUSTER = [join(ROOT, 'deploy/kubernetes'), join(ROOT, 'deploy/audit/surroundings.yaml')];

interface Reported {
  readonly findings: readonly { readonly rule: string; readonly verdict: string }[];
  readonly summary: { readonly checks: readonly { readonly verdict: string }[] };
  readonly coverage: { readonly isComplete: boolean; readonly unreadable: readonly { readonly what: string }[] };
}

function reportOf({ out }: AuditRun): Reported {
  return JSON.parse(out) as Reported;
}

function openOf({ findings }: Reported): readonly string[] {
  return findings.filter(({ verdict }) => verdict !== 'pass').map(({ rule, verdict }) => `${rule} ${verdict}`);
}

/** A directory that says who may sign, and beside it who may ask what. */
function policiesOf(run: ReturnType<typeof makeRun>): string {
  const directory = dirname(run.policy);
  writeFileSync(join(directory, 'artifacts.yaml'), POLICY);
  copyFileSync(join(ROOT, 'policies/ai-platform.yaml'), join(directory, 'ai-platform.yaml'));
  return directory;
}

describe('audit all', () => {
  it('reports the findings of both, each as its own command does', async () => {
    using run = makeRun();
    run.write('training/model.safetensors', safetensors(7));
    const policy = policiesOf(run);
    const json = ['--policy', policy, '--format', 'json'];
    const all = await runAudit(['all', ...CLUSTER, '--pipeline', run.path, ...json]);
    const cluster = await runAudit(['cluster', ...CLUSTER, ...json]);
    const pipeline = await runAudit(['pipeline', run.path, ...json]);
    expect(all.errors).toBe('');
    const expected = [...openOf(reportOf(cluster)), ...openOf(reportOf(pipeline))];
    expect(openOf(reportOf(all)).toSorted()).toEqual(expected.toSorted());
    expect(openOf(reportOf(all))).toContain('artifact-hash-mismatch fail');
    expect(reportOf(all).summary.checks.map(({ verdict }) => verdict)).toEqual([
      'pass',
      'pass',
      'pass',
      'pass',
      'pass',
    ]);
    expect(all.exitCode).toBe(1);
  });

  it('leaves what it knows of the cluster known when a run cannot be read, and is not whole', async () => {
    using run = makeRun();
    const gone = join(run.path, 'gone');
    const all = await runAudit(['all', ...CLUSTER, '--pipeline', gone, '--format', 'json']);
    const report = reportOf(all);
    expect(openOf(report).filter((line) => !line.startsWith('artifact-'))).toEqual([]);
    expect(report.coverage.isComplete).toBe(false);
    expect(report.coverage.unreadable.map(({ what }) => what)).toEqual([gone]);
    expect(all.exitCode).toBe(3);
  });

  it('trusts nobody to sign where the policies say nothing of artifacts', async () => {
    using run = makeRun();
    const policy = policiesOf(run);
    rmSync(join(policy, 'artifacts.yaml'));
    const all = await runAudit(['all', ...CLUSTER, '--pipeline', run.path, '--policy', policy, '--format', 'json']);
    expect(openOf(reportOf(all)).some((line) => line.startsWith('artifact-'))).toBe(true);
    expect(all.exitCode).not.toBe(0);
  });

  it('asks for a run, which would otherwise be an audit of the cluster alone', async () => {
    const { errors, exitCode } = await runAudit(['all', ...CLUSTER]);
    expect(errors).toContain('--pipeline');
    expect(exitCode).toBe(2);
  });
});

describe('a report without a cluster', () => {
  it('answers no question about clusters', async () => {
    using run = makeRun();
    const table = await run.audit();
    expect(table.out).not.toContain('Network access is denied by default');
    expect(table.out).not.toContain('workload');
    const json = await run.audit('--format', 'json');
    expect(reportOf(json).summary.checks).toEqual([]);
    const html = join(run.path, '..', 'report.html');
    await run.audit('--format', 'html', '--output', html);
    expect(readFileSync(html, 'utf8')).not.toContain('<ul class="checks">');
  });
});

describe('the trust document', () => {
  it('is no policy, where it lies among them', async () => {
    using run = makeRun();
    const { errors, exitCode } = await runAudit(['cluster', ...CLUSTER, '--policy', policiesOf(run)]);
    expect(errors).toBe('');
    expect(exitCode).not.toBe(2);
  });
});
