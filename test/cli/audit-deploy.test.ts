// Our own manifests under our own audit.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { directoryOf, runAudit } from './audit-run.ts';

const KUBERNETES = fileURLToPath(new URL('../../deploy/kubernetes', import.meta.url));
const SURROUNDINGS = fileURLToPath(new URL('../../deploy/audit/surroundings.yaml', import.meta.url));

interface ToldFinding {
  readonly rule: string;
  readonly verdict: string;
  readonly reason?: string;
  readonly detail: string;
}

async function findingsOf(argv: readonly string[]): Promise<readonly ToldFinding[]> {
  return JSON.parse((await runAudit(['cluster', ...argv, '--format', 'json'])).out).findings;
}

describe('deploy/kubernetes', () => {
  it.each(['cilium', 'calico', 'antrea', 'standard'])(
    'has no finding under %s, and doubts of what is elsewhere only',
    async (cni) => {
      const open = (await findingsOf([KUBERNETES, '--cni', cni])).filter(({ verdict }) => verdict !== 'pass');
      expect(open.map(({ rule, verdict, reason }) => `${verdict} ${reason ?? ''} ${rule}`).sort()).toEqual([
        'unknown cloud-unknown credential-cloud-identity',
        'unknown not-given credential-default-account-power',
        'unknown not-given credential-legacy-token',
        'unknown not-given credential-mounted-token',
        'unknown not-given credential-rbac-admin',
        'unknown not-given credential-rbac-anonymous',
        'unknown not-given credential-rbac-escalation',
        'unknown not-given credential-rbac-pods',
        'unknown not-given credential-rbac-secrets',
      ]);
    },
  );

  it('passes whole with what it is taken to stand in', async () => {
    const { out, errors, exitCode } = await runAudit(['cluster', KUBERNETES, SURROUNDINGS]);
    expect(errors).toBe('');
    expect(out).toContain('0 unknown\nnothing failed\n');
    expect(exitCode).toBe(0);
  });

  it.each<[string, string, (text: string) => string, string]>([
    [
      'an egress rule for everybody',
      'network-policy.yaml',
      (text) => text.replace(/podSelector: \{\}\n.*policyTypes.*\n/, 'podSelector: {}\n  egress: [{}]\n'),
      'network-default-deny-egress',
    ],
    [
      'a Service for the outside',
      'registry.yaml',
      (text) => text.replace('type: ClusterIP', 'type: LoadBalancer'),
      'exposure-load-balancer',
    ],
    [
      'a registry on the address of its pod',
      'registry.yaml',
      (text) => text.replace('--host=127.0.0.1 ', '--host=0.0.0.0 '),
      'mesh-sallyport-bypass',
    ],
    [
      'a container that may become root',
      'registry.yaml',
      (text) => text.replace('allowPrivilegeEscalation: false', 'allowPrivilegeEscalation: true'),
      'pod-privilege-escalation',
    ],
    [
      'a mounted token',
      'registry.yaml',
      (text) => text.replace('automountServiceAccountToken: false', 'automountServiceAccountToken: true'),
      'credential-automount',
    ],
    [
      'a matrix that is not enforced',
      'sallyport-config.yaml',
      (text) => text.replace('mode: enforce', 'mode: shadow'),
      'mesh-sallyport-shadow',
    ],
  ])('would not pass with %s', async (_name, file, change, rule) => {
    const names = ['namespace', 'network-policy', 'service-account', 'sallyport-config', 'registry'].map(
      (name) => `${name}.yaml`,
    );
    const texts = await Promise.all(names.map(async (name) => readFile(`${KUBERNETES}/${name}`, 'utf8')));
    const files = Object.fromEntries(names.map((name, index) => [name, texts[index] ?? '']));
    const changed = change(files[file] ?? '');
    expect(changed).not.toBe(files[file]);
    await using copy = await directoryOf({ ...files, [file]: changed });
    const found = await findingsOf([copy.path, SURROUNDINGS]);
    expect(found.filter(({ verdict }) => verdict === 'fail').map((finding) => finding.rule)).toContain(rule);
  });
});
