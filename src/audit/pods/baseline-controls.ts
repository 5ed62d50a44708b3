// The baseline level of the Pod Security Standards, each control under the name it has in k8s.io/pod-security-admission.
// https://kubernetes.io/docs/concepts/security/pod-security-standards/

import type { Field } from '../fields.ts';
import type { Control } from './control.ts';
import type { Inspection, Scope } from './inspection.ts';
import { outsideUserNamespaces } from './user-namespace.ts';

export const BASELINE_CONTROLS: readonly Control[] = [
  { id: 'appArmorProfile', level: 'baseline', inspect: appArmorProfile },
  { id: 'capabilities_baseline', level: 'baseline', inspect: addedCapabilities },
  { id: 'hostNamespaces', level: 'baseline', inspect: hostNamespaces },
  { id: 'hostPathVolumes', level: 'baseline', inspect: hostPathVolumes },
  { id: 'hostPorts', level: 'baseline', inspect: hostPorts },
  { id: 'hostProbesAndHostLifecycle', level: 'baseline', inspect: hostProbesAndLifecycle },
  { id: 'privileged', level: 'baseline', inspect: privileged },
  { id: 'procMount', level: 'baseline', inspect: outsideUserNamespaces(requireDefaultProcMount) },
  { id: 'seLinuxOptions', level: 'baseline', inspect: seLinuxOptions },
  { id: 'seccompProfile_baseline', level: 'baseline', inspect: seccompProfile },
  { id: 'sysctls', level: 'baseline', inspect: sysctls },
  { id: 'windowsHostProcess', level: 'baseline', inspect: windowsHostProcess },
];

const APPARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';
const CONFINED_PROFILES = new Set(['RuntimeDefault', 'Localhost']);

export const DEFAULT_CAPABILITIES = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

// From 1.31 on with `container_engine_t`.
const SELINUX_TYPES = new Set(['', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t']);

// As of 1.37.
const SAFE_SYSCTLS = new Set([
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
]);

const HOST_NAMESPACES = ['hostNetwork', 'hostPID', 'hostIPC'] as const;
const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;
const LIFECYCLE_HANDLERS = ['postStart', 'preStop'] as const;
const CONNECTING_ACTIONS = ['httpGet', 'tcpSocket'] as const;

function appArmorProfile(inspection: Inspection): void {
  for (const scope of [inspection.pod, ...inspection.containers()]) {
    refuseProfile(inspection, scope, { key: 'appArmorProfile', what: 'AppArmor profile' });
  }
  for (const [key, profile] of inspection.annotations) {
    if (!key.startsWith(APPARMOR_ANNOTATION)) continue;
    if (profile === '' || profile === 'runtime/default' || profile.startsWith('localhost/')) continue;
    inspection.violateAnnotation(key, `the annotation sets AppArmor profile \`${profile}\``);
  }
}

function addedCapabilities(inspection: Inspection): void {
  for (const scope of inspection.containers()) {
    for (const { text, field } of inspection.texts(scope, 'securityContext', 'capabilities', 'add')) {
      if (!DEFAULT_CAPABILITIES.has(text)) inspection.violate(scope, field, `adds capability ${text}`);
    }
  }
}

function hostNamespaces(inspection: Inspection): void {
  for (const key of HOST_NAMESPACES) {
    const reading = inspection.boolean(inspection.pod, key);
    if (reading.kind === 'value' && reading.value) inspection.violate(inspection.pod, reading.field, `sets ${key}`);
  }
}

function hostPathVolumes(inspection: Inspection): void {
  for (const volume of inspection.list(inspection.pod, 'volumes')) {
    const scope = inspection.itemOf(inspection.pod, volume);
    if (scope === null) continue;
    const hostPath = volume.get('hostPath');
    if (!hostPath.isPresent) continue;
    const { value: path } = hostPath.kind === 'map' ? hostPath.get('path') : hostPath;
    const shown = typeof path === 'string' ? `\`${path}\`` : 'a path';
    inspection.violate(inspection.pod, hostPath, `volume \`${nameOf(volume)}\` is ${shown} of the node`);
  }
}

function hostPorts(inspection: Inspection): void {
  for (const scope of inspection.containers()) {
    for (const port of inspection.list(scope, 'ports')) {
      const portScope = inspection.itemOf({ ...scope, isPartial: null }, port);
      if (portScope === null) continue;
      const hostPort = inspection.integer(portScope, 'hostPort');
      if (hostPort.kind === 'value' && hostPort.value !== 0) {
        inspection.violate(scope, hostPort.field, `takes port ${hostPort.value} of the node`);
      }
    }
  }
}

function hostProbesAndLifecycle(inspection: Inspection): void {
  const handlers = [...PROBES.map((probe) => [probe]), ...LIFECYCLE_HANDLERS.map((handler) => ['lifecycle', handler])];
  for (const scope of inspection.containers()) {
    for (const handler of handlers) {
      for (const action of CONNECTING_ACTIONS) {
        const host = inspection.text(scope, ...handler, action, 'host');
        if (host.kind !== 'value' || host.value === '') continue;
        inspection.violate(scope, host.field, `has the kubelet connect to \`${host.value}\` in ${handler.join('.')}`);
      }
    }
  }
}

function privileged(inspection: Inspection): void {
  for (const scope of inspection.containers()) {
    const reading = inspection.boolean(scope, 'securityContext', 'privileged');
    if (reading.kind === 'value' && reading.value) inspection.violate(scope, reading.field, 'is privileged');
  }
}

/** At the baseline level only outside user namespaces. */
export function requireDefaultProcMount(inspection: Inspection): void {
  for (const scope of inspection.containers()) {
    const reading = inspection.text(scope, 'securityContext', 'procMount');
    if (reading.kind === 'value' && reading.value !== 'Default') {
      inspection.violate(scope, reading.field, `sets procMount ${reading.value}`);
    }
  }
}

function seLinuxOptions(inspection: Inspection): void {
  for (const scope of [inspection.pod, ...inspection.containers()]) {
    const type = inspection.text(scope, 'securityContext', 'seLinuxOptions', 'type');
    if (type.kind === 'value' && !SELINUX_TYPES.has(type.value)) {
      inspection.violate(scope, type.field, `sets SELinux type \`${type.value}\``);
    }
    for (const key of ['user', 'role'] as const) {
      const reading = inspection.text(scope, 'securityContext', 'seLinuxOptions', key);
      if (reading.kind === 'value' && reading.value !== '') {
        inspection.violate(scope, reading.field, `sets SELinux ${key} \`${reading.value}\``);
      }
    }
  }
}

function seccompProfile(inspection: Inspection): void {
  for (const scope of [inspection.pod, ...inspection.containers()]) {
    refuseProfile(inspection, scope, { key: 'seccompProfile', what: 'seccomp profile' });
  }
}

function sysctls(inspection: Inspection): void {
  for (const sysctl of inspection.list(inspection.pod, 'securityContext', 'sysctls')) {
    const scope = inspection.itemOf({ ...inspection.pod, isPartial: null }, sysctl);
    if (scope === null) continue;
    const name = inspection.text(scope, 'name');
    if (name.kind === 'value' && !SAFE_SYSCTLS.has(name.value)) {
      inspection.violate(inspection.pod, name.field, `sets sysctl \`${name.value}\``);
    }
  }
}

function windowsHostProcess(inspection: Inspection): void {
  for (const scope of [inspection.pod, ...inspection.containers()]) {
    const reading = inspection.boolean(scope, 'securityContext', 'windowsOptions', 'hostProcess');
    if (reading.kind === 'value' && reading.value)
      inspection.violate(scope, reading.field, 'is a HostProcess of the node');
  }
}

/** Where a profile is set at all, it confines; one without a type does not. */
function refuseProfile(
  inspection: Inspection,
  scope: Scope,
  { key, what }: { readonly key: 'appArmorProfile' | 'seccompProfile'; readonly what: string },
): void {
  const profile = inspection.map(scope, 'securityContext', key);
  if (profile.kind !== 'value') return;
  const type = inspection.text({ ...scope, isPartial: null }, 'securityContext', key, 'type');
  if (type.kind === 'absent') inspection.violate(scope, profile.field, `sets a ${what} of no type`);
  else if (type.kind === 'value' && !isConfined(type.value)) {
    inspection.violate(scope, type.field, `sets ${what} ${type.value}`);
  }
}

export function isConfined(profileType: string): boolean {
  return CONFINED_PROFILES.has(profileType);
}

function nameOf(item: Field): string {
  return item.get('name').asText() ?? '';
}
