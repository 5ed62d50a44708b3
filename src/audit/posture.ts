// What a pod may do to its node and in whose name: by this, replicas are told from a pod that only claims to be one.

import type { Field } from './fields.ts';

/**
 * Whether a pod may do what its template does not give. Whoever may create pods may also write any owner into them, and admission may add
 * what nobody asked for; capabilities of containers that it adds are its own affair, and not taken for a difference.
 */
export function exceedsTemplate(pod: Field, template: Field): boolean {
  if (HOST_NAMESPACES.some((key) => isTrue(pod.get(key)) && !isTrue(template.get(key)))) return true;
  if (serviceAccountOf(pod) !== serviceAccountOf(template)) return true;
  const known = new Set(hostPathsOf(template));
  if (hostPathsOf(pod).some((path) => !known.has(path))) return true;
  const given = containersOf(template);
  const isPrivilegeGiven = given.some(isPrivileged);
  const capabilities = new Map(given.map((container) => [nameOf(container), new Set(capabilitiesOf(container))]));
  return containersOf(pod).some((container) => {
    const allowed = capabilities.get(nameOf(container));
    if (isPrivileged(container) && !isPrivilegeGiven) return true;
    return allowed !== undefined && capabilitiesOf(container).some((capability) => !allowed.has(capability));
  });
}

/** Equal for pods that were made from one template and changed by nobody. */
export function postureOf(pod: Field): string {
  return JSON.stringify([
    HOST_NAMESPACES.map((key) => isTrue(pod.get(key))),
    serviceAccountOf(pod),
    hostPathsOf(pod),
    containersOf(pod).map((container) => [
      nameOf(container),
      container.get('image').asText(),
      container.get('securityContext').value ?? null,
    ]),
    pod.get('securityContext').value ?? null,
  ]);
}

const HOST_NAMESPACES = ['hostNetwork', 'hostPID', 'hostIPC'];

function containersOf(pod: Field): readonly Field[] {
  return [...pod.get('initContainers').asList(), ...pod.get('containers').asList()];
}

function nameOf(container: Field): string {
  return container.get('name').asText() ?? '';
}

function isPrivileged(container: Field): boolean {
  return isTrue(container.get('securityContext', 'privileged'));
}

function capabilitiesOf(container: Field): readonly string[] {
  return container.get('securityContext', 'capabilities', 'add').asTexts();
}

function hostPathsOf(pod: Field): readonly string[] {
  return pod
    .get('volumes')
    .asList()
    .flatMap((volume) => volume.get('hostPath', 'path').asText() ?? [])
    .sort();
}

function serviceAccountOf(pod: Field): string {
  const names = [pod.get('serviceAccountName').asText(), pod.get('serviceAccount').asText()];
  return names.find((name) => name !== null && name !== '') ?? 'default';
}

function isTrue(field: Field): boolean {
  return field.asBoolean() === true;
}
