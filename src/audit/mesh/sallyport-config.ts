// The configuration of our own sidecar, as it stands in a ConfigMap: what the sidecar itself would refuse is no configuration.

import { isLoopbackHost } from '../../core/loopback.ts';
import { quote } from '../../core/quote.ts';
import { parseTrustDomain, SpiffeIdError } from '../../spiffe/spiffe-id.ts';
import { DocumentError, parseYaml, toPlain } from '../../yaml/located.ts';
import { Field } from '../fields.ts';
import type { KubeObject } from '../kube-object.ts';
import { parseAddress } from '../network/ip-address.ts';

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

/** What makes the sidecar refuse to start, or leaves open what it would hold. */
class Refusal extends Error {}

export function readSallyportConfig(object: KubeObject, text: string): SallyportConfig {
  const place = `ConfigMap ${object.namespace ?? ''}/${object.name}`;
  try {
    return readRoot(
      Field.root(toPlain(parseYaml(Buffer.from(text), object.name)), () => {}),
      object,
    );
  } catch (error) {
    const isRefused = error instanceof Refusal || error instanceof DocumentError || error instanceof SpiffeIdError;
    if (!isRefused) throw error;
    const why = error instanceof DocumentError ? (error.problems[0]?.message ?? error.message) : error.message;
    return { kind: 'unknown', reason: `the configuration in ${place} is refused: ${why}` };
  }
}

const ROOT_KEYS =
  'trustDomain identity trust revocation policy workers listeners authorization admin probes decisionLog log cache drain upstream limits leases';
const LISTENER_KEYS =
  'name bind mode allowNonLoopback openTo component upstream serverId routes allowPlaintextUpstream proxyProtocol http2 authenticate jwt limits leases';
const ROUTE_KEYS = 'host port pathPrefix component upstream serverId allowPlaintextUpstream';

function readRoot(root: Field, object: KubeObject): SallyportConfig {
  checkKeys(root, 'the configuration', ROOT_KEYS);
  parseTrustDomain(textOf(root, 'trustDomain'));
  const policy = root.get('policy');
  checkKeys(policy, '`policy`', 'path mode');
  textOf(policy, 'path');
  const probes = root.get('probes');
  if (probes.value !== undefined) checkKeys(probes, '`probes`', 'bind');
  const probesBind = probes.isPresent ? parseBind(textOf(probes, 'bind')) : null;
  const mode = policy.get('mode').value ?? 'enforce';
  if (mode !== 'enforce' && mode !== 'shadow') throw new Refusal('`policy.mode` is neither `enforce` nor `shadow`');
  const listeners = listOf(root, 'listeners').flatMap((listener) => readListener(listener) ?? []);
  if (listeners.length === 0) throw new Refusal('it has no listeners');
  const ports = [...listeners.map(({ port }) => port), ...(probesBind === null ? [] : [probesBind.port])];
  if (new Set(ports).size < ports.length) throw new Refusal('two of its listeners have one port');
  return { kind: 'read', object, listeners, probesPort: probesBind?.port ?? null, mode };
}

/** Null for one that nobody outside of the pod comes in by: it lets the own program out. */
function readListener(listener: Field): SallyportListener | null {
  checkKeys(listener, 'a listener', LISTENER_KEYS);
  const name = nameOf(listener, 'name');
  const mode = listener.get('mode').value ?? 'http';
  if (mode === 'egress' || mode === 'tcp-egress') return readWayOut(listener, name);
  if (mode !== 'http' && mode !== 'tcp') throw new Refusal(`the mode of its listener ${name} is none that there is`);
  const { host, port } = parseBind(textOf(listener, 'bind'));
  if (isLoopbackHost(host)) {
    throw new Refusal(`its listener ${name} is on loopback, where nobody outside of the pod finds it`);
  }
  const hasRoutes = listener.get('routes').value !== undefined;
  const hasOwn = ['component', 'upstream'].some((key) => listener.get(key).value !== undefined);
  if (hasRoutes && hasOwn) throw new Refusal(`its listener ${name} has both an upstream and routes`);
  const parts = hasRoutes ? listOf(listener, 'routes') : [listener];
  if (parts.length === 0) throw new Refusal(`its listener ${name} leads nowhere`);
  if (hasRoutes) for (const part of parts) checkKeys(part, 'a route', ROUTE_KEYS);
  return {
    name,
    port,
    components: [...new Set(parts.map((part) => nameOf(part, 'component')))],
    upstreams: parts.map((part) => parseUpstream(textOf(part, 'upstream'))),
    authenticate: readAuthenticate(listener, name),
  };
}

/** Who reaches it speaks in the name of the workload: that nobody else does has to be certain. */
function readWayOut(listener: Field, name: string): null {
  const bind = textOf(listener, 'bind');
  if (!/^unix:./.test(bind) && !isLoopbackHost(parseBind(bind).host)) {
    throw new Refusal(`its listener ${name} lets others than the own pod out in its name`);
  }
  return null;
}

function readAuthenticate(listener: Field, name: string): readonly string[] {
  if (listener.get('authenticate').value === undefined) return ['x509'];
  const methods = listOf(listener, 'authenticate').map(({ value }) => value);
  const known = methods.flatMap((method) => (method === 'x509' || method === 'jwt' ? method : []));
  if (known.length === 0 || known.length < methods.length) {
    throw new Refusal(`how its listener ${name} authenticates is neither \`x509\` nor \`jwt\``);
  }
  return known;
}

function checkKeys(field: Field, what: string, keys: string): void {
  const { value } = field;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Refusal(`${what} is missing, or no mapping`);
  }
  const known = keys.split(' ');
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new Refusal(`unknown key ${quote(unknown)} of ${what}`);
}

function textOf(field: Field, key: string): string {
  const { value } = field.get(key);
  if (typeof value !== 'string' || value === '') throw new Refusal(`${quote(key)} is missing, or no text`);
  return value;
}

function nameOf(field: Field, key: string): string {
  const name = textOf(field, key);
  if (!/^[A-Za-z0-9._-]{1,63}$/.test(name)) throw new Refusal(`${quote(name)} is no name`);
  return name;
}

function listOf(field: Field, key: string): readonly Field[] {
  if (!Array.isArray(field.get(key).value)) throw new Refusal(`${quote(key)} is missing, or no list`);
  return field.get(key).asList();
}

/** As the sidecar has it: an IP address, of which that of IPv6 is in brackets, and a port. 0 is any, which nobody could name. */
function parseBind(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):([1-9][0-9]{0,4})$/i.exec(text);
  const [, bracketed, plain, digits] = match ?? [];
  const host = bracketed ?? plain ?? '';
  const family = parseAddress(host)?.family;
  const port = Number(digits);
  if (family !== (bracketed === undefined ? 4 : 6) || !(port <= 65_535)) {
    throw new Refusal(`${quote(text)} is no IP address and a port`);
  }
  return { host: isLoopbackV6(host) ? '::1' : host, port };
}

/** In any of its spellings. */
function isLoopbackV6(host: string): boolean {
  const address = parseAddress(host);
  if (address?.family !== 6) return false;
  return address.value === 1n || address.value >> 24n === 0xffff7fn;
}

function parseUpstream(text: string): Upstream {
  if (/^(?:https|h2|tls)(?:\+unix)?:/i.test(text)) {
    throw new Refusal(`${quote(text)} is another server behind mTLS, and whom that lets in is not told here`);
  }
  if (/^(?:h2c\+)?unix:./.test(text)) return { kind: 'local', text, port: null };
  const authority = /^(?:http|h2c|tcp):\/\/(?:\[([0-9a-f:.]+)\]|([^/?#:@[\]\s]+)):([1-9][0-9]{0,4})$/i.exec(text);
  const [, bracketed, plain, digits] = authority ?? [];
  const host = (bracketed ?? plain ?? '').toLowerCase();
  const port = Number(digits);
  if (host === '' || !(port <= 65_535)) throw new Refusal(`${quote(text)} is no upstream`);
  // A name other than `localhost` is whatever a resolver says.
  return isLoopbackHost(host) || isLoopbackV6(host) ? { kind: 'local', text, port } : { kind: 'remote', text };
}
