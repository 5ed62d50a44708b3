// From a kubeconfig to the cluster that one of its contexts names.

import { isAbsolute, join } from 'node:path';
import { isLoopbackHost } from '../core/loopback.ts';
import { findNearestName } from '../core/nearest-name.ts';
import { quote } from '../core/quote.ts';
import type {
  BearerSource,
  ClientIdentitySource,
  ClusterTarget,
  Impersonation,
  MaterialSource,
  ServerProof,
} from './cluster-target.ts';
import { ConnectionError } from './connection-error.ts';
import { readExecConfig } from './exec-config.ts';
import { type ConfigEntry, type Kubeconfig, readKubeconfigs } from './kubeconfig-file.ts';
import { parseAuthorities, readIdentity } from './key-material.ts';
import { readSmallFile } from './small-file.ts';

export interface KubeconfigChoice {
  /** As in KUBECONFIG: those that are not there are passed over, unless none is. */
  readonly paths: readonly string[];
  /** Null for the current one. */
  readonly context: string | null;
  readonly nowMs: number;
}

/** @throws {ConnectionError} */
export function loadKubeconfig({ paths, context, nowMs }: KubeconfigChoice): ClusterTarget {
  const config = readKubeconfigs(paths);
  const chosen = chooseContext(config, context);
  const cluster = findNamed(config.clusters, chosen, 'cluster');
  const user = chosen.text('user') === null ? null : findNamed(config.users, chosen, 'user');
  const server = readServer(cluster);
  const serverProof = readServerProof(cluster);
  const identity: ClientIdentitySource = user === null ? { kind: 'none' } : readIdentitySource(user);
  // What cannot be used is told now, and not as a handshake that fails.
  readIdentity(identity, nowMs);
  return {
    name: `context ${quote(chosen.name)} of ${config.files.map(quote).join(', ')}`,
    server,
    serverProof,
    identity,
    bearer: user === null ? { kind: 'none' } : readBearer(user, cluster),
    impersonation: user === null ? null : readImpersonation(user),
    namespace: chosen.text('namespace'),
    cautions: cautionsOf(serverProof, server),
  };
}

function chooseContext({ contexts, currentContext }: Kubeconfig, wanted: string | null): ConfigEntry {
  const name = wanted ?? currentContext;
  const known = [...contexts.keys()];
  if (name === null) {
    const others =
      known.length === 0 ? 'and there is none to choose' : `choose one with --context: ${known.map(quote).join(', ')}`;
    throw new ConnectionError('not-configured', `no context is current, ${others}`);
  }
  const context = contexts.get(name);
  if (context !== undefined) return context;
  throw new ConnectionError('unknown-name', `there is no context ${quote(name)}${suggest(name, known)}`);
}

function findNamed(
  entries: ReadonlyMap<string, ConfigEntry>,
  context: ConfigEntry,
  what: 'cluster' | 'user',
): ConfigEntry {
  const name = context.text(what);
  if (name === null) throw context.fail('malformed', [], `context ${quote(context.name)} names no ${what}`);
  const entry = entries.get(name);
  if (entry !== undefined) return entry;
  const message = `there is no ${what} ${quote(name)}${suggest(name, [...entries.keys()])}`;
  throw context.fail('unknown-name', [what], message);
}

function suggest(name: string, known: readonly string[]): string {
  const nearest = findNearestName(name, known);
  return nearest === null ? '' : `; did you mean ${quote(nearest)}`;
}

function readServer(cluster: ConfigEntry): URL {
  if (cluster.has('proxy-url')) {
    const message =
      'a proxy (`proxy-url`) is not supported; read the objects with kubectl get -o json and audit the file';
    throw cluster.fail('unsupported', ['proxy-url'], message);
  }
  const text = cluster.text('server');
  if (text === null) throw cluster.fail('malformed', [], `cluster ${quote(cluster.name)} has no \`server\``);
  const server = URL.parse(/^[a-z]+:\/\//.test(text) ? text : `https://${text}`);
  if (
    server === null ||
    !['https:', 'http:'].includes(server.protocol) ||
    server.search + server.hash + server.username !== ''
  ) {
    throw cluster.fail(
      'malformed',
      ['server'],
      `${quote(text)} is not the URL of an API server, such as https://host:6443`,
    );
  }
  if (server.protocol === 'http:' && !isLoopbackHost(server.hostname.replace(/^\[|\]$/g, ''))) {
    const message = 'without TLS only a server on this machine is asked, such as `kubectl proxy`; write https://';
    throw cluster.fail('insecure', ['server'], message);
  }
  return server;
}

function readServerProof(cluster: ConfigEntry): ServerProof {
  const serverName = cluster.text('tls-server-name');
  const authorities = readMaterial(cluster, 'certificate-authority');
  if (!cluster.flag('insecure-skip-tls-verify')) {
    if (authorities === null) return { kind: 'verified', authorities: null, serverName };
    const pem =
      authorities.kind === 'data'
        ? authorities.pem
        : readSmallFile(authorities.path, 'certificate-authority').toString('utf8');
    parseAuthorities(pem, (message) =>
      cluster.fail('bad-certificate', [fieldOf(cluster, 'certificate-authority')], message),
    );
    return { kind: 'verified', authorities: pem, serverName };
  }
  const path = ['insecure-skip-tls-verify'];
  if (authorities !== null)
    throw cluster.fail('malformed', path, 'with a certificate-authority there is nothing to skip');
  return { kind: 'none', serverName };
}

function cautionsOf(proof: ServerProof, server: URL): readonly string[] {
  if (proof.kind === 'verified') return [];
  return [
    `the certificate of ${server.host} was not verified: whoever was on the way could have made up what was read, and have its credential`,
  ];
}

function fieldOf(entry: ConfigEntry, name: string): string {
  return entry.has(`${name}-data`) ? `${name}-data` : name;
}

/** `NAME-data` is base64 and counts more than the file under `NAME`. */
function readMaterial(entry: ConfigEntry, name: string): MaterialSource | null {
  const data = entry.text(`${name}-data`);
  if (data !== null) {
    const pem = Buffer.from(data, 'base64').toString('utf8');
    if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(data) || !pem.includes('-----BEGIN')) {
      throw entry.fail('bad-certificate', [`${name}-data`], `${quote(`${name}-data`)} must be PEM in base64`);
    }
    return { kind: 'data', pem };
  }
  const path = entry.text(name);
  return path === null ? null : { kind: 'file', path: isAbsolute(path) ? path : join(entry.directory, path) };
}

function readIdentitySource(user: ConfigEntry): ClientIdentitySource {
  const certificate = readMaterial(user, 'client-certificate');
  const privateKey = readMaterial(user, 'client-key');
  if (certificate === null && privateKey === null) return { kind: 'none' };
  if (certificate === null)
    throw user.fail('malformed', [fieldOf(user, 'client-key')], 'a client key without a client certificate');
  if (privateKey === null)
    throw user.fail('malformed', [fieldOf(user, 'client-certificate')], 'a client certificate without its key');
  return { kind: 'files', certificate, privateKey };
}

function readBearer(user: ConfigEntry, cluster: ConfigEntry): BearerSource {
  if (user.has('auth-provider')) {
    const message =
      'kubectl has no auth providers since 1.26; use an exec plugin, such as gke-gcloud-auth-plugin or kubelogin';
    throw user.fail('unsupported', ['auth-provider'], message);
  }
  const path = user.text('tokenFile');
  if (path !== null) return { kind: 'token-file', path: isAbsolute(path) ? path : join(user.directory, path) };
  const token = user.text('token');
  if (token !== null) return { kind: 'token', token: token.trim() };
  if (user.has('exec')) return { kind: 'exec', exec: readExecConfig(user, cluster) };
  if (user.has('username') || user.has('password')) {
    throw user.fail(
      'unsupported',
      ['username'],
      'API servers take no passwords since Kubernetes 1.19; use a token or a certificate',
    );
  }
  return { kind: 'none' };
}

function readImpersonation(user: ConfigEntry): Impersonation | null {
  const groups = user.list('as-groups').map((group, index) => {
    if (typeof group === 'string') return group;
    throw user.fail('malformed', ['as-groups', index], 'a group must be a string');
  });
  const name = user.text('as');
  const uid = user.text('as-uid');
  const extra = readExtra(user);
  if (name !== null) return { user: name, uid, groups, extra };
  if (groups.length === 0 && uid === null && extra.length === 0) return null;
  throw user.fail('malformed', [], 'to be impersonated there must be a user (`as`), too');
}

function readExtra(user: ConfigEntry): Impersonation['extra'] {
  return user.entries('as-user-extra').map(([key, values]) => {
    if (Array.isArray(values)) {
      const texts = values.filter((value) => typeof value === 'string');
      if (texts.length === values.length) return [key, texts];
    }
    throw user.fail('malformed', ['as-user-extra', key], 'must be a list of strings');
  });
}
