// What the user's guide says, held to what is so.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { evaluateArtifacts } from '../../src/artifact/evaluate.ts';
import { buildCluster } from '../../src/audit/cluster.ts';
import { parseExceptions } from '../../src/audit/exceptions.ts';
import { runAudit } from '../../src/audit/audit.ts';
import type { RuleInfo } from '../../src/audit/finding.ts';
import { findAllRdmaAccess } from '../../src/audit/rdma/access.ts';
import { ALL_RULES } from '../../src/audit/rules.ts';
import { runAudit as runCommand } from '../cli/audit-run.ts';
import { ADDRESSES_AND_PLAIN_VALUES } from './credentials/labelled/addresses-and-plain-values.ts';
import { ISSUED_TOKENS } from './credentials/labelled/issued-tokens.ts';
import { isDetected, isNaivelyFound, measure } from './credentials/labelled/measure.ts';
import { NAIVE_FINDINGS } from './credentials/labelled/naive-findings.ts';
import { WRITTEN_AFTERWARDS } from './credentials/labelled/written-afterwards.ts';
import { inventoryOf, objectsOf } from './inventory.ts';
import { judgeBySubstring, score } from './rdma/labelled-score.ts';
import { readLabelledSet } from './rdma/labelled-set.ts';
import { termsOf } from './terms.ts';

const DEPLOY = new URL('../../deploy/', import.meta.url);
const GUIDE = readFileSync(new URL('AUDIT.md', DEPLOY), 'utf8');
const ARTIFACTS = readFileSync(new URL('ARTIFACTS.md', DEPLOY), 'utf8');

function blocksOf(language: string): readonly string[] {
  return [...GUIDE.matchAll(/```(\w+)\n([\s\S]*?)```/g)].flatMap(([, found, text = '']) =>
    found === language ? text : [],
  );
}

interface Rates {
  readonly precision: number;
  readonly recall: number;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const rates = ({ precision, recall }: Rates, separator: string): string =>
  `${percent(precision)}${separator}${percent(recall)}`;

describe('the guide to the audit', () => {
  it('S11 S22 tells precision and recall as they are measured', () => {
    const made = [...NAIVE_FINDINGS, ...ISSUED_TOKENS, ...ADDRESSES_AND_PLAIN_VALUES];
    const templates = readLabelledSet();
    const ours = score(
      templates,
      ({ cluster, workload }) => cluster.once(findAllRdmaAccess).get(workload)?.kind ?? 'unknown',
    );
    const naive = score(templates, ({ workload }) => judgeBySubstring(workload));
    const rows = [
      ...[
        ['credentials, in the sets it was made with', made] as const,
        ['credentials, in a set written afterwards', WRITTEN_AFTERWARDS] as const,
      ].map(([what, pairs]) => {
        const [right, byName] = [measure(pairs, isDetected), measure(pairs, isNaivelyFound)];
        return `| ${what} | ${pairs.length} pairs | ${rates(right, ' | ')} | ${rates(byName, ', ')} |`;
      }),
      `| adapters past the kernel (RDMA) | ${templates.length} templates | ${rates(ours, ' | ')} | ${rates(naive, ', ')} |`,
    ];
    const told = /<!-- figures -->\n(?:.*\n){2}((?:.*\n)*?)<!-- \/figures -->/.exec(GUIDE)?.[1] ?? '';
    expect(told.trimEnd().split('\n')).toEqual(rows);
  });

  it('has exceptions that are taken as they stand', () => {
    const [file = '', annotated = ''] = blocksOf('yaml');
    expect(parseExceptions(Buffer.from(file), 'AUDIT.md').entries).toMatchObject([
      { rule: 'pod-host-network', resource: 'training/pretrain[Job]' },
      { rule: 'rdma-*', namespace: 'training' },
      { rule: 'CIS-5.2.9', container: 'trainer' },
    ]);
    const ids = ALL_RULES.flatMap(({ info }) => [info.id, ...info.aliases]);
    expect(ids).toContain('CIS-5.2.9');
    const report = runAudit(inventoryOf(objectsOf(annotated)), termsOf({ rules: ALL_RULES }));
    expect(report.exceptions.invalid).toEqual([]);
    expect(report.exceptions.uses).toMatchObject([{ rule: 'pod-host-network', state: 'applied', findings: 1 }]);
    expect(buildCluster(inventoryOf(objectsOf(annotated))).malformed).toEqual([]);
  });

  it('has commands that exist, with options that they have', async () => {
    const lines = blocksOf('console').flatMap((block) => block.trimEnd().split('\n'));
    expect(lines.length).toBeGreaterThan(10);
    for (const line of lines) {
      const [, command = '', rest = ''] = /sallyport audit (\w+)(.*)$/.exec(line) ?? [];
      const { out } = await runCommand([command, '--help']);
      expect(out, line).toContain(`Usage: sallyport audit ${command} `);
      for (const [option] of rest.matchAll(/--[a-z-]+/g)) expect(out, line).toContain(option);
    }
  });

  it('mentions every option of every command, or the guide to artifacts does', async () => {
    const words = new Set(`${GUIDE}\n${ARTIFACTS}`.match(/--[a-z-]+/g));
    const { out } = await runCommand(['--help']);
    const [, list = ''] = /\nCommands:\n([\s\S]*)$/.exec(out) ?? [];
    const commands = [...list.matchAll(/^ {2}(\w+)/gm)].flatMap(([, name = '']) => (name === 'help' ? [] : [name]));
    expect(commands).toContain('cluster');
    for (const command of commands) {
      const { out: help } = await runCommand([command, '--help']);
      const options = [...help.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, option]) => option);
      expect(options, command).toContain('--help');
      expect(
        options.filter((option) => option !== '--help' && !words.has(String(option))),
        command,
      ).toEqual([]);
    }
  });

  it('links to files that are there', () => {
    for (const [, link = ''] of GUIDE.matchAll(/\]\(([^)]+)\)/g)) {
      expect(readFileSync(new URL(link, DEPLOY), 'utf8').length, link).toBeGreaterThan(0);
    }
  });

  it('lists every rule (written anew by `vitest run test/audit/guide.test.ts --update`)', async () => {
    const ofArtifacts = evaluateArtifacts([], { trust: null, nowMs: 0 });
    const rules = [...ALL_RULES, ...ofArtifacts].map(({ info }) => info);
    await expect(listOf(rules)).toMatchFileSnapshot('../../deploy/AUDIT-RULES.md');
  });
});

const AREAS: Readonly<Record<string, string>> = {
  network: 'Network',
  mesh: 'Service mesh, and Sallyport',
  pod: 'Pods',
  credential: 'Credentials',
  exposure: 'Exposure',
  rdma: 'RDMA',
  matrix: 'The access matrix against the cluster',
  artifact: 'Artifacts of pipelines',
};

function listOf(rules: readonly RuleInfo[]): string {
  const sections = [...Map.groupBy(rules, ({ id }) => id.slice(0, id.indexOf('-')))].map(([area, members]) => {
    const rows = members.map(
      ({ id, severity, title, tenets, aliases }) =>
        `| \`${id}\` | ${severity} | ${title} | ${tenets.join(' ')} | ${aliases.join(', ')} |`,
    );
    const head = '| rule | severity | what it finds | tenets | known elsewhere as |\n|---|---|---|---|---|';
    return `## ${AREAS[area] ?? area}\n\n${head}\n${rows.join('\n')}\n`;
  });
  const intro = `The severity is that of the rule; a finding may be graver or lighter where the case is. Tenets are those of NIST SP 800-207; the last column has
ids of the CIS Kubernetes Benchmark and of other scanners, which exceptions may name as well.`;
  return `# The rules of the audit\n\n${intro}\n\n${sections.join('\n')}`;
}
