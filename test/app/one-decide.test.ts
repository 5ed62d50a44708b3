import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseConfig } from '../../src/app/config.ts';
import { createLocalPlane } from '../../src/app/plane.ts';
import { type Sidecar, startSidecar } from '../../src/app/sidecar.ts';
import { readFileGroup } from '../../src/files/file-group.ts';
import { nodeFileSystem } from '../../src/files/file-system.ts';
import { policyGroup, toPolicySources } from '../../src/files/policy-group.ts';
import type { Decision } from '../../src/policy/decision.ts';
import { explain } from '../../src/policy/explain.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import type { CompiledPolicy } from '../../src/policy/matrix.ts';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { connectPeer, OK, type RawPeer, ScriptedUpstream } from '../support/proxy-fixture.ts';
import { testAuthority } from '../support/svid-fixtures.ts';
import { portOf } from '../support/port-of.ts';

const SAMPLE = 10_000;
const POLICIES = resolve(import.meta.dirname, '../../policies');
const COMPONENTS = [
  'training',
  'inference',
  'pipeline',
  'registry',
  'feature-store',
  'data-store',
  'experiment-tracker',
  'monitoring-admin',
];
const PEERS = [
  ...COMPONENTS.map((name) => `/${name}/a`),
  '/training/deep/er/job',
  '/training',
  '/trainingx/job',
  '/unknown/job',
  '/x/training/job',
];
const PATHS = [
  '/',
  '/x',
  '/api/2.0/mlflow/runs/get',
  '/api/2.0/mlflow/runs/create',
  '/api/2.0/mlflow/runs/search',
  '/ajax-api/2.0/mlflow/runs/delete',
  '/api/2.0/mlflow-artifacts/artifacts/1/model.bin',
  '/api/2.0/mlflow-artifacts/artifacts/1/lr%3D0.1',
  '/api/2.0/mlflow/users/create',
  '/API/2.0/mlflow/runs/get',
  '/health',
  '/a/b/c?q=1',
  '/a/b/c?q=1&q=2',
];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'get', 'PROPFIND'];

let directory: string;
let upstream: ScriptedUpstream;
let sidecar: Sidecar;
let policy: CompiledPolicy;
const decisions: (Decision | null)[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-one-decide-'));
  const authority = testAuthority();
  const own = authority.issue('/proxy/a');
  writeFileSync(join(directory, 'own.pem'), own.certificatePem);
  writeFileSync(join(directory, 'own.key'), own.privateKeyPem, { mode: 0o600 });
  writeFileSync(join(directory, 'bundle.pem'), authority.certificatePem);
  upstream = await ScriptedUpstream.start((head, socket) =>
    socket.write(head.startsWith('HEAD') ? 'HTTP/1.1 204 No Content\r\n\r\n' : OK),
  );
  const text = `
trustDomain: ai.example
identity:
  files:
    certificate: own.pem
    privateKey: own.key
    trustBundles: { ai.example: bundle.pem }
policy: { path: ${POLICIES} }
listeners:
  - name: platform
    bind: 127.0.0.1:0
    routes:
${COMPONENTS.map((name) => `      - { host: ${name}, component: ${name}, upstream: "http://127.0.0.1:${upstream.port}" }`).join('\n')}
admin: { bind: none }
`;
  const config = parseConfig(Buffer.from(text), join(directory, 'sallyport.yaml'));
  const sink = { write: () => undefined };
  sidecar = await startSidecar({
    config,
    log: createLogger({ level: 'fatal', destination: sink }),
    decisionLog: sink,
    logWriteFailures: () => 0,
    createPlane: createLocalPlane,
    onRequest: (record) => decisions.push(record.decision),
    endpointSocket: null,
    signal: new AbortController().signal,
  });
  const location = { path: POLICIES, builtinProtocols: join(POLICIES, 'protocols') };
  const reading = await readFileGroup(policyGroup(location), nodeFileSystem);
  policy = loadPolicy(toPolicySources(reading, location), 'enforce');
});

afterAll(async () => {
  await sidecar.close();
  upstream.close();
  rmSync(directory, { recursive: true });
});

async function statusWithoutBody(peer: RawPeer): Promise<number> {
  const head = await peer.until((received) => received.endsWith('\r\n\r\n'));
  peer.received = '';
  return Number(head.slice(9, 12));
}

it(`decides ${SAMPLE} random requests as policy explain does`, async () => {
  const port = portOf(sidecar.listeners.get('platform'));
  const peers = new Map<string, RawPeer>();
  for (const path of PEERS)
    peers.set(path, await connectPeer(port, testAuthority().issue(path), { ca: testAuthority().certificatePem }));
  const cases = fc.sample(
    fc.record({
      from: fc.constantFrom(...PEERS),
      to: fc.constantFrom(...COMPONENTS),
      method: fc.constantFrom(...METHODS),
      target: fc.oneof(
        fc.constantFrom(...PATHS),
        fc
          .array(fc.stringMatching(/^[A-Za-z0-9_~-]{1,8}$/), { minLength: 1, maxLength: 4 })
          .map((parts) => `/${parts.join('/')}`),
      ),
    }),
    SAMPLE,
  );
  const effects = new Map<string, number>();
  for (const { from, to, method, target } of cases) {
    const peer = peers.get(from);
    if (peer === undefined) throw new Error(`no peer ${from}`);
    decisions.length = 0;
    peer.send(`${method} ${target} HTTP/1.1\r\nhost: ${to}\r\n\r\n`);
    const status = method === 'HEAD' ? await statusWithoutBody(peer) : (await peer.response()).status;
    const [path = '', query] = target.split('?');
    const request = {
      principal: parseSpiffeId(`spiffe://ai.example${from}`),
      target: to,
      method,
      path,
      query: query ?? null,
      upgrade: null,
    };
    const { decision } = explain(policy, request);
    expect({ request, decision: decisions[0] }).toEqual({ request, decision });
    expect(status === 403).toBe(decision.effect === 'deny');
    effects.set(decision.reason, (effects.get(decision.reason) ?? 0) + 1);
  }
  // A sample in which one answer is missing proves little.
  expect([...effects.keys()].toSorted()).toEqual(
    expect.arrayContaining(['allowed-by-rule', 'denied-by-rule', 'not-granted', 'unknown-principal', 'unknown-route']),
  );
  for (const peer of peers.values()) peer.socket.destroy();
}, 120_000);
