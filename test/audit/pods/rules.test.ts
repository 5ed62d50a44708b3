import { describe, expect, it } from 'vitest';
import { buildCluster } from '../../../src/audit/cluster.ts';
import type { AuditContext, Verdict } from '../../../src/audit/finding.ts';
import { formatPath } from '../../../src/audit/path.ts';
import { podRules } from '../../../src/audit/pods/pod-rules.ts';
import { inventoryOf, objectOf, objectsOf } from '../inventory.ts';
import { applyPatch } from './json-patch.ts';
import { deployment } from './pod-templates.ts';

const CONTEXT: AuditContext = {
  policy: null,
  options: { spiffeIdTemplate: '', componentLabel: null, meshRootNamespace: 'istio-system' },
  nowMs: 0,
};
const HARDENED = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
};
const RESOURCES = { limits: { cpu: '1', memory: '1Gi' } };

const container = (fields: object = {}): object => ({
  name: 'a',
  image: 'registry.example/a',
  resources: RESOURCES,
  securityContext: HARDENED,
  ...fields,
});
const inContext = (fields: object): object => container({ securityContext: { ...HARDENED, ...fields } });
const spec = (fields: object = {}): object => ({ spec: { containers: [container()], ...fields } });

function verdictsOf(...bodies: readonly unknown[]): readonly (Verdict & { readonly rule: string })[] {
  const cluster = buildCluster(inventoryOf(bodies.map((body) => objectOf(body))));
  return podRules.flatMap((rule) =>
    [...rule.evaluate(cluster, CONTEXT)].map((verdict) => ({ ...verdict, rule: rule.info.id })),
  );
}

function otherThanPassed(...bodies: readonly unknown[]): readonly (Verdict & { readonly rule: string })[] {
  return verdictsOf(...bodies).filter(({ verdict }) => verdict !== 'pass');
}

describe('podRules', () => {
  it('have ids of their own, of the pod area, and say how to fix what they find', () => {
    const ids = podRules.map(({ info }) => info.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { info } of podRules) {
      expect(info.id).toMatch(/^pod-[a-z-]{3,46}$/);
      expect(info.help).toMatch(/\*\*Fix:\*\*/);
      expect(info.subject).toBe('workload');
    }
  });

  it('carry the ids of CIS and kubescape that are theirs', () => {
    expect(Object.fromEntries(podRules.map(({ info }) => [info.id, info.aliases.join()]))).toMatchObject({
      'pod-privileged': 'CIS-5.2.2,C-0193,C-0057',
      'pod-host-pid': 'CIS-5.2.3,C-0275,C-0038',
      'pod-host-ipc': 'CIS-5.2.4,C-0276,C-0038',
      'pod-host-network': 'CIS-5.2.5,C-0041',
      'pod-privilege-escalation': 'CIS-5.2.6,C-0197,C-0016',
      'pod-runs-as-root': 'CIS-5.2.7,C-0198,C-0013',
      'pod-capabilities': 'CIS-5.2.9,C-0200,C-0046',
      'pod-host-path': 'CIS-5.2.12,C-0203',
      'pod-writable-root-filesystem': 'C-0017',
      'pod-memory-limit': 'C-0271',
      'pod-cpu-limit': 'C-0270',
    });
  });

  it('find nothing in a hardened template, and say so once for each rule', () => {
    const verdicts = verdictsOf(deployment(spec()));
    expect(verdicts.map(({ verdict }) => verdict)).toEqual(podRules.map(() => 'pass'));
  });

  it.each<[string, object, string, string]>([
    [
      'S10 pod-privileged',
      spec({ containers: [inContext({ privileged: true })] }),
      'high',
      'containers[0].securityContext.privileged',
    ],
    [
      'S8 pod-privileged',
      spec({ initContainers: [inContext({ privileged: true })] }),
      'high',
      'initContainers[0].securityContext.privileged',
    ],
    [
      'S8 pod-privileged',
      spec({ ephemeralContainers: [inContext({ privileged: true })] }),
      'high',
      'ephemeralContainers[0].securityContext.privileged',
    ],
    ['S10 pod-host-pid', spec({ hostPID: true }), 'high', 'hostPID'],
    ['S10 pod-host-ipc', spec({ hostIPC: true }), 'medium', 'hostIPC'],
    ['pod-host-network', spec({ hostNetwork: true }), 'high', 'hostNetwork'],
    [
      'S10 pod-proc-mount',
      spec({ containers: [inContext({ procMount: 'Unmasked' })] }),
      'medium',
      'containers[0].securityContext.procMount',
    ],
    [
      'S10 pod-host-probes',
      spec({ containers: [container({ readinessProbe: { tcpSocket: { port: 1, host: '127.0.0.1' } } })] }),
      'medium',
      'containers[0].readinessProbe.tcpSocket.host',
    ],
    [
      'S10 pod-windows-host-process',
      spec({ securityContext: { windowsOptions: { hostProcess: true } } }),
      'high',
      'securityContext.windowsOptions.hostProcess',
    ],
    [
      'pod-capabilities-not-dropped',
      spec({ containers: [inContext({ capabilities: null })] }),
      'low',
      'containers[0].securityContext.capabilities.drop',
    ],
    [
      'S19 pod-runs-as-root',
      spec({ containers: [inContext({ runAsUser: 0 })] }),
      'medium',
      'containers[0].securityContext.runAsUser',
    ],
    ['S19 pod-runs-as-root', spec({ securityContext: { runAsUser: 0 } }), 'medium', 'securityContext.runAsUser'],
    [
      'pod-privilege-escalation',
      spec({ containers: [inContext({ allowPrivilegeEscalation: true })] }),
      'medium',
      'containers[0].securityContext.allowPrivilegeEscalation',
    ],
    [
      'S10 pod-seccomp-unconfined',
      spec({ containers: [inContext({ seccompProfile: { type: 'Unconfined' } })] }),
      'medium',
      'containers[0].securityContext.seccompProfile.type',
    ],
    [
      'pod-seccomp-absent',
      spec({ containers: [inContext({ seccompProfile: null })] }),
      'low',
      'containers[0].securityContext.seccompProfile',
    ],
    [
      'pod-apparmor',
      spec({ securityContext: { appArmorProfile: { type: 'Unconfined' } } }),
      'medium',
      'securityContext.appArmorProfile.type',
    ],
    [
      'pod-selinux',
      spec({ securityContext: { seLinuxOptions: { type: 'spc_t' } } }),
      'medium',
      'securityContext.seLinuxOptions.type',
    ],
    [
      'pod-sysctls',
      spec({ securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }),
      'medium',
      'securityContext.sysctls[0].name',
    ],
    ['pod-volume-types', spec({ volumes: [{ name: 'v', nfs: { server: 'a', path: '/' } }] }), 'low', 'volumes[0].nfs'],
    [
      'S9 pod-memory-limit',
      spec({ containers: [container({ resources: { limits: { cpu: '1' } } })] }),
      'low',
      'containers[0].resources.limits.memory',
    ],
    [
      'pod-cpu-limit',
      spec({ containers: [container({ resources: { limits: { memory: '1Gi' } } })] }),
      'info',
      'containers[0].resources.limits.cpu',
    ],
    [
      'pod-writable-root-filesystem',
      spec({ containers: [inContext({ readOnlyRootFilesystem: false })] }),
      'low',
      'containers[0].securityContext.readOnlyRootFilesystem',
    ],
  ])('%s fails alone, at the place that is wrong, and its patch puts it right', (name, template, severity, path) => {
    const rule = name.replace(/^S\d+ /, '');
    const body = deployment(template);
    const findings = otherThanPassed(body);
    expect(findings.map((finding) => [finding.rule, finding.verdict, formatPath(finding.at)])).toEqual([
      [rule, 'fail', `spec.template.spec.${path}`],
    ]);
    const [finding] = findings;
    expect(finding?.severity ?? podRules.find(({ info }) => info.id === rule)?.info.severity).toBe(severity);
    expect(finding?.remediation.text).toMatch(/^[A-Z].{10,}\.$/);
    const { patch } = finding?.remediation ?? { patch: null };
    if (patch === null) return;
    expect(otherThanPassed(applyPatch(body, patch))).toEqual([]);
  });

  it.each<[string, object, readonly (readonly [string, string])[]]>([
    [
      'S10 the capabilities that are the node',
      inContext({
        capabilities: { drop: ['ALL'], add: ['SYS_ADMIN', 'SYS_MODULE', 'SYS_PTRACE', 'BPF', 'ALL', 'NET_ADMIN'] },
      }),
      ['SYS_ADMIN', 'SYS_MODULE', 'SYS_PTRACE', 'BPF', 'ALL', 'NET_ADMIN'].map((name) => [name, 'high'] as const),
    ],
    ['S10 NET_RAW', inContext({ capabilities: { drop: ['ALL'], add: ['NET_RAW'] } }), [['NET_RAW', 'medium']]],
    ['what RDMA needs', inContext({ capabilities: { drop: ['ALL'], add: ['IPC_LOCK'] } }), [['IPC_LOCK', 'low']]],
    [
      'the spelling that runtimes take as well',
      inContext({ capabilities: { drop: ['ALL'], add: ['cap_sys_admin'] } }),
      [['SYS_ADMIN', 'high']],
    ],
    [
      'one that nobody knows',
      inContext({ capabilities: { drop: ['ALL'], add: ['NEW_POWER'] } }),
      [['NEW_POWER', 'medium']],
    ],
  ])('tells %s apart', (_name, one, expected) => {
    const findings = otherThanPassed(deployment(spec({ containers: [one] })));
    expect(findings.map(({ rule, evidence, severity }) => [rule, evidence['capability'], severity])).toEqual(
      expected.map(([capability, severity]) => ['pod-capabilities', capability, severity]),
    );
  });

  it('reports a default capability that is added as one that is not dropped', () => {
    const findings = otherThanPassed(
      deployment(spec({ containers: [inContext({ capabilities: { drop: ['ALL'], add: ['CHOWN'] } })] })),
    );
    expect(findings.map(({ rule }) => rule)).toEqual(['pod-capabilities-not-dropped']);
  });

  const mount = (fields: object): object => ({ name: 'v', mountPath: '/mnt', ...fields });
  it.each<[string, string, object | null, string]>([
    ['the root of the node', '/', mount({ readOnly: true }), 'high'],
    [
      'the socket of the container runtime, even to read',
      '/run/containerd/containerd.sock',
      mount({ readOnly: true }),
      'high',
    ],
    ['a path that leads round to /etc', '/var/../etc/', mount({ readOnly: true }), 'high'],
    ['devices to write', '/dev', mount({}), 'high'],
    ['statistics to read', '/sys', mount({ readOnly: true }), 'low'],
    ['a cache to write', '/mnt/nvme/cache', mount({}), 'medium'],
    ['a model to read', '/mnt/models', mount({ readOnly: true }), 'low'],
    ['what no container mounts', '/', null, 'low'],
  ])('S10 weighs a hostPath: %s', (_name, path, volumeMount, severity) => {
    const template = spec({
      containers: [container(volumeMount === null ? {} : { volumeMounts: [volumeMount] })],
      volumes: [{ name: 'v', hostPath: { path } }],
    });
    const findings = otherThanPassed(deployment(template));
    expect(findings.map((finding) => [finding.rule, finding.severity, finding.evidence['hostPath']])).toEqual([
      ['pod-host-path', severity, path],
    ]);
  });

  it('leaves ports of the node to the rules of exposure', () => {
    const template = spec({ containers: [container({ ports: [{ containerPort: 80, hostPort: 80 }] })] });
    expect(otherThanPassed(deployment(template))).toEqual([]);
  });

  it.each<[string, object, string | null]>([
    [
      'nobody says which user: unknown, never a pass',
      spec({ containers: [inContext({ runAsNonRoot: null })] }),
      'unknown',
    ],
    [
      'runAsNonRoot of the pod',
      spec({ securityContext: { runAsNonRoot: true }, containers: [inContext({ runAsNonRoot: null })] }),
      null,
    ],
    [
      'runAsNonRoot of the pod that a container takes back',
      spec({ securityContext: { runAsNonRoot: true }, containers: [inContext({ runAsNonRoot: false })] }),
      'unknown',
    ],
    [
      'another user of the pod',
      spec({ securityContext: { runAsUser: 1000 }, containers: [inContext({ runAsNonRoot: null })] }),
      null,
    ],
    [
      'root of the pod that a container gives up',
      spec({ securityContext: { runAsUser: 0 }, containers: [inContext({ runAsUser: 1000 })] }),
      null,
    ],
    [
      'another user of the pod that a container gives up for root',
      spec({ securityContext: { runAsUser: 1000 }, containers: [inContext({ runAsUser: 0 })] }),
      'fail',
    ],
    ['root in a user namespace', spec({ hostUsers: false, containers: [inContext({ runAsUser: 0 })] }), null],
    [
      'an unknown user in a user namespace',
      spec({ hostUsers: false, containers: [inContext({ runAsNonRoot: null })] }),
      null,
    ],
    ['root with hostUsers that is true', spec({ hostUsers: true, containers: [inContext({ runAsUser: 0 })] }), 'fail'],
    [
      'the administrator of a Windows container',
      spec({
        os: { name: 'windows' },
        containers: [inContext({ windowsOptions: { runAsUserName: 'ContainerAdministrator' } })],
      }),
      'fail',
    ],
    [
      'the user of a Windows container',
      spec({
        os: { name: 'windows' },
        containers: [inContext({ windowsOptions: { runAsUserName: 'ContainerUser' } })],
      }),
      null,
    ],
    ['a Windows image', spec({ os: { name: 'windows' } }), 'unknown'],
  ])('S19 %s', (_name, template, expected) => {
    const found = otherThanPassed(deployment(template)).filter(({ rule }) => rule === 'pod-runs-as-root');
    expect(found.map(({ verdict }) => verdict)).toEqual(expected === null ? [] : [expected]);
    if (expected === 'unknown') expect(found).toMatchObject([{ reason: 'image-user-unknown' }]);
  });

  it('S9 reports what is malformed as unknown, at its place', () => {
    const findings = otherThanPassed(deployment(spec({ containers: [inContext({ privileged: 'yes' })] })));
    expect(findings).toMatchObject([
      { rule: 'pod-privileged', verdict: 'unknown', reason: 'malformed', resource: { container: 'a' } },
    ]);
  });

  it('S9 survives resources and a securityContext of null', () => {
    const rules = otherThanPassed(
      deployment(spec({ containers: [{ name: 'a', resources: null, securityContext: null }] })),
    );
    expect(rules.map(({ rule, verdict }) => `${rule} ${verdict}`).toSorted()).toEqual([
      'pod-capabilities-not-dropped fail',
      'pod-cpu-limit fail',
      'pod-memory-limit fail',
      'pod-privilege-escalation fail',
      'pod-runs-as-root unknown',
      'pod-seccomp-absent fail',
      'pod-writable-root-filesystem fail',
    ]);
  });

  it('takes limits from the pod, or from the LimitRange of the namespace', () => {
    const bare = spec({ containers: [container({ resources: null })] });
    const range = (limit: object): object => ({
      apiVersion: 'v1',
      kind: 'LimitRange',
      metadata: { name: 'limits', namespace: 'ml' },
      spec: { limits: [limit] },
    });
    expect(otherThanPassed(deployment(bare)).map(({ rule }) => rule)).toEqual(['pod-memory-limit', 'pod-cpu-limit']);
    const ofPod = spec({ containers: [container({ resources: null })], resources: RESOURCES });
    expect(otherThanPassed(deployment(ofPod))).toEqual([]);
    const given = range({ type: 'Container', default: { cpu: '1', memory: '1Gi' } });
    expect(otherThanPassed(deployment(bare), given)).toEqual([]);
    const ofPods = range({ type: 'Pod', max: { cpu: '1', memory: '1Gi' } });
    expect(otherThanPassed(deployment(bare), ofPods)).toHaveLength(2);
  });

  it('S7 sees templates that no pod runs from, and reports each once', () => {
    const template = `
    spec:
      hostPID: true
      containers: [{ name: a, image: a }]`;
    const objects = objectsOf(`
apiVersion: apps/v1
kind: Deployment
metadata: { name: idle, namespace: ml }
spec:
  replicas: 0
  template: ${template}
---
apiVersion: batch/v1
kind: CronJob
metadata: { name: nightly, namespace: ml }
spec:
  jobTemplate:
    spec:
      template: ${template.replaceAll('\n', '\n    ')}
---
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: { name: train, namespace: ml }
spec:
  pytorchReplicaSpecs:
    Worker:
      replicas: 64
      template: ${template.replaceAll('\n', '\n    ')}
`);
    const cluster = buildCluster(inventoryOf(objects));
    const rule = podRules.find(({ info }) => info.id === 'pod-host-pid');
    const refs = [...(rule?.evaluate(cluster, CONTEXT) ?? [])].map(({ verdict, resource }) => [verdict, resource.ref]);
    expect(refs).toEqual([
      ['fail', 'ml/idle[Deployment]'],
      ['fail', 'ml/nightly[CronJob]'],
      ['fail', 'ml/train[PyTorchJob]'],
    ]);
  });

  it('S7 sees the templates that others make their pods from', () => {
    const runtime = {
      apiVersion: 'serving.kserve.io/v1alpha1',
      kind: 'ClusterServingRuntime',
      metadata: { name: 'llm' },
      spec: { containers: [inContext({ privileged: true })] },
    };
    expect(otherThanPassed(runtime)).toMatchObject([
      {
        rule: 'pod-privileged',
        verdict: 'fail',
        resource: { ref: 'llm[ClusterServingRuntime]', namespace: null },
        remediation: {
          patch: [{ op: 'replace', path: '/spec/containers/0/securityContext/privileged', value: false }],
        },
      },
    ]);
  });

  it('offers no patch to a template that stands in another object', () => {
    const cluster = buildCluster(inventoryOf([objectOf(deployment(spec({ hostPID: true })))]));
    const [workload] = cluster.workloads;
    if (workload === undefined) throw new Error('no workload');
    const shared = { ...cluster, workloads: [{ ...workload, source: objectOf(deployment(spec(), 'runtime')) }] };
    const verdict = podRules
      .flatMap((rule) => [...rule.evaluate(shared, CONTEXT)])
      .find(({ verdict }) => verdict === 'fail');
    expect(verdict?.remediation.patch).toBeNull();
  });
});
