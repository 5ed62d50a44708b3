// Pod templates that fast-check makes up: every field that a control reads, set well, set badly, null or left out.

import * as fc from 'fast-check';

type Arbitrary = fc.Arbitrary<unknown>;

const maybe = (...values: readonly Arbitrary[]): Arbitrary =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.constant(null) }, ...values);
const boolean = maybe(fc.boolean());
const oneOf = (...values: readonly unknown[]): Arbitrary => maybe(fc.constantFrom(...values));
const mapOf = (fields: Readonly<Record<string, Arbitrary>>): Arbitrary =>
  fc
    .record(fields)
    .map((record) => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)));

const capability = fc.constantFrom(
  'ALL',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SYS_ADMIN',
  'CHOWN',
  'CAP_CHOWN',
  'all',
  'KILL',
);
const profile = maybe(
  mapOf({ type: oneOf('RuntimeDefault', 'Localhost', 'Unconfined', ''), localhostProfile: oneOf('a.json') }),
);
const shared = {
  appArmorProfile: profile,
  seccompProfile: profile,
  runAsNonRoot: maybe(fc.boolean(), fc.constant(true)),
  runAsUser: oneOf(0, 1, 1000),
  seLinuxOptions: maybe(
    mapOf({
      type: oneOf('container_t', 'container_engine_t', 'spc_t', ''),
      user: oneOf('system_u', ''),
      role: oneOf('sysadm_r', ''),
    }),
  ),
  windowsOptions: maybe(mapOf({ hostProcess: boolean })),
};
const containerContext = mapOf({
  ...shared,
  allowPrivilegeEscalation: maybe(fc.boolean(), fc.constant(false)),
  capabilities: maybe(
    mapOf({
      add: maybe(fc.array(capability, { maxLength: 2 })),
      drop: maybe(fc.array(capability, { maxLength: 2 }), fc.constant(['ALL'])),
    }),
  ),
  privileged: boolean,
  procMount: oneOf('Default', 'Unmasked'),
});
const podContext = mapOf({
  ...shared,
  sysctls: maybe(
    fc.array(
      mapOf({
        name: fc.constantFrom(
          'kernel.shm_rmid_forced',
          'net.ipv4.tcp_notsent_lowat',
          'net.core.somaxconn',
          'kernel.msgmax',
        ),
        value: fc.constant('1'),
      }),
      { maxLength: 2 },
    ),
  ),
});
const action = mapOf({
  httpGet: maybe(mapOf({ port: fc.constant(80), host: oneOf('', '10.0.0.1') })),
  tcpSocket: maybe(mapOf({ port: fc.constant(80), host: oneOf('', 'example.com') })),
});
const container = (name: string): Arbitrary =>
  mapOf({
    name: fc.constant(name),
    image: fc.constant('registry.example/a'),
    securityContext: maybe(containerContext, containerContext, containerContext),
    ports: maybe(fc.array(mapOf({ containerPort: fc.constant(80), hostPort: oneOf(0, 8080) }), { maxLength: 2 })),
    livenessProbe: maybe(action),
    readinessProbe: maybe(action),
    startupProbe: maybe(action),
    lifecycle: maybe(mapOf({ postStart: maybe(action), preStop: maybe(action) })),
  });
const volume = fc.constantFrom<unknown>(
  { name: 'v', hostPath: { path: '/dev' } },
  { name: 'v', emptyDir: {} },
  { name: 'v', nfs: { server: 'nfs.example', path: '/' } },
  { name: 'v', csi: { driver: 'a.example' } },
  { name: 'v', persistentVolumeClaim: { claimName: 'a' }, hostPath: null },
  { name: 'v', image: { reference: 'registry.example/model' } },
  { name: 'v', gitRepo: { repository: 'https://git.example/a' } },
  { name: 'v', ephemeral: {} },
);

/** A pod template as plain JSON, with the fields that upstream's Go types can hold. */
export const randomTemplate: Arbitrary = mapOf({
  metadata: mapOf({
    annotations: maybe(
      fc.dictionary(
        fc.constantFrom(
          'container.apparmor.security.beta.kubernetes.io/a',
          'container.apparmor.security.beta.kubernetes.io/z',
          'other',
        ),
        fc.constantFrom('runtime/default', 'localhost/a', 'unconfined', ''),
        { maxKeys: 2 },
      ),
    ),
  }),
  spec: mapOf({
    hostNetwork: boolean,
    hostPID: boolean,
    hostIPC: boolean,
    hostUsers: boolean,
    os: maybe(mapOf({ name: fc.constantFrom('linux', 'windows') })),
    securityContext: maybe(podContext, podContext, podContext),
    initContainers: maybe(fc.tuple(container('i'))),
    containers: fc.oneof(fc.tuple(container('a')), fc.tuple(container('a'), container('b'))),
    ephemeralContainers: maybe(fc.tuple(container('e'))),
    volumes: maybe(fc.array(volume, { maxLength: 2 })),
  }),
});
