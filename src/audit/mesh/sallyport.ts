// Our own sidecar in the pods of others: which ports it guards, and for whom.

import { DocumentError, parseYaml, toPlain } from '../../yaml/located.ts';
import type { Cluster } from '../cluster.ts';
import { Field } from '../fields.ts';
import type { KubeObject } from '../kube-object.ts';
import type { Container, Workload } from '../workload.ts';
import { repositoryOf } from './proxy-container.ts';
import { describeUnread, findUnread } from './readable.ts';

export interface Sallyport {
  readonly container: Container;
  readonly config: SallyportConfig;
}

export type SallyportConfig =
  | {
      readonly kind: 'read';
      /** Where it stands. */
      readonly object: KubeObject;
      readonly listeners: readonly SallyportListener[];
      /** Metrics and health, in plain HTTP; null for none. */
      readonly probesPort: number | null;
      /** `shadow` forwards what it would deny. */
      readonly mode: 'enforce' | 'shadow';
    }
  | { readonly kind: 'unknown'; readonly reason: string };

export interface SallyportListener {
  readonly name: string;
  readonly port: number;
  /** Of the access matrix. */
  readonly components: readonly string[];
  readonly upstreams: readonly Upstream[];
  /** `x509`, `jwt` or both. */
  readonly authenticate: readonly string[];
}

export type Upstream =
  | { readonly kind: 'local'; readonly text: string; readonly port: number | null }
  | { readonly kind: 'remote'; readonly text: string };

/** What the image runs when nothing else is said. */
const DEFAULT_CONFIG_PATH = '/etc/sallyport/config/sallyport.yaml';

export function findSallyport(cluster: Cluster, workload: Workload): Sallyport | null {
  for (const container of workload.containers) {
    if (container.kind !== 'main' && container.kind !== 'sidecar') continue;
    const isOurs = isSallyportImage(container.image);
    const path = configPathOf(container);
    if (!isOurs && path === null) continue;
    const config = readConfig(cluster, workload, { container, path: path ?? DEFAULT_CONFIG_PATH });
    // Others have a `run --config` too; only ours reads such a file.
    if (isOurs || config.kind === 'read') return { container, config };
  }
  return null;
}

function isSallyportImage(image: string | null): boolean {
  return image !== null && /(?:^|[/-])sallyport$/.test(repositoryOf(image));
}

export function findListener(sallyport: Sallyport | null, port: number | null): SallyportListener | null {
  if (sallyport === null || sallyport.config.kind === 'unknown') return null;
  return sallyport.config.listeners.find((listener) => listener.port === port) ?? null;
}

function configPathOf({ field }: Container): string | null {
  const words = [...field.get('command').asTexts(), ...field.get('args').asTexts()];
  const run = words.indexOf('run');
  if (run < 0) return null;
  const option = words.findIndex((word, index) => index > run && (word === '--config' || word.startsWith('--config=')));
  const word = words[option];
  if (word === undefined) return null;
  return word === '--config' ? (words[option + 1] ?? null) : word.slice('--config='.length);
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
  return parseConfig(object, text);
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

function parseConfig(object: KubeObject, text: string): SallyportConfig {
  const place = `ConfigMap ${object.namespace ?? ''}/${object.name}`;
  const root = readRoot(text, object.name);
  if (typeof root === 'string') return { kind: 'unknown', reason: `the configuration in ${place} is refused: ${root}` };
  const listeners = root.get('listeners').asList().map(readListener);
  const read = listeners.filter((listener) => listener !== null);
  if (read.length === 0 || read.length < listeners.length) {
    return { kind: 'unknown', reason: `the listeners of the configuration in ${place} cannot be read` };
  }
  return {
    kind: 'read',
    object,
    listeners: read,
    probesPort: portOf(root.get('probes', 'bind').asText()),
    mode: root.get('policy', 'mode').asText() === 'shadow' ? 'shadow' : 'enforce',
  };
}

/** As the sidecar reads it: what it would refuse at its start is no configuration. */
function readRoot(text: string, file: string): Field | string {
  try {
    return Field.root(toPlain(parseYaml(Buffer.from(text), file)), () => {});
  } catch (error) {
    if (error instanceof DocumentError) return error.problems[0]?.message ?? error.message;
    throw error;
  }
}

function readListener(listener: Field): SallyportListener | null {
  const port = portOf(listener.get('bind').asText());
  const parts = listener.get('routes').isPresent ? listener.get('routes').asList() : [listener];
  const upstreams = parts.flatMap((part) => toUpstream(part.get('upstream').asText()) ?? []);
  if (port === null || upstreams.length === 0 || upstreams.length < parts.length) return null;
  const authenticate = listener.get('authenticate').asTexts();
  return {
    name: listener.get('name').asText() ?? '',
    port,
    components: [...new Set(parts.flatMap((part) => part.get('component').asText() ?? []))],
    upstreams,
    authenticate: authenticate.length === 0 ? ['x509'] : authenticate,
  };
}

function portOf(bind: string | null): number | null {
  const digits = /:([0-9]{1,5})$/.exec(bind ?? '')?.[1];
  return digits === undefined || Number(digits) > 65_535 ? null : Number(digits);
}

function toUpstream(text: string | null): Upstream | null {
  if (text === null) return null;
  if (text.startsWith('unix:')) return { kind: 'local', text, port: null };
  const authority = /^http:\/\/(\[[0-9a-f:.]+\]|[^/:@]+):([0-9]{1,5})$/i.exec(text);
  if (authority === null) return null;
  const [, host = '', port = ''] = authority;
  return isLoopback(host) ? { kind: 'local', text, port: Number(port) } : { kind: 'remote', text };
}

/** A name other than `localhost` is whatever a resolver says. */
function isLoopback(host: string): boolean {
  return /^127(?:\.[0-9]{1,3}){3}$/.test(host) || host === '[::1]' || host.toLowerCase() === 'localhost';
}
