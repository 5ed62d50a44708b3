// The part of a kubeconfig that says which program gives the credential.
// https://kubernetes.io/docs/reference/config-api/client-authentication.v1/

import { isAbsolute, join, sep } from 'node:path';
import { own } from '../audit/kube-object.ts';
import { quote } from '../core/quote.ts';
import type { ConfigEntry } from './kubeconfig-file.ts';

export const EXEC_VERSIONS = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'] as const;

export interface ExecConfig {
  readonly apiVersion: (typeof EXEC_VERSIONS)[number];
  /** A name that is looked for in PATH, or a path. */
  readonly command: string;
  readonly args: readonly string[];
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly interactiveMode: 'Never' | 'IfAvailable' | 'Always';
  readonly installHint: string | null;
  readonly providesClusterInfo: boolean;
  /** What the cluster has for the program, in its extension `client.authentication.k8s.io/exec`; null for nothing. */
  readonly clusterConfig: unknown;
}

/** @throws {ConnectionError} */
export function readExecConfig(user: ConfigEntry, cluster: ConfigEntry): ExecConfig {
  const apiVersion = EXEC_VERSIONS.find((version) => version === user.text('exec', 'apiVersion'));
  if (apiVersion === undefined) {
    const message = `the exec plugin must speak ${EXEC_VERSIONS.join(' or ')}; bring the program that wrote this up to date`;
    throw user.fail('unsupported', ['exec', 'apiVersion'], message);
  }
  const command = user.text('exec', 'command');
  if (command === null) throw user.fail('malformed', ['exec'], 'the exec plugin has no `command`');
  const args = user.list('exec', 'args').map((value, index) => {
    if (typeof value === 'string') return value;
    throw user.fail('malformed', ['exec', 'args', index], 'an argument must be a string; put it in quotes');
  });
  return {
    apiVersion,
    command: command.includes(sep) && !isAbsolute(command) ? join(user.directory, command) : command,
    args,
    env: user.list('exec', 'env').map((item, index) => readVariable(user, item, index)),
    interactiveMode: readMode(user, apiVersion),
    installHint: user.text('exec', 'installHint'),
    providesClusterInfo: user.flag('exec', 'provideClusterInfo'),
    clusterConfig: readClusterConfig(cluster),
  };
}

function readClusterConfig(cluster: ConfigEntry): unknown {
  const extension = cluster
    .list('extensions')
    .find((item) => own(item, 'name') === 'client.authentication.k8s.io/exec');
  return own(extension, 'extension') ?? null;
}

function readVariable(user: ConfigEntry, item: unknown, index: number): readonly [string, string] {
  const name = own(item, 'name');
  const value = own(item, 'value');
  if (typeof name === 'string' && name !== '' && typeof value === 'string') return [name, value];
  throw user.fail('malformed', ['exec', 'env', index], 'a variable must have a `name` and a `value` that are strings');
}

function readMode(user: ConfigEntry, apiVersion: string): ExecConfig['interactiveMode'] {
  const mode = user.text('exec', 'interactiveMode');
  switch (mode) {
    case 'Never':
    case 'IfAvailable':
    case 'Always':
      return mode;
    case null:
      // It was optional before v1.
      if (apiVersion !== EXEC_VERSIONS[0]) return 'IfAvailable';
      throw user.fail('malformed', ['exec'], 'the exec plugin has no `interactiveMode`: Never, IfAvailable or Always');
    default:
      throw user.fail('malformed', ['exec', 'interactiveMode'], `${quote(mode)} is not Never, IfAvailable or Always`);
  }
}
