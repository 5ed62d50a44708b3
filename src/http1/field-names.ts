// Which field names the codec knows: common ones are shared strings, some have a role in framing or belong to one hop.

import { octetAt, TOKEN } from './octets.ts';

/** What the codec does with a field of that name. */
export const ROLE = {
  endToEnd: 0,
  hopByHop: 1,
  host: 2,
  contentLength: 3,
  transferEncoding: 4,
  connection: 5,
  expect: 6,
  upgrade: 7,
} as const;
export type Role = (typeof ROLE)[keyof typeof ROLE];

/** RFC 9110 §7.6.1 and what older proxies treat alike; `proxy-*` in general is told by isProxyField. */
const HOP_BY_HOP = [
  'te',
  'trailer',
  'keep-alive',
  'http2-settings',
  'proxy-authorization',
  'proxy-authenticate',
  'proxy-connection',
];

/** May occur once, besides the fields with a role: two values would let two readers see two requests. RFC 9110 §5.3. */
const SINGLETONS = ['content-type', 'content-range', 'authorization', 'range', 'if-range'];

/**
 * Meant for every recipient of the message, so that no hop may have them removed (RFC 9110 §7.6.1): a peer that nominates
 * one in Connection wants the upstream to see another request than the one that was decided.
 */
const NEVER_NOMINATED = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'expect',
  'content-type',
  'content-encoding',
  'content-range',
  'range',
  'authorization',
  'www-authenticate',
  'cookie',
  'set-cookie',
  'cache-control',
  'pragma',
  'vary',
  'etag',
  'location',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
]);

const COMMON = [
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'accept-ranges',
  'access-control-allow-origin',
  'access-control-request-headers',
  'access-control-request-method',
  'age',
  'allow',
  'alt-svc',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-location',
  'cookie',
  'date',
  'digest',
  'docker-content-digest',
  'docker-distribution-api-version',
  'docker-upload-uuid',
  'etag',
  'expires',
  'forwarded',
  'from',
  'grpc-status',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'last-modified',
  'link',
  'location',
  'max-forwards',
  'openai-beta',
  'origin',
  'pragma',
  'priority',
  'referer',
  'retry-after',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
  'server',
  'set-cookie',
  'strict-transport-security',
  'traceparent',
  'tracestate',
  'user-agent',
  'vary',
  'via',
  'warning',
  'www-authenticate',
  'x-api-key',
  'x-content-type-options',
  'x-forwarded-client-cert',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-powered-by',
  'x-request-id',
  'x-sallyport-component',
  'x-sallyport-decision-id',
  'x-spiffe-id',
];

/** One name the codec knows. */
export interface KnownName {
  readonly name: string;
  readonly role: Role;
  /** One bit of a word for a name that may occur once; 0 for any other. */
  readonly singletonBit: number;
}

const KNOWN: ReadonlyMap<string, KnownName> = describeNames();

/** A power of two, roomy enough that most names stand alone in their slot. */
const SLOTS = 1024;
const TABLE: readonly (KnownName | undefined)[] = hashNames();

/** The hash of a name, one octet further; `lower` is the TOKEN entry of the octet. */
export function hashOctet(hash: number, lower: number): number {
  return (Math.imul(hash, 31) + lower) | 0;
}

/** The known name that stands in bytes[from, to) in any case; `hash` is that of those octets. */
export function findKnownName(bytes: Buffer, from: number, to: number, hash: number): KnownName | undefined {
  for (let slot = hash & (SLOTS - 1); ; slot = (slot + 1) & (SLOTS - 1)) {
    const known = TABLE[slot];
    if (known === undefined || equalsIgnoringCase(known.name, bytes, from, to)) return known;
  }
}

/** Whether the codec knows `name`, and thus that it is a token in lower case. */
export function isKnownName(name: string): boolean {
  return KNOWN.has(name);
}

/** Whether every field called `name` concerns this hop only. */
export function isProxyField(name: string): boolean {
  return name.startsWith('proxy-');
}

/** Whether Connection may ask for the removal of `name`. */
export function mayNominate(name: string): boolean {
  return !NEVER_NOMINATED.has(name);
}

function describeNames(): Map<string, KnownName> {
  const roles = new Map<string, Role>([
    ['host', ROLE.host],
    ['content-length', ROLE.contentLength],
    ['transfer-encoding', ROLE.transferEncoding],
    ['connection', ROLE.connection],
    ['expect', ROLE.expect],
    ['upgrade', ROLE.upgrade],
    ...HOP_BY_HOP.map((name): [string, Role] => [name, ROLE.hopByHop]),
  ]);
  const singletons = ['host', 'content-length', 'transfer-encoding', 'expect', 'upgrade', ...SINGLETONS];
  const names = new Set([...roles.keys(), ...singletons, ...COMMON]);
  return new Map(
    [...names].map((name) => {
      const bit = singletons.indexOf(name);
      const role = roles.get(name) ?? ROLE.endToEnd;
      return [name, { name, role, singletonBit: bit === -1 ? 0 : 1 << bit }];
    }),
  );
}

function hashNames(): (KnownName | undefined)[] {
  const table = Array.from<KnownName | undefined>({ length: SLOTS });
  for (const known of KNOWN.values()) {
    let hash = 0;
    for (let at = 0; at < known.name.length; at += 1) hash = hashOctet(hash, known.name.charCodeAt(at));
    let slot = hash & (SLOTS - 1);
    while (table[slot] !== undefined) slot = (slot + 1) & (SLOTS - 1);
    table[slot] = known;
  }
  return table;
}

function equalsIgnoringCase(name: string, bytes: Buffer, from: number, to: number): boolean {
  if (name.length !== to - from) return false;
  for (let at = 0; at < name.length; at += 1) {
    if (name.charCodeAt(at) !== TOKEN[octetAt(bytes, from + at)]) return false;
  }
  return true;
}
