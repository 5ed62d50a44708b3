import { assert, constantFrom, dictionary, jsonValue, oneof, property, record, string } from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConnectionError } from '../../src/kube/connection-error.ts';
import { loadKubeconfig } from '../../src/kube/kubeconfig.ts';
import { TemporaryDirectory } from '../files/temporary-directory.ts';

let directory: TemporaryDirectory;
beforeEach(() => {
  directory = new TemporaryDirectory();
});
afterEach(() => directory.remove());

/** Loads, or is refused for a reason of ours. */
function load(text: string, isInsecure: boolean): 'target' | 'refused' {
  try {
    const { server, serverProof } = loadKubeconfig({
      paths: [directory.write('config', text)],
      context: null,
      nowMs: 0,
    });
    expect(['https:', 'http:']).toContain(server.protocol);
    expect(serverProof.kind === 'none').toBe(isInsecure);
    return 'target';
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    expect(error.message).not.toContain('t0p-s3cret');
    return 'refused';
  }
}

const FIELDS = [
  'server',
  'certificate-authority',
  'certificate-authority-data',
  'tls-server-name',
  'insecure-skip-tls-verify',
  'proxy-url',
  'token',
  'tokenFile',
  'client-certificate',
  'client-certificate-data',
  'client-key',
  'client-key-data',
  'exec',
  'as',
  'as-groups',
  'as-user-extra',
  'extensions',
  'username',
  'auth-provider',
  '__proto__',
];
const value = oneof(
  {
    weight: 3,
    arbitrary: constantFrom('https://a:6443', 'relative', '/nonexistent', '', 'aGk=', true, false, null),
  },
  jsonValue({ maxDepth: 2 }),
  record(
    {
      apiVersion: constantFrom('client.authentication.k8s.io/v1', 'x'),
      command: jsonValue(),
      args: jsonValue(),
      env: jsonValue(),
    },
    { requiredKeys: [] },
  ),
);
const entry = dictionary(constantFrom(...FIELDS), value, { maxKeys: 5 });

describe('a kubeconfig', () => {
  it('of any content names a server or is refused, and no token is told', () => {
    const seen = new Set<string>();
    assert(
      property(entry, entry, (cluster, user) => {
        const text = JSON.stringify({
          kind: 'Config',
          'current-context': 'c',
          contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
          clusters: [{ name: 'c', cluster: { server: 'https://a', ...cluster } }],
          users: [{ name: 'u', user: { token: 't0p-s3cret', ...user } }],
        });
        seen.add(load(text, cluster['insecure-skip-tls-verify'] === true));
      }),
      { numRuns: 800 },
    );
    expect(seen).toEqual(new Set(['target', 'refused']));
  });

  it('of any bytes is refused', () => {
    assert(
      property(string({ unit: 'binary', maxLength: 200 }), (text) => {
        expect(load(text, false)).toBe('refused');
      }),
      { numRuns: 300 },
    );
  });
});
