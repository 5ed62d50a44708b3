import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { deployment, directoryOf, PRIVILEGED, runAudit } from './audit-run.ts';

const BROKEN = 'kind: [\n';

interface ReportedFinding {
  readonly rule: string;
  readonly verdict: string;
  readonly resource: { readonly namespace: string | null; readonly kind: string; readonly name: string };
}

async function findingsOf(argv: readonly string[]): Promise<readonly ReportedFinding[]> {
  const { out } = await runAudit(['cluster', ...argv, '--format', 'json']);
  return JSON.parse(out).findings;
}

describe('audit cluster', () => {
  it('finds a privileged container, at its place, with exit code 1', async () => {
    await using files = await directoryOf({ 'trainer.yaml': deployment('trainer', { extra: PRIVILEGED }) });
    const { out, errors, exitCode } = await runAudit(['cluster', files.path]);
    expect(errors).toBe('');
    expect(exitCode).toBe(1);
    expect(out).toContain('ml/trainer[Deployment]');
    expect(out).toMatch(/trainer\.yaml:13:\d+/);
  });

  it('reads standard input', async () => {
    const { out, exitCode } = await runAudit(['cluster', '-'], deployment('trainer', { extra: PRIVILEGED }));
    expect(exitCode).toBe(1);
    expect(out).toContain('stdin:13:');
  });

  it('counts only what is at or over the threshold', async () => {
    await using files = await directoryOf({ 'trainer.yaml': deployment('trainer') });
    expect((await runAudit(['cluster', files.path, '--severity-threshold', 'low'])).exitCode).toBe(1);
    // Nothing of that gravity failed; but manifests alone leave much unknown.
    expect((await runAudit(['cluster', files.path, '--severity-threshold', 'critical'])).exitCode).toBe(3);
  });

  it.each([
    ['broken YAML', { 'good.yaml': deployment('trainer', { extra: PRIVILEGED }), 'bad.yaml': BROKEN }],
    ['a field of the wrong kind', { 'bad.yaml': deployment('trainer', { extra: 'securityContext: 7' }) }],
  ])('calls the audit incomplete for %s, and audits the rest', async (_name, given) => {
    await using files = await directoryOf(given);
    const { out, exitCode } = await runAudit(['cluster', files.path]);
    expect(exitCode).toBe(3);
    expect(out).toMatch(/^(?:not read|malformed): /m);
    expect(out).toContain('ml/trainer[Deployment]');
  });

  it('calls it incomplete when a path does not exist', async () => {
    const { out, exitCode } = await runAudit(['cluster', '/nonexistent/manifests']);
    expect(exitCode).toBe(3);
    expect(out).toContain('not read: /nonexistent/manifests');
  });

  it.each<[string, readonly string[], string]>([
    ['no path', [], 'nothing to audit: give files'],
    ['an unknown format', ['x', '--format', 'xml'], 'expected one of table, json, sarif, junit, html, csv'],
    ['an --output without a --format', ['x', '--output', 'y'], 'it belongs behind the --format'],
    ['two formats on standard output', ['x', '--format', 'json', '--format', 'csv'], 'two formats on standard output'],
    [
      'two formats to one file',
      ['x', '--format', 'json', '--output', 'y', '--format', 'csv', '--output', 'y'],
      'two formats to one file',
    ],
    ['an unknown severity', ['x', '--severity-threshold', 'grave'], 'expected one of critical, high'],
    ['a baseline that is not there', ['x', '--baseline', '/nonexistent.json'], 'cannot read `/nonexistent.json`'],
    ['a policy that is not there', ['x', '--policy', '/nonexistent'], '/nonexistent'],
    ['a selector that is none', ['x', '--selector', 'a in b'], 'expected labels such as'],
    ['a namespace that is none', ['x', '--namespace', 'A_b'], 'expected names of namespaces'],
  ])('refuses %s with exit code 2', async (_name, argv, said) => {
    const { out, errors, exitCode } = await runAudit(['cluster', ...argv]);
    expect(errors).toContain(said);
    expect(exitCode).toBe(2);
    expect(out).toBe('');
  });

  it('refuses exceptions without a reason, and a baseline that is none', async () => {
    await using files = await directoryOf({
      'exceptions.yaml': 'version: 1\nexceptions:\n  - { rule: x, resource: "*", expires: 2030-01-01 }\n',
      'baseline.json': '[]',
    });
    for (const argv of [
      ['--exceptions', files.at('exceptions.yaml')],
      ['--baseline', files.at('baseline.json')],
    ]) {
      expect((await runAudit(['cluster', files.path, ...argv])).exitCode).toBe(2);
    }
  });

  it('takes a report that it cannot write for an error of its own', async () => {
    await using files = await directoryOf({ 'a.yaml': deployment('trainer') });
    const argv = ['cluster', files.at('a.yaml'), '--format', 'json', '--output', files.at('none/report.json')];
    const { errors, exitCode } = await runAudit(argv);
    expect(errors).toContain('cannot write');
    expect(exitCode).toBe(4);
  });

  it('writes several formats in one run', async () => {
    await using files = await directoryOf({ 'in/a.yaml': deployment('trainer', { extra: PRIVILEGED }) });
    const pairs = ['json', 'sarif', 'junit', 'html', 'csv'].flatMap((format) => [
      '--format',
      format,
      '--output',
      files.at(`report.${format}`),
    ]);
    const { out, exitCode } = await runAudit(['cluster', files.at('in'), ...pairs, '--format', 'table']);
    expect(exitCode).toBe(1);
    expect(out).toContain('ml/trainer[Deployment]');
    for (const [format, beginning] of [
      ['json', '{\n  "schemaVersion"'],
      ['sarif', '{\n  "$schema"'],
      ['junit', '<?xml'],
      ['html', '<!DOCTYPE html>'],
      ['csv', 'rule,verdict'],
    ]) {
      const text = await readFile(files.at(`report.${format}`), 'utf8');
      expect(text.startsWith(beginning ?? '-')).toBe(true);
      expect(text).toContain('ml/trainer[Deployment]'.slice(3, 10));
    }
  });

  it('counts nothing that is in the baseline', async () => {
    await using files = await directoryOf({ 'in/a.yaml': deployment('trainer', { extra: PRIVILEGED }) });
    const report = files.at('before.json');
    await runAudit(['cluster', files.at('in'), '--format', 'json', '--output', report]);
    expect((await runAudit(['cluster', files.at('in'), '--baseline', report])).out).toContain('nothing failed');
  });

  it('reports only the namespaces that are asked for, and the cluster itself', async () => {
    await using files = await directoryOf({
      'a.yaml': deployment('trainer', { extra: PRIVILEGED }),
      'b.yaml': deployment('registry', { namespace: 'models', extra: PRIVILEGED }),
      'c.yaml': deployment('ui', { namespace: 'web', extra: PRIVILEGED }),
    });
    const namespaces = async (...argv: readonly string[]): Promise<readonly (string | null)[]> => {
      const found = await findingsOf([files.path, ...argv]);
      const within = found.map(
        ({ resource: { namespace, kind, name } }) => namespace ?? (kind === 'Namespace' ? name : '-'),
      );
      return [...new Set(within)].filter((name) => name !== '-').sort();
    };
    expect(await namespaces()).toEqual(['ml', 'models', 'web']);
    expect(await namespaces('--namespace', 'ml')).toEqual(['ml']);
    expect(await namespaces('--namespace', 'ml,web')).toEqual(['ml', 'web']);
    expect(await namespaces('--namespace', 'ml', '--namespace', 'models')).toEqual(['ml', 'models']);
  });

  it.each([
    ['app=trainer', ['trainer']],
    ['app==trainer', ['trainer']],
    ['app!=trainer', ['registry']],
    ['app in (trainer, registry)', ['registry', 'trainer']],
    ['app notin (registry)', ['trainer']],
    ['app,app!=registry', ['trainer']],
    ['!other', ['registry', 'trainer']],
  ])('reports only what has the labels %s', async (selector, names) => {
    await using files = await directoryOf({
      'a.yaml': deployment('trainer', { extra: PRIVILEGED }),
      'b.yaml': deployment('registry', { extra: PRIVILEGED }),
    });
    const found = await findingsOf([files.path, '--selector', selector]);
    const deployments = found.filter(({ resource }) => resource.kind === 'Deployment');
    expect([...new Set(deployments.map(({ resource }) => resource.name))].sort()).toEqual(names);
  });

  it('still judges by policies of namespaces that it does not report', async () => {
    const strict = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
`;
    await using files = await directoryOf({ 'a.yaml': deployment('trainer'), 'b.yaml': strict });
    const [row] = JSON.parse((await runAudit(['mtls', files.path, '--namespace', 'ml'])).out);
    expect(row).toMatchObject({ workload: 'ml/trainer[Deployment]', port: 8080 });
    expect(row.source).toContain('istio-system/default');
  });
});

describe('our own manifests', () => {
  const DEPLOY = fileURLToPath(new URL('../../deploy/kubernetes', import.meta.url));

  it('pass our own audit, and leave unknown only what manifests cannot tell', async () => {
    const { out } = await runAudit(['cluster', DEPLOY, '--format', 'json']);
    const { findings, summary, coverage } = JSON.parse(out);
    expect(findings.filter(({ verdict }: ReportedFinding) => verdict === 'fail')).toEqual([]);
    expect(summary.workloads).toBe(1);
    expect(coverage.unreadable).toEqual([]);
    expect(coverage.malformed).toEqual([]);
    expect(coverage.failures).toEqual([]);
  });

  it('meet the restricted level', async () => {
    const rows = JSON.parse((await runAudit(['pods', DEPLOY])).out);
    expect(rows).toMatchObject([{ workload: 'ai-registry/registry[Deployment]', level: 'restricted', failed: [] }]);
  });
});

describe('listings of the audit', () => {
  const POLICY = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: deny, namespace: models }
spec: { podSelector: {}, policyTypes: [Ingress] }
`;
  const FILES = {
    'a.yaml': deployment('trainer', { extra: PRIVILEGED }),
    'b.yaml': deployment('registry', { namespace: 'models' }),
    'c.yaml': POLICY,
  };

  it('tells the level of pods', async () => {
    await using files = await directoryOf(FILES);
    const { out, exitCode } = await runAudit(['pods', files.path, '--format', 'json']);
    expect(exitCode).toBe(0);
    expect(JSON.parse(out)).toMatchObject([
      { workload: 'ml/trainer[Deployment]', level: 'privileged', failed: expect.arrayContaining(['privileged']) },
      { workload: 'models/registry[Deployment]', level: 'baseline' },
    ]);
  });

  it('tells connections of every pair and the outside', async () => {
    await using files = await directoryOf(FILES);
    const { out, exitCode } = await runAudit(['connections', files.path, '--cni', 'calico']);
    expect(exitCode).toBe(0);
    const rows: readonly { src: string; dst: string; connections: string }[] = JSON.parse(out);
    const told = rows.map(({ src, dst, connections }) => `${src} → ${dst}: ${connections}`);
    expect(told).toContain('ml/trainer[Deployment] → models/registry[Deployment]: None');
    expect(told).toContain('models/registry[Deployment] → ml/trainer[Deployment]: All');
    expect(told).toContain('outside → models/registry[Deployment]: None');
  });

  it('explains one pair, naming the policy', async () => {
    await using files = await directoryOf(FILES);
    const argv = ['reach', files.path, '--from', 'ml/trainer', '--to', 'models/registry', '--port', '8080'];
    const { out, exitCode } = await runAudit([...argv, '--cni', 'calico']);
    expect(exitCode).toBe(0);
    expect(out).toContain('ml/trainer[Deployment] → models/registry[Deployment] TCP 8080: denied\n');
    expect(out).toMatch(/models\/deny\[NetworkPolicy\].*c\.yaml:\d+:\d+/);
    expect(JSON.parse((await runAudit([...argv, '--format', 'json'])).out)).toMatchObject([{ verdict: 'denied' }]);
  });

  it.each<[string, readonly string[], string]>([
    ['a workload that is not there', ['--from', 'ml/trainr', '--to', 'models/registry'], 'did you mean `ml/trainer`?'],
    ['a port that is none', ['--from', 'ml/trainer', '--to', 'models/registry', '--port', '0x'], '`0x` is no port'],
    ['no target', ['--from', 'ml/trainer'], "required option '--to <place>'"],
    ['a CNI that nobody knows', ['--from', 'a', '--to', 'b', '--cni', 'none-such'], 'Allowed choices are'],
  ])('refuses %s', async (_name, argv, said) => {
    await using files = await directoryOf(FILES);
    const { errors, exitCode } = await runAudit(['reach', files.path, ...argv]);
    expect(errors).toContain(said);
    expect(exitCode).toBe(2);
  });

  it.each(['pods', 'mtls', 'connections'])('calls %s incomplete when something could not be read', async (listing) => {
    await using files = await directoryOf({ ...FILES, 'd.yaml': BROKEN });
    const { out, exitCode } = await runAudit([listing, files.path]);
    expect(exitCode).toBe(3);
    expect(JSON.parse(out).length).toBeGreaterThan(0);
  });

  it.each(['pods', 'mtls', 'connections'])('has an empty list of %s where there is no workload', async (listing) => {
    await using files = await directoryOf({ 'c.yaml': POLICY });
    expect((await runAudit([listing, files.path])).out).toBe('[]\n');
  });
});
