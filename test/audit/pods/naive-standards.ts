// The Pod Security Standards told a second time, as plainly as they can be: a table of predicates over well-formed JSON.

interface Context {
  appArmorProfile?: { type?: string } | null;
  seccompProfile?: { type?: string } | null;
  seLinuxOptions?: { type?: string | null; user?: string | null; role?: string | null } | null;
  windowsOptions?: { hostProcess?: boolean | null } | null;
  runAsNonRoot?: boolean | null;
  runAsUser?: number | null;
  privileged?: boolean | null;
  procMount?: string | null;
  allowPrivilegeEscalation?: boolean | null;
  capabilities?: { add?: string[] | null; drop?: string[] | null } | null;
  sysctls?: { name: string }[] | null;
}
type Handler = Record<'httpGet' | 'tcpSocket', { host?: string | null } | null | undefined>;
interface NaiveContainer {
  securityContext?: Context | null;
  ports?: { hostPort?: number | null }[] | null;
  livenessProbe?: Handler | null;
  readinessProbe?: Handler | null;
  startupProbe?: Handler | null;
  lifecycle?: { postStart?: Handler | null; preStop?: Handler | null } | null;
}
interface NaiveSpec {
  hostNetwork?: boolean | null;
  hostPID?: boolean | null;
  hostIPC?: boolean | null;
  hostUsers?: boolean | null;
  os?: { name: string } | null;
  securityContext?: Context | null;
  volumes?: { hostPath?: unknown; [type: string]: unknown }[] | null;
  containers?: NaiveContainer[] | null;
  initContainers?: NaiveContainer[] | null;
  ephemeralContainers?: NaiveContainer[] | null;
}
export interface NaiveTemplate {
  metadata?: { annotations?: Record<string, string> | null } | null;
  spec: NaiveSpec;
}

const HARMLESS =
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT';
const SAFE = `kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports net.ipv4.ip_unprivileged_port_start
  net.ipv4.ping_group_range net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes net.ipv4.tcp_keepalive_time
  net.ipv4.tcp_notsent_lowat net.ipv4.tcp_rmem net.ipv4.tcp_slow_start_after_idle net.ipv4.tcp_syncookies net.ipv4.tcp_wmem`;
const TYPES = 'configMap csi downwardAPI emptyDir ephemeral image persistentVolumeClaim projected secret';
const words = (text: string): readonly string[] => text.split(/\s+/);

const containersOf = (spec: NaiveSpec): readonly NaiveContainer[] => [
  ...(spec.initContainers ?? []),
  ...(spec.containers ?? []),
  ...(spec.ephemeralContainers ?? []),
];
const contextsOf = (spec: NaiveSpec): readonly Context[] =>
  containersOf(spec).map((each) => each.securityContext ?? {});
const everyContext = (spec: NaiveSpec): readonly Context[] => [spec.securityContext ?? {}, ...contextsOf(spec)];
const isGood = (profile: { type?: string } | null | undefined): boolean =>
  !profile || ['RuntimeDefault', 'Localhost'].includes(profile.type ?? '');
const isWindows = (spec: NaiveSpec): boolean => spec.os?.name === 'windows';
const hasUserNamespace = (spec: NaiveSpec): boolean => spec.hostUsers === false;
const handlersOf = (each: NaiveContainer): readonly (Handler | null | undefined)[] => [
  each.livenessProbe,
  each.readinessProbe,
  each.startupProbe,
  each.lifecycle?.postStart,
  each.lifecycle?.preStop,
];

/** Whether a template breaks each control. */
export const NAIVE_STANDARDS: Readonly<Record<string, (template: NaiveTemplate) => boolean>> = {
  appArmorProfile: ({ metadata, spec }) =>
    everyContext(spec).some((context) => !isGood(context.appArmorProfile)) ||
    Object.entries(metadata?.annotations ?? {}).some(
      ([key, value]) =>
        key.startsWith('container.apparmor.security.beta.kubernetes.io/') &&
        value !== '' &&
        value !== 'runtime/default' &&
        !value.startsWith('localhost/'),
    ),
  capabilities_baseline: ({ spec }) =>
    contextsOf(spec).some((context) => context.capabilities?.add?.some((name) => !words(HARMLESS).includes(name))),
  hostNamespaces: ({ spec }) => Boolean(spec.hostNetwork || spec.hostPID || spec.hostIPC),
  hostPathVolumes: ({ spec }) => Boolean(spec.volumes?.some((volume) => volume.hostPath)),
  hostPorts: ({ spec }) => containersOf(spec).some((each) => each.ports?.some((port) => port.hostPort)),
  hostProbesAndHostLifecycle: ({ spec }) =>
    containersOf(spec)
      .flatMap(handlersOf)
      .some((handler) => handler?.httpGet?.host || handler?.tcpSocket?.host),
  privileged: ({ spec }) => contextsOf(spec).some((context) => context.privileged),
  procMount: ({ spec }) =>
    !hasUserNamespace(spec) && contextsOf(spec).some((context) => (context.procMount ?? 'Default') !== 'Default'),
  seLinuxOptions: ({ spec }) =>
    everyContext(spec).some(
      ({ seLinuxOptions }) =>
        seLinuxOptions?.user ||
        seLinuxOptions?.role ||
        !['', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t'].includes(
          seLinuxOptions?.type ?? '',
        ),
    ),
  seccompProfile_baseline: ({ spec }) => everyContext(spec).some((context) => !isGood(context.seccompProfile)),
  sysctls: ({ spec }) => Boolean(spec.securityContext?.sysctls?.some(({ name }) => !words(SAFE).includes(name))),
  windowsHostProcess: ({ spec }) => everyContext(spec).some((context) => context.windowsOptions?.hostProcess),
  allowPrivilegeEscalation: ({ spec }) =>
    !isWindows(spec) && contextsOf(spec).some((context) => context.allowPrivilegeEscalation !== false),
  capabilities_restricted: ({ spec }) =>
    !isWindows(spec) &&
    contextsOf(spec).some(
      ({ capabilities }) =>
        !capabilities?.drop?.includes('ALL') || capabilities.add?.some((name) => name !== 'NET_BIND_SERVICE'),
    ),
  procMount_restricted: ({ spec }) =>
    contextsOf(spec).some((context) => (context.procMount ?? 'Default') !== 'Default'),
  restrictedVolumes: ({ spec }) =>
    Boolean(spec.volumes?.some((volume) => !words(TYPES).some((type) => (volume[type] ?? null) !== null))),
  runAsNonRoot: ({ spec }) =>
    !hasUserNamespace(spec) &&
    (spec.securityContext?.runAsNonRoot === false ||
      contextsOf(spec).some((context) => (context.runAsNonRoot ?? spec.securityContext?.runAsNonRoot) !== true)),
  runAsUser: ({ spec }) => !hasUserNamespace(spec) && everyContext(spec).some((context) => context.runAsUser === 0),
  seccompProfile_restricted: ({ spec }) =>
    !isWindows(spec) &&
    (!isGood(spec.securityContext?.seccompProfile) ||
      contextsOf(spec).some((context) => {
        const profile = context.seccompProfile ?? spec.securityContext?.seccompProfile;
        return !profile || !isGood(profile);
      })),
};
