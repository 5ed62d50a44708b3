// Our own sidecar in the pods of others: which ports it guards, and for whom.

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import type { Container, Workload } from '../workload.ts';
import { repositoryOf } from './proxy-container.ts';
import { describeUnread, findUnread } from './readable.ts';
import { readSallyportConfig, type SallyportConfig, type SallyportListener } from './sallyport-config.ts';

export interface Sallyport {
  readonly container: Container;
  readonly config: SallyportConfig;
}

/** What the image runs when nothing else is said. */
const DEFAULT_CONFIG_PATH = '/etc/sallyport/config/sallyport.yaml';

/** What holds for certain comes before what only looks like it: a container that pretends to be ours does not hide ours. */
export function findSallyport(cluster: Cluster, workload: Workload): Sallyport | null {
  let doubtful: Sallyport | null = null;
  for (const container of workload.containers) {
    if (container.kind !== 'main' && container.kind !== 'sidecar') continue;
    const config = configOf(cluster, workload, container);
    if (config?.kind === 'read') return { container, config };
    if (config !== null) doubtful ??= { container, config };
  }
  return doubtful;
}

/** Null for a container that nothing takes for Sallyport. */
function configOf(cluster: Cluster, workload: Workload, container: Container): SallyportConfig | null {
  const command = readCommand(container);
  if (isSallyportImage(container.image)) {
    if (command.path !== null) return readConfig(cluster, workload, { container, path: command.path });
    return { kind: 'unknown', reason: `container ${container.name} has the image of Sallyport, and ${command.why}` };
  }
  if (command.path === null) return null;
  // Others have a `run --config` too; only ours reads such a file.
  const config = readConfig(cluster, workload, { container, path: command.path });
  if (config.kind === 'unknown') return null;
  const why = `the image \`${container.image ?? ''}\` of container ${container.name} is not known to be Sallyport's: the last part of its repository is not \`sallyport\``;
  return { kind: 'unknown', reason: why };
}

function isSallyportImage(image: string | null): boolean {
  return image !== null && /(?:^|\/)sallyport$/.test(repositoryOf(image));
}

export function findListener(sallyport: Sallyport | null, port: number | null): SallyportListener | null {
  if (sallyport === null || sallyport.config.kind === 'unknown') return null;
  return sallyport.config.listeners.find((listener) => listener.port === port) ?? null;
}

type Command = { readonly path: string } | { readonly path: null; readonly why: string };

const PROGRAM = /^(?:node|\/usr\/local\/bin\/node) \/app\/dist\/sallyport\.js$/;

/** What the container runs, where that is `run` of our program and nothing else. */
function readCommand({ field }: Container): Command {
  const command = field.get('command').asTexts();
  const args = field.get('args').asTexts();
  if (command.length === 0 && args.length === 0) return { path: DEFAULT_CONFIG_PATH };
  const isOurs = command.length === 0 || PROGRAM.test(command.slice(0, 2).join(' '));
  if (!isOurs) return { path: null, why: `runs another program, \`${command.join(' ')}\`` };
  const [run, ...options] = [...command.slice(2), ...args];
  const why = `does not run it: \`${[...command, ...args].join(' ')}\` is not \`run --config\` with one file`;
  if (run !== 'run') return { path: null, why };
  const [first = '', second] = options;
  if (options.length === 1 && first.startsWith('--config=')) return { path: first.slice('--config='.length) };
  if (options.length === 2 && first === '--config' && second !== undefined) return { path: second };
  return { path: null, why };
}

function readConfig(
  cluster: Cluster,
  workload: Workload,
  { container, path }: { readonly container: Container; readonly path: string },
): SallyportConfig {
  const place = findPlace(workload, container, path);
  if (place === null) return { kind: 'unknown', reason: `no ConfigMap is mounted at its configuration ${path}` };
  const { namespace } = workload;
  const object = cluster.find('', 'ConfigMap', { namespace, name: place.configMap });
  if (object === null) {
    const unread = findUnread(cluster, { group: '', kind: 'ConfigMap', namespace });
    const reason =
      unread === null
        ? `ConfigMap ${namespace}/${place.configMap} with its configuration is not there`
        : describeUnread(unread);
    return { kind: 'unknown', reason };
  }
  const text = cluster.field(object, 'data', place.key).asText();
  if (text === null) {
    return { kind: 'unknown', reason: `ConfigMap ${namespace}/${object.name} has no key \`${place.key}\`` };
  }
  return readSallyportConfig(object, text);
}

interface ConfigPlace {
  readonly configMap: string;
  readonly key: string;
}

function findPlace({ podSpec }: Workload, { field }: Container, path: string): ConfigPlace | null {
  const mounts = field
    .get('volumeMounts')
    .asList()
    .map((mount) => ({
      volume: mount.get('name').asText(),
      directory: (mount.get('mountPath').asText() ?? '').replace(/\/+$/, ''),
      subPath: mount.get('subPath').asText(),
    }))
    .filter(({ directory }) => path === directory || path.startsWith(`${directory}/`))
    .sort((left, right) => right.directory.length - left.directory.length);
  const [mount] = mounts;
  if (mount === undefined) return null;
  const inside = [mount.subPath, path.slice(mount.directory.length + 1)].filter((part) => part !== null && part !== '');
  const file = inside.join('/');
  const volume = podSpec
    .get('volumes')
    .asList()
    .find((volume) => volume.get('name').asText() === mount.volume);
  const sources = [volume, ...(volume?.get('projected', 'sources').asList() ?? [])];
  for (const source of sources) {
    const configMap = source?.get('configMap');
    const name = configMap?.get('name').asText();
    if (configMap === undefined || typeof name !== 'string') continue;
    const key = findKey(configMap, file);
    if (key !== null) return { configMap: name, key };
  }
  return null;
}

function findKey(configMap: Field, file: string): string | null {
  const items = configMap.get('items').asList();
  if (items.length === 0) return file.includes('/') ? null : file;
  return (
    items
      .find((item) => item.get('path').asText() === file)
      ?.get('key')
      .asText() ?? null
  );
}
