import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONTROLS } from '../../../src/audit/pods/security-controls.ts';
import { podSecurityLevel, podSecurityRow } from '../../../src/audit/pods/standards.ts';
import { NAIVE_STANDARDS, type NaiveTemplate } from './naive-standards.ts';
import { workloadOf } from './pod-templates.ts';
import { randomTemplate } from './random-pods.ts';
import { askUpstream, BUILDS_WITHIN_MS, buildUpstreamChecks, type UpstreamChecks } from './upstream-checks.ts';

const RESTRICTED_CONTEXT = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
};

const container = (fields: object = {}): object => ({
  name: 'a',
  image: 'registry.example/a',
  securityContext: RESTRICTED_CONTEXT,
  ...fields,
});
const inContext = (fields: object): object => container({ securityContext: { ...RESTRICTED_CONTEXT, ...fields } });
const spec = (fields: object = {}): object => ({ spec: { containers: [container()], ...fields } });

function failedOf(template: unknown): readonly string[] {
  return podSecurityLevel(workloadOf(template)).failed.map(({ control }) => control);
}

describe('podSecurityLevel', () => {
  it.each<[string, object, readonly string[]]>([
    ['a pod that asks for nothing more', spec(), []],
    ['hostNetwork', spec({ hostNetwork: true }), ['hostNamespaces']],
    ['hostPID and hostIPC', spec({ hostPID: true, hostIPC: true }), ['hostNamespaces']],
    ['a privileged container', spec({ containers: [inContext({ privileged: true })] }), ['privileged']],
    ['S8 a privileged init container', spec({ initContainers: [inContext({ privileged: true })] }), ['privileged']],
    [
      'S8 a privileged native sidecar',
      spec({ initContainers: [{ ...inContext({ privileged: true }), restartPolicy: 'Always' }] }),
      ['privileged'],
    ],
    [
      'S8 a privileged ephemeral container',
      spec({ ephemeralContainers: [inContext({ privileged: true })] }),
      ['privileged'],
    ],
    [
      'S10 a capability beyond the default ones',
      spec({ containers: [inContext({ capabilities: { drop: ['ALL'], add: ['SYS_ADMIN'] } })] }),
      ['capabilities_baseline', 'capabilities_restricted'],
    ],
    [
      'S10 a default capability that is added again',
      spec({ containers: [inContext({ capabilities: { drop: ['ALL'], add: ['CHOWN'] } })] }),
      ['capabilities_restricted'],
    ],
    [
      'the one capability that may be added',
      spec({ containers: [inContext({ capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } })] }),
      [],
    ],
    [
      'a hostPath',
      spec({ volumes: [{ name: 'v', hostPath: { path: '/' } }] }),
      ['hostPathVolumes', 'restrictedVolumes'],
    ],
    [
      'a hostPath of null beside a claim',
      spec({ volumes: [{ name: 'v', hostPath: null, persistentVolumeClaim: {} }] }),
      [],
    ],
    ['a volume of NFS', spec({ volumes: [{ name: 'v', nfs: { server: 'a', path: '/' } }] }), ['restrictedVolumes']],
    ['a volume without a source, which becomes an emptyDir', spec({ volumes: [{ name: 'v' }] }), []],
    [
      'S10 a host port',
      spec({ containers: [container({ ports: [{ containerPort: 80, hostPort: 80 }] })] }),
      ['hostPorts'],
    ],
    ['host port 0', spec({ containers: [container({ ports: [{ containerPort: 80, hostPort: 0 }] })] }), []],
    [
      'S10 a probe of another host',
      spec({ containers: [container({ livenessProbe: { httpGet: { port: 80, host: '169.254.169.254' } } })] }),
      ['hostProbesAndHostLifecycle'],
    ],
    [
      'S10 a hook that calls another host',
      spec({ containers: [container({ lifecycle: { preStop: { tcpSocket: { port: 80, host: 'a.example' } } } })] }),
      ['hostProbesAndHostLifecycle'],
    ],
    [
      'S10 an unmasked /proc',
      spec({ containers: [inContext({ procMount: 'Unmasked' })] }),
      ['procMount', 'procMount_restricted'],
    ],
    [
      'an unmasked /proc in a user namespace',
      spec({ hostUsers: false, containers: [inContext({ procMount: 'Unmasked' })] }),
      ['procMount_restricted'],
    ],
    [
      'S10 seccomp Unconfined at the container',
      spec({ containers: [inContext({ seccompProfile: { type: 'Unconfined' } })] }),
      ['seccompProfile_baseline', 'seccompProfile_restricted'],
    ],
    [
      'S10 seccomp Unconfined at the pod, although every container sets its own',
      spec({ securityContext: { seccompProfile: { type: 'Unconfined' } } }),
      ['seccompProfile_baseline', 'seccompProfile_restricted'],
    ],
    [
      'no seccomp profile anywhere',
      spec({ containers: [inContext({ seccompProfile: null })] }),
      ['seccompProfile_restricted'],
    ],
    [
      'a seccomp profile of the pod',
      spec({
        securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'a.json' } },
        containers: [inContext({ seccompProfile: null })],
      }),
      [],
    ],
    [
      'S10 a HostProcess container',
      spec({ containers: [inContext({ windowsOptions: { hostProcess: true } })] }),
      ['windowsHostProcess'],
    ],
    [
      'a Windows pod, which has no capabilities to drop',
      spec({ os: { name: 'windows' }, containers: [container({ securityContext: { runAsNonRoot: true } })] }),
      [],
    ],
    [
      'an unconfined AppArmor profile',
      spec({ securityContext: { appArmorProfile: { type: 'Unconfined' } } }),
      ['appArmorProfile'],
    ],
    [
      'an unconfined AppArmor profile in the old annotation',
      { ...spec(), metadata: { annotations: { 'container.apparmor.security.beta.kubernetes.io/a': 'unconfined' } } },
      ['appArmorProfile'],
    ],
    ['an SELinux user', spec({ securityContext: { seLinuxOptions: { user: 'system_u' } } }), ['seLinuxOptions']],
    ['an unsafe sysctl', spec({ securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }), ['sysctls']],
    ['a safe sysctl', spec({ securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem', value: '1' }] } }), []],
    ['user 0', spec({ containers: [inContext({ runAsUser: 0 })] }), ['runAsUser']],
    ['user 0 in a user namespace', spec({ hostUsers: false, containers: [inContext({ runAsUser: 0 })] }), []],
    [
      'runAsNonRoot false at the pod, although every container says true',
      spec({ securityContext: { runAsNonRoot: false } }),
      ['runAsNonRoot'],
    ],
    [
      'runAsNonRoot only at the pod',
      spec({ securityContext: { runAsNonRoot: true }, containers: [inContext({ runAsNonRoot: null })] }),
      [],
    ],
    [
      'runAsNonRoot false at one container',
      spec({ securityContext: { runAsNonRoot: true }, containers: [inContext({ runAsNonRoot: false })] }),
      ['runAsNonRoot'],
    ],
    [
      'escalation that nobody forbids',
      spec({ containers: [inContext({ allowPrivilegeEscalation: null })] }),
      ['allowPrivilegeEscalation'],
    ],
    [
      'S9 a securityContext of null',
      spec({ containers: [container({ securityContext: null })], securityContext: null }),
      ['allowPrivilegeEscalation', 'capabilities_restricted', 'runAsNonRoot', 'seccompProfile_restricted'],
    ],
  ])('%s', (_name, template, expected) => {
    expect(failedOf(template)).toEqual(expected);
    expect(podSecurityLevel(workloadOf(template)).unknown).toEqual([]);
  });

  it.each<[string, object, readonly string[]]>([
    ['privileged that is a string', spec({ containers: [inContext({ privileged: 'true' })] }), ['privileged']],
    ['hostPID that is a number', spec({ hostPID: 1 }), ['hostNamespaces']],
    ['volumes that are a mapping', spec({ volumes: { a: 1 } }), ['hostPathVolumes', 'restrictedVolumes']],
    ['a volume that is a string', spec({ volumes: ['a'] }), ['hostPathVolumes', 'restrictedVolumes']],
    ['a port that is a number', spec({ containers: [container({ ports: [80] })] }), ['hostPorts']],
    ['a host port that is a string', spec({ containers: [container({ ports: [{ hostPort: '80' }] })] }), ['hostPorts']],
    [
      'a capability that is a number',
      spec({ containers: [inContext({ capabilities: { drop: ['ALL'], add: [7] } })] }),
      ['capabilities_baseline', 'capabilities_restricted'],
    ],
    [
      'a list of drops that is a string',
      spec({ containers: [inContext({ capabilities: { drop: 'ALL' } })] }),
      ['capabilities_restricted'],
    ],
    ['a user that is a string', spec({ containers: [inContext({ runAsUser: '0' })] }), ['runAsUser']],
    [
      'a pod securityContext that is a list',
      spec({ securityContext: [] }),
      [
        'appArmorProfile',
        'seLinuxOptions',
        'seccompProfile_baseline',
        'sysctls',
        'windowsHostProcess',
        'runAsNonRoot',
        'runAsUser',
        'seccompProfile_restricted',
      ],
    ],
  ])('S9 does not know what to say of %s', (_name, template, expected) => {
    const { failed, unknown, level } = podSecurityLevel(workloadOf(template));
    expect(failed).toEqual([]);
    expect(unknown.map(({ control }) => control)).toEqual(expected);
    expect(unknown.every(({ doubts }) => doubts.every(({ reason }) => reason === 'malformed'))).toBe(true);
    expect(level).not.toBe('restricted');
  });

  it('does not know what to say of hostUsers that is a string, where it would matter', () => {
    const harmless = podSecurityLevel(workloadOf(spec({ hostUsers: 'false' })));
    expect([harmless.level, harmless.unknown]).toEqual(['restricted', []]);
    const root = podSecurityLevel(workloadOf(spec({ hostUsers: 'false', containers: [inContext({ runAsUser: 0 })] })));
    expect(root.failed).toEqual([]);
    expect(root.unknown.map(({ control }) => control)).toEqual(['runAsUser']);
  });

  it.each<[string, unknown]>([
    ['no containers', { spec: {} }],
    ['no spec', {}],
    ['a spec of null', { spec: null }],
    ['a spec that is a list', { spec: [] }],
    ['containers that are a mapping', { spec: { containers: { a: {} } } }],
    ['a container of null', { spec: { containers: [null] } }],
    ['a template that is a string', 'template'],
  ])('S9 never finds a level in %s', (_name, template) => {
    const { level, unknown } = podSecurityLevel(workloadOf(template));
    expect(level).toBe('privileged');
    expect(unknown.length).toBeGreaterThan(8);
  });

  it('takes nothing that is absent from a partial template for certain', () => {
    const workload = workloadOf(spec());
    const partial = { ...workload, isPartial: 'its runtime was not given' };
    const { level, failed, unknown } = podSecurityLevel(partial);
    expect([level, failed]).toEqual(['privileged', []]);
    expect(unknown).toHaveLength(CONTROLS.length);
    expect(unknown.flatMap(({ doubts }) => doubts.map(({ reason }) => reason))).not.toContain('malformed');
  });

  it('does not blame a partial container for what may stand elsewhere, but for what stands there', () => {
    const workload = workloadOf(spec({ containers: [{ name: 'a', securityContext: { privileged: true } }] }));
    const containers = workload.containers.map((each) => ({ ...each, isPartial: 'merged with its runtime' }));
    const { failed, unknown } = podSecurityLevel({ ...workload, containers });
    expect(failed.map(({ control }) => control)).toEqual(['privileged']);
    expect(unknown.map(({ control }) => control)).toContain('allowPrivilegeEscalation');
  });
});

describe('sysctls', () => {
  it.each([
    'kernel.shm_rmid_forced',
    'net.ipv4.ip_local_port_range',
    'net.ipv4.ip_local_reserved_ports',
    'net.ipv4.ip_unprivileged_port_start',
    'net.ipv4.ping_group_range',
    'net.ipv4.tcp_fin_timeout',
    'net.ipv4.tcp_keepalive_intvl',
    'net.ipv4.tcp_keepalive_probes',
    'net.ipv4.tcp_keepalive_time',
    'net.ipv4.tcp_notsent_lowat',
    'net.ipv4.tcp_rmem',
    'net.ipv4.tcp_slow_start_after_idle',
    'net.ipv4.tcp_syncookies',
    'net.ipv4.tcp_wmem',
  ])('%s is safe', (name) => {
    expect(failedOf(spec({ securityContext: { sysctls: [{ name, value: '1' }] } }))).toEqual([]);
  });
});

describe('podSecurityRow', () => {
  it('is what `audit pods` prints', () => {
    const row = podSecurityRow(workloadOf(spec({ hostPID: true, containers: [inContext({ runAsUser: 0 })] })));
    expect(row).toEqual({
      workload: 'ml/trainer[Deployment]',
      level: 'privileged',
      failed: ['hostNamespaces', 'runAsUser'],
      unknown: [],
      details: [
        {
          control: 'hostNamespaces',
          verdict: 'fail',
          container: null,
          path: 'spec.template.spec.hostPID',
          detail: 'sets hostPID',
        },
        {
          control: 'runAsUser',
          verdict: 'fail',
          container: 'a',
          path: 'spec.template.spec.containers[0].securityContext.runAsUser',
          detail: 'runs as user 0',
        },
      ],
    });
  });

  it('says which control nobody could judge', () => {
    const row = podSecurityRow(workloadOf(spec({ hostPID: 'yes' })));
    expect(row).toMatchObject({ level: 'privileged', failed: [], unknown: ['hostNamespaces'] });
    expect(row.details).toEqual([
      {
        control: 'hostNamespaces',
        verdict: 'unknown',
        reason: 'malformed',
        container: null,
        path: 'spec.template.spec.hostPID',
        detail: 'text stands where true or false is expected',
      },
    ]);
  });
});

describe('the standards beside others who tell them', () => {
  let upstream: UpstreamChecks = { kind: 'missing', reason: 'not built' };
  beforeAll(async () => {
    upstream = await buildUpstreamChecks();
  }, BUILDS_WITHIN_MS);
  afterAll(() => {
    if (upstream.kind === 'built') upstream.remove();
  });

  it('agrees with a naive table about any pod', () => {
    fc.assert(
      fc.property(randomTemplate, (template) => {
        const naive = Object.entries(NAIVE_STANDARDS).filter(([, breaks]) => breaks(template as NaiveTemplate));
        expect(failedOf(template)).toEqual(naive.map(([control]) => control));
      }),
      { numRuns: 1000 },
    );
  });

  it('agrees with the checks of Kubernetes itself about any pod', ({ skip }) => {
    if (upstream.kind === 'missing') return skip(upstream.reason);
    const templates = fc.sample(randomTemplate, 1500);
    const answers = askUpstream(upstream.path, templates);
    const ours = templates.map((template) =>
      podSecurityLevel(workloadOf(template))
        .failed.map(({ control, level }) => `${level}:${control}`)
        .sort(),
    );
    templates.forEach((template, index) => {
      expect({ template, failed: ours[index] }).toEqual({ template, failed: answers[index]?.toSorted() });
    });
  });

  it('says something of anything', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, maxDepth: 5 }), (podSpec) => {
        const { level } = podSecurityLevel(workloadOf({ spec: podSpec }));
        expect(level).not.toBe('restricted');
      }),
      { numRuns: 300 },
    );
  });
});
