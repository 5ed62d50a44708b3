// The examples of Envoy and Istio, also where neither runs: sound YAML, and the names that the code reads.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { COMPONENT_EXTENSION } from '../../src/extauthz/check-request.ts';
import { CHECK_PATH } from '../../src/extauthz/messages.ts';

const DIRECTORY = join(import.meta.dirname, '../../deploy/data-planes');
const read = (name: string): string => readFileSync(join(DIRECTORY, name), 'utf8');

/** Every mapping of a document that has `key`, as `[value, mapping]`. */
function havingKey(value: unknown, key: string): readonly Readonly<Record<string, unknown>>[] {
  if (typeof value !== 'object' || value === null) return [];
  const below = Object.values(value).flatMap((inner) => havingKey(inner, key));
  return key in value ? [{ ...value }, ...below] : below;
}

describe('the example of Envoy', () => {
  const bootstrap: unknown = parse(read('envoy.yaml'), { merge: true });

  it('asks the service that there is, with the certificate, and takes no answer for a yes', () => {
    const [filter] = havingKey(bootstrap, 'include_peer_certificate');
    expect(filter).toMatchObject({
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz',
      transport_api_version: 'V3',
      include_peer_certificate: true,
      failure_mode_allow: false,
    });
    expect(CHECK_PATH.split('/')[1]).toBe('envoy.service.auth.v3.Authorization');
  });

  it('names the component by the extension that is read', () => {
    expect(havingKey(bootstrap, 'context_extensions')).toEqual([
      { context_extensions: { [COMPONENT_EXTENSION]: 'registry' } },
    ]);
  });

  it('decides before it forwards, and changes no path', () => {
    const [manager] = havingKey(bootstrap, 'http_filters');
    expect(manager).toMatchObject({
      normalize_path: false,
      merge_slashes: false,
      forward_client_cert_details: 'SANITIZE_SET',
      http_filters: [{ name: 'envoy.filters.http.ext_authz' }, { name: 'envoy.filters.http.router' }],
    });
    expect(manager).not.toHaveProperty('upgrade_configs');
  });

  it('has every cluster that it names', () => {
    const clusters = havingKey(bootstrap, 'load_assignment').map(({ name }) => name);
    const named = havingKey(bootstrap, 'cluster_name').map((mapping) => mapping['cluster_name']);
    expect(new Set(named)).toEqual(new Set(clusters));
  });
});

describe('the example of Istio', () => {
  it('asks the provider that its comment defines, about every request', () => {
    const documents = parseAllDocuments(read('istio.yaml')).map((document): unknown => document.toJS());
    expect(documents).toMatchObject([
      { kind: 'AuthorizationPolicy', spec: { action: 'CUSTOM', provider: { name: 'sallyport' }, rules: [{}] } },
      { kind: 'PeerAuthentication', spec: { mtls: { mode: 'STRICT' } } },
      { kind: 'DestinationRule' },
    ]);
    const comment = Array.from(read('istio.yaml').matchAll(/^# {3}(.*)$/gm), ([, line = '']) => line).join('\n');
    expect(parse(comment)).toMatchObject({
      extensionProviders: [{ name: 'sallyport', envoyExtAuthzGrpc: { failOpen: false, port: 9191 } }],
    });
  });
});
