// What the restricted level of the Pod Security Standards asks beyond baseline.
// https://kubernetes.io/docs/concepts/security/pod-security-standards/

import { isConfined, requireDefaultProcMount } from './baseline-controls.ts';
import type { Control } from './control.ts';
import type { Inspection, Reading, Scope } from './inspection.ts';
import { outsideUserNamespaces } from './user-namespace.ts';

export const RESTRICTED_CONTROLS: readonly Control[] = [
  { id: 'allowPrivilegeEscalation', level: 'restricted', inspect: allowPrivilegeEscalation },
  { id: 'capabilities_restricted', level: 'restricted', inspect: droppedCapabilities },
  {
    id: 'procMount_restricted',
    level: 'restricted',
    inspect: requireDefaultProcMount,
  },
  { id: 'restrictedVolumes', level: 'restricted', inspect: restrictedVolumes },
  { id: 'runAsNonRoot', level: 'restricted', inspect: outsideUserNamespaces(runAsNonRoot) },
  { id: 'runAsUser', level: 'restricted', inspect: outsideUserNamespaces(runAsUser) },
  { id: 'seccompProfile_restricted', level: 'restricted', inspect: requiredSeccompProfile },
];

const RESTRICTED_VOLUME_TYPES = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);

function allowPrivilegeEscalation(inspection: Inspection): void {
  if (isWindows(inspection)) return;
  for (const scope of inspection.containers()) {
    const reading = inspection.boolean(scope, 'securityContext', 'allowPrivilegeEscalation');
    if (reading.kind === 'absent')
      inspection.violate(scope, reading.field, 'does not set allowPrivilegeEscalation: false');
    else if (reading.kind === 'value' && reading.value) {
      inspection.violate(scope, reading.field, 'allows privilege escalation');
    }
  }
}

function droppedCapabilities(inspection: Inspection): void {
  if (isWindows(inspection)) return;
  for (const scope of inspection.containers()) {
    const capabilities = inspection.map(scope, 'securityContext', 'capabilities');
    if (capabilities.kind === 'unknown') continue;
    const drop = inspection.texts(scope, 'securityContext', 'capabilities', 'drop');
    const place = scope.field.get('securityContext', 'capabilities', 'drop');
    const isKnown = scope.isPartial === null && drop.length === place.asList().length && isListOrAbsent(place.kind);
    if (!drop.some(({ text }) => text === 'ALL') && isKnown) {
      inspection.violate(scope, place, 'does not drop ALL capabilities');
    }
    for (const { text, field } of inspection.texts(scope, 'securityContext', 'capabilities', 'add')) {
      if (text !== 'NET_BIND_SERVICE') inspection.violate(scope, field, `adds capability ${text}`);
    }
  }
}

function restrictedVolumes(inspection: Inspection): void {
  for (const volume of inspection.list(inspection.pod, 'volumes')) {
    if (inspection.itemOf(inspection.pod, volume) === null) continue;
    const sources = [...volume.asMap()].filter(([key, source]) => key !== 'name' && source.isPresent);
    // The API server makes an emptyDir of a volume that names no source.
    if (sources.length === 0 || sources.some(([key]) => RESTRICTED_VOLUME_TYPES.has(key))) continue;
    const [[type, source] = ['', volume]] = sources;
    inspection.violate(inspection.pod, source, `volume \`${volume.get('name').asText() ?? ''}\` is of type ${type}`);
  }
}

function runAsNonRoot(inspection: Inspection): void {
  const podLevel = inspection.boolean(inspection.pod, 'securityContext', 'runAsNonRoot');
  if (podLevel.kind === 'value' && !podLevel.value) {
    inspection.violate(inspection.pod, podLevel.field, 'sets runAsNonRoot: false');
  }
  const isSetForAll = podLevel.kind === 'unknown' || (podLevel.kind === 'value' && podLevel.value);
  for (const scope of inspection.containers()) {
    const reading = inspection.boolean(scope, 'securityContext', 'runAsNonRoot');
    if (reading.kind === 'value' && !reading.value)
      inspection.violate(scope, reading.field, 'sets runAsNonRoot: false');
    else if (reading.kind === 'absent' && !isSetForAll) {
      inspection.violate(scope, reading.field, 'is not required to run as another user than root');
    }
  }
}

function runAsUser(inspection: Inspection): void {
  for (const scope of [inspection.pod, ...inspection.containers()]) {
    const reading = inspection.integer(scope, 'securityContext', 'runAsUser');
    if (reading.kind === 'value' && reading.value === 0) inspection.violate(scope, reading.field, 'runs as user 0');
  }
}

function requiredSeccompProfile(inspection: Inspection): void {
  if (isWindows(inspection)) return;
  const podLevel = seccompType(inspection, inspection.pod);
  if (podLevel.kind === 'value' && !isConfined(podLevel.value)) {
    inspection.violate(inspection.pod, podLevel.field, unconfined(podLevel.value));
  }
  const isPodConfined = podLevel.kind === 'unknown' || (podLevel.kind === 'value' && isConfined(podLevel.value));
  for (const scope of inspection.containers()) {
    const reading = seccompType(inspection, scope);
    if (reading.kind === 'value' && !isConfined(reading.value)) {
      inspection.violate(scope, reading.field, unconfined(reading.value));
    } else if (reading.kind === 'absent' && !isPodConfined) {
      inspection.violate(scope, reading.field, 'sets no seccomp profile');
    }
  }
}

/** A profile without a type has the empty one. */
function seccompType(inspection: Inspection, scope: Scope): Reading<string> {
  const profile = inspection.map(scope, 'securityContext', 'seccompProfile');
  if (profile.kind !== 'value') return { kind: profile.kind, field: profile.field };
  const type = inspection.text({ ...scope, isPartial: null }, 'securityContext', 'seccompProfile', 'type');
  return type.kind === 'absent' ? { kind: 'value', value: '', field: type.field } : type;
}

function unconfined(type: string): string {
  return type === '' ? 'sets a seccomp profile of no type' : `sets seccomp profile ${type}`;
}

// Windows has neither capabilities nor seccomp, and the API server refuses these fields for it.
function isWindows(inspection: Inspection): boolean {
  const reading = inspection.text(inspection.pod, 'os', 'name');
  return reading.kind === 'value' && reading.value === 'windows';
}

function isListOrAbsent(kind: string): boolean {
  return kind === 'list' || kind === 'absent' || kind === 'null';
}
