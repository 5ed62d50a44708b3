// Header fields that tell the upstream who is calling: whatever the peer says of itself is taken out, what we proved is put in.

import { RepeatedField } from '../http1/field-lines.ts';
import { isKnownName, isProxyField } from '../http1/field-names.ts';
import { TRACEPARENT, TRACESTATE } from './trace-context.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { X509Svid } from '../spiffe/x509-svid.ts';

// Compared in the spelling that CGI-like upstreams, which cannot tell `X_Spiffe_Id` from `x-spiffe-id`, would make of a name.
const STRIPPED_NAMES = new Set([
  'forwarded',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'spiffe-id',
  'x-spiffe',
  'client-cert',
  'client-cert-chain',
  'x-remote-user',
  'remote-user',
  'x-forwarded',
  'x-original-url',
  'x-rewrite-url',
  'x-original-uri',
  'x-original-method',
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'proxy',
  'http2-settings',
]);
const STRIPPED_PREFIXES = [
  'x-forwarded-',
  'x-sallyport-',
  'x-spiffe-',
  'x-envoy-',
  'l5d-',
  'x-ssl-',
  'ssl-client-',
  'x-client-cert',
  'x-client-verify',
  'x-client-dn',
  'x-mtls-',
  'x-goog-authenticated-user-',
  'x-goog-iap-',
  'x-tls-client-',
  'x-amzn-mtls-',
  'x-arr-clientcert',
  'x-auth-request-',
  'x-authenticated-',
];
const MAX_REMEMBERED_NAMES = 512;

/** Decides by name whether a peer's field is forwarded as it came; remembers what it decided for names seen before. */
export class IdentityFieldFilter {
  /** What is put in that is mostly the same for every request, be it of whom it may. */
  readonly forwardedHost = new RepeatedField('x-forwarded-host');
  readonly component = new RepeatedField('x-sallyport-component');
  readonly #verdicts = new Map<string, boolean>();

  /** `name` in lower case. False too for what belongs to the trace, which is continued rather than passed on. */
  readonly isForwarded = (name: string): boolean => {
    const known = this.#verdicts.get(name);
    if (known !== undefined) return known;
    const verdict = name !== TRACEPARENT && name !== TRACESTATE && !claimsIdentity(name);
    if (this.#verdicts.size < MAX_REMEMBERED_NAMES) this.#verdicts.set(name, verdict);
    return verdict;
  };
}

function claimsIdentity(name: string): boolean {
  const canonical = name.replaceAll(/[^a-z0-9]/g, '-');
  // A second spelling of a field that the codec reads, or takes out, says something else to such an upstream than it said here.
  if (canonical !== name && (isKnownName(canonical) || isProxyField(canonical))) return true;
  return STRIPPED_NAMES.has(canonical) || STRIPPED_PREFIXES.some((prefix) => canonical.startsWith(prefix));
}

export interface ProvenIdentity {
  readonly id: SpiffeId;
  /** The mTLS peer, where it carries the token of another. */
  readonly actor: SpiffeId | null;
  /** The connection's, if it has one. */
  readonly certificate: Pick<X509Svid, 'id' | 'leafSha256'> | null;
}

/**
 * The fields that are the same for every request of a connection, flat name and value. `protocol`: the version of HTTP that the peer speaks.
 * `x-forwarded-client-cert` has Envoy's format: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert
 */
export function connectionFields(
  { id, actor, certificate }: ProvenIdentity,
  ownId: string,
  { address, protocol }: { readonly address: string; readonly protocol: '1.1' | '2' },
): readonly string[] {
  const fields: string[] = [];
  if (certificate !== null) {
    const { leafSha256, id: certifiedId } = certificate;
    const element = `By=${quoteElement(ownId)};Hash=${leafSha256};URI=${quoteElement(certifiedId)}`;
    fields.push('x-forwarded-client-cert', element);
  }
  if (actor !== null) fields.push('x-sallyport-actor', actor);
  fields.push('x-spiffe-id', id, 'x-forwarded-for', address, 'x-forwarded-proto', 'https');
  return [...fields, ...passageFields(protocol)];
}

/** Those of a request that leaves in our own name: whoever gets it knows from our certificate who asks. */
export function passageFields(protocol: '1.1' | '2'): readonly string[] {
  return ['via', `${protocol} sallyport`];
}

/** A value with `,`, `;` or `=` is quoted and its quotes are escaped, so that it stays one value of one element. */
function quoteElement(value: string): string {
  if (!/[,;="\\]/.test(value)) return value;
  return `"${value.replaceAll(/["\\]/g, '\\$&')}"`;
}
