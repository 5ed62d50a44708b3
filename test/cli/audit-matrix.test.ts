import { describe, expect, it } from 'vitest';
import { deployment, directoryOf, runAudit } from './audit-run.ts';

const POLICY = `version: 1
trustDomain: ai.example
components:
  training: { ids: ["/ns/training/sa/*"] }
  registry: { ids: ["/ns/registry/sa/*"] }
  serving: { ids: ["/team/serving"] }
access:
  training: { allow: [registry] }
`;
const FILES = {
  'policy/matrix.yaml': POLICY,
  'open/training.yaml': deployment('trainer', { namespace: 'training' }),
  'open/registry.yaml': deployment('api', { namespace: 'registry' }),
};

describe('audit matrix', () => {
  it('draws a table of edges, tells witnesses, and exits 1 for a hole', async () => {
    await using directory = await directoryOf(FILES);
    const ran = await runAudit([
      'matrix',
      directory.at('open'),
      '--policy',
      directory.at('policy'),
      '--cni',
      'standard',
    ]);
    expect(ran.errors).toBe('');
    expect(ran.out).toMatch(/^from \\ to +training +registry +serving$/m);
    expect(ran.out).toMatch(/^training +· +ok +·$/m);
    expect(ran.out).toContain('HOLE: registry → training at TCP 8080');
    expect(ran.out).toContain('registry/api[Deployment] → training/trainer[Deployment] : TCP 8080');
    expect(ran.exitCode).toBe(1);
  });

  it('counts what happens beside the matrix: 1 for a way through a workload of no component, 3 for one that leads nowhere', async () => {
    const closed = (namespace: string, from: string): string =>
      `\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { namespace: ${namespace}, name: closed }\nspec: { podSelector: {}, policyTypes: [Ingress], ingress: [${from}] }\n`;
    const fromOps = '{ from: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: ops } } }] }';
    const folder = (ofRegistry: string): Record<string, string> => ({
      'policy/matrix.yaml': POLICY.replace('  serving: { ids: ["/team/serving"] }\n', '').replace(
        '  training: { allow: [registry] }',
        '  {}',
      ),
      'in/training.yaml': deployment('trainer', { namespace: 'training' }) + closed('training', ''),
      'in/registry.yaml': deployment('api', { namespace: 'registry' }) + closed('registry', ofRegistry),
      'in/jump.yaml': deployment('jump', { namespace: 'ops' }),
    });
    const run = async (files: Record<string, string>): ReturnType<typeof runAudit> => {
      await using directory = await directoryOf(files);
      const argv = ['matrix', directory.at('in'), '--policy', directory.at('policy'), '--cni', 'standard'];
      const ran = await runAudit(argv);
      return ran;
    };
    const bridged = await run(folder(fromOps));
    expect(bridged.errors).toBe('');
    expect(bridged.out).not.toContain('HOLE');
    expect(bridged.out).toContain('registry (not by the matrix)');
    expect(bridged.exitCode).toBe(1);
    const beside = await run(folder(''));
    expect(beside.out).toContain('of no component for certain: ops/jump[Deployment]');
    expect(beside.out).not.toContain('(not by the matrix)');
    expect(beside.exitCode).toBe(3);
    const { 'in/jump.yaml': _jump, ...whole } = folder('');
    expect((await run(whole)).exitCode).toBe(0);
  });

  it('maps workloads as it is told to', async () => {
    await using directory = await directoryOf(FILES);
    const argv = ['matrix', directory.at('open'), '--policy', directory.at('policy'), '--format', 'json'];
    const byId = await runAudit([...argv, '--spiffe-id-template', '/team/serving']);
    const nodes = (out: string): unknown => (JSON.parse(out) as { nodes: unknown }).nodes;
    expect(nodes(byId.out)).toContainEqual({
      component: 'serving',
      workloads: ['registry/api[Deployment]', 'training/trainer[Deployment]'],
    });
    const refused = await runAudit([...argv, '--spiffe-id-template', '/team/{nonsense}']);
    expect([refused.exitCode, refused.errors]).toEqual([2, expect.stringContaining('known are {namespace}')]);
    const label = await runAudit([...argv, '--component-label', 'not a label']);
    expect([label.exitCode, label.errors]).toEqual([2, expect.stringContaining('expected the key of a label')]);
  });

  it('refuses to run without a matrix', async () => {
    await using directory = await directoryOf(FILES);
    expect((await runAudit(['matrix', directory.at('open')])).exitCode).toBe(2);
  });
});

describe('audit cluster with a matrix', () => {
  it('has the rules about it, and the components in JSON', async () => {
    await using directory = await directoryOf(FILES);
    const argv = ['cluster', directory.at('open'), '--policy', directory.at('policy'), '--format', 'json'];
    const report = JSON.parse((await runAudit(argv)).out) as {
      findings: readonly { rule: string; verdict: string }[];
      componentGraph: { edges: readonly { state: string }[] };
    };
    expect(report.findings).toContainEqual(expect.objectContaining({ rule: 'matrix-hole', verdict: 'fail' }));
    expect(report.componentGraph.edges[0]?.state).toBe('hole');
  });
});
