// The audit on the article's ground: each of its findings exactly where it is true.

import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runAudit } from '../../../src/audit/audit.ts';
import { NO_EXCEPTIONS } from '../../../src/audit/exceptions.ts';
import type { AuditReport, Finding } from '../../../src/audit/report.ts';
import { ALL_RULES } from '../../../src/audit/rules.ts';
import { nodeFileTree } from '../../../src/kube/file-tree.ts';
import { MANIFEST_LIMITS, readManifests } from '../../../src/kube/manifests.ts';
import { termsOf } from '../terms.ts';
import { ARTICLE_FINDINGS, FURTHER_FAILS, UNKNOWNS } from './expected-findings.ts';

async function audit(directory: 'cluster' | 'clean'): Promise<AuditReport> {
  const path = fileURLToPath(new URL(directory, import.meta.url));
  const inventory = await readManifests([path], {
    tree: nodeFileTree,
    stdin: (async function* () {})(),
    defaultNamespace: 'default',
    limits: MANIFEST_LIMITS,
  });
  return runAudit(inventory, termsOf({ rules: ALL_RULES, exceptions: NO_EXCEPTIONS }));
}

function lineOf({ verdict, reason, severity, rule, resource }: Finding): string {
  const what = verdict === 'unknown' ? (reason ?? '') : severity;
  return [what, rule.id, resource.ref, ...(resource.container === null ? [] : [resource.container])].join(' ');
}

function linesOf({ findings }: AuditReport, verdict: Finding['verdict']): readonly string[] {
  return findings
    .filter((finding) => finding.verdict === verdict && finding.state.kind === 'open')
    .map(lineOf)
    .sort();
}

describe("the article's platform", () => {
  it('has each failure that is there, and no other', async () => {
    const expected = [...ARTICLE_FINDINGS.flatMap(({ fails }) => fails), ...FURTHER_FAILS];
    expect(linesOf(await audit('cluster'), 'fail')).toEqual(expected.toSorted());
  });

  it('has each doubt that is there, and no other', async () => {
    expect(linesOf(await audit('cluster'), 'unknown')).toEqual(UNKNOWNS.toSorted());
  });

  it.each(ARTICLE_FINDINGS)(
    'has what the article calls "$article" where it is true, and passes it elsewhere',
    async ({ fails }) => {
      const { findings } = await audit('cluster');
      const rules = new Set(fails.map((line) => line.split(' ')[1]));
      for (const rule of rules) {
        const judged = findings.filter((finding) => finding.rule.id === rule);
        const failed = judged.filter(({ verdict }) => verdict === 'fail').map(lineOf);
        expect(failed.toSorted()).toEqual(fails.filter((line) => line.split(' ')[1] === rule).toSorted());
      }
    },
  );

  it('fails all of the five checks of the article', async () => {
    const { summary } = await audit('cluster');
    expect(summary.checks.map(({ check, verdict }) => `${check} ${verdict}`)).toEqual([
      'default-deny fail',
      'mesh-mtls fail',
      'token-projection fail',
      'privileged-containers fail',
      'external-access fail',
    ]);
  });

  it('asks for a partition only where there is none', async () => {
    const { findings } = await audit('cluster');
    const remedies = findings
      .filter(({ rule, verdict }) => rule.id === 'rdma-bypasses-network-policy' && verdict === 'fail')
      .map(
        ({ resource, remediation }) => `${resource.ref} ${/^\S+ its zone|^\S+ in/.exec(remediation.text)?.[0] ?? ''}`,
      );
    expect(remedies.sort()).toEqual([
      'training/finetune[PyTorchJob/master] Give its zone',
      'training/finetune[PyTorchJob/worker] Give its zone',
      'training/pretrain[Job] Give its zone',
      'training/sweep[RayCluster/gpu] Encrypt in',
    ]);
  });

  it('tells a training job of ambient mode, and not of a sidecar', async () => {
    const { findings } = await audit('cluster');
    const retrain = findings.find(
      ({ rule, resource }) => rule.id === 'mesh-sidecar-missing' && resource.name === 'retrain',
    );
    expect(retrain?.remediation.text).toMatch(/^Ambient mode puts no proxy into its pods/);
  });
});

describe('the same platform, mended', () => {
  it('has no failure but those that somebody lives with, and no doubt', async () => {
    const report = await audit('clean');
    expect(linesOf(report, 'fail')).toEqual([]);
    expect(linesOf(report, 'unknown')).toEqual([]);
    const excepted = report.findings.filter(({ state }) => state.kind === 'excepted');
    // In a partition of their own, and still past every policy.
    expect(excepted.map(lineOf).sort()).toEqual([
      'info rdma-bypasses-network-policy training/finetune[PyTorchJob/master] pytorch',
      'info rdma-bypasses-network-policy training/finetune[PyTorchJob/worker] pytorch',
      'info rdma-bypasses-network-policy training/pretrain[Job] trainer',
      'info rdma-bypasses-network-policy training/sweep[RayCluster/gpu] worker',
    ]);
  });

  it('passes the five checks of the article', async () => {
    const { summary } = await audit('clean');
    expect(summary.checks.map(({ verdict }) => verdict)).toEqual(['pass', 'pass', 'pass', 'pass', 'pass']);
  });

  it('has the same workloads', async () => {
    const [broken, mended] = await Promise.all([audit('cluster'), audit('clean')]);
    const workloads = ({ findings }: AuditReport): ReadonlySet<string> =>
      new Set(findings.filter(({ rule }) => rule.id === 'pod-privileged').map(({ resource }) => resource.ref));
    expect(workloads(mended)).toEqual(workloads(broken));
    expect(workloads(mended).size).toBe(13);
  });
});
