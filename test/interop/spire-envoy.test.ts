// Envoy as deploy/ has it, with a real SPIRE: SVIDs and bundles come to it by SDS, its decisions from Sallyport, which asks the same agent.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DataPlane, startDataPlane } from '../extauthz/data-plane.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';
import { findEnvoy } from './envoy/program.ts';
import { selectorsOf } from './spire/agent.ts';
import { findSpire, SPIRE_IS_MISSING } from './spire/programs.ts';
import { type Spire, startSpire } from './spire/spire.ts';

const STARTS_WITHIN_MS = 120_000;
const programs = findSpire();
const envoy = findEnvoy();
let spire: Spire;
let plane: DataPlane;

beforeAll(async () => {
  if (programs === null || envoy === null) return;
  spire = await startSpire({ programs, trustDomain: 'ai.example', x509SvidTtl: '10m' });
  const { server, agent } = spire;
  const ownId = 'spiffe://ai.example/registry/sallyport';
  const entries = [
    { spiffeId: 'spiffe://ai.example/registry/envoy', program: envoy },
    { spiffeId: ownId, program: process.execPath },
  ];
  for (const { spiffeId, program } of entries) {
    await server.createEntry({ parentId: agent.spiffeId, spiffeId, selectors: selectorsOf(program) });
  }
  const bundlePem = await server.bundle('pem');
  plane = await startDataPlane('envoy', { kind: 'agent', socket: agent.socket, ownId, bundlePem });
}, STARTS_WITHIN_MS);

afterAll(async () => {
  await plane?.close();
  await spire?.close();
});

beforeEach(({ onTestFailed, skip }) => {
  if (programs === null) skip(SPIRE_IS_MISSING);
  if (envoy === null) skip('Envoy is not here: test/interop/envoy/fetch');
  onTestFailed(() => void process.stderr.write(spire.log));
});

describe('Envoy, SPIRE and Sallyport (skipped where one of them is missing)', () => {
  it.each([
    ['/training/a', 'POST', '/api/2.0/mlflow/runs/create', 200],
    ['/inference/a', 'GET', '/api/2.0/mlflow/runs/get', 200],
    ['/inference/a', 'POST', '/api/2.0/mlflow/runs/create', 403],
    ['/unknown/a', 'GET', '/api/2.0/mlflow/runs/get', 403],
  ])('answers %s, %s %s, with %i', async (from, method, path, status) => {
    const before = plane.arrived.length;
    const svid = await spire.server.mintX509(`spiffe://ai.example${from}`);
    const peer = await plane.connect(svid, 'registry');
    peer.send(`${method} ${path} HTTP/1.1\r\nhost: registry\r\ncontent-length: 0\r\n\r\n`);
    expect((await peer.response()).status).toBe(status);
    const arrived = plane.arrived.slice(before).map(({ headers }) => headers['x-spiffe-id']);
    expect(arrived).toEqual(status === 200 ? [`spiffe://ai.example${from}`] : []);
    peer.socket.destroy();
  });

  it('turns away who is of a trust domain that SPIRE does not vouch for', async () => {
    const stranger = createTestAuthority('ai.example').issue('/training/a');
    const before = plane.arrived.length;
    const answer = await plane.connect(stranger, 'registry').then(
      async (peer) => {
        peer.request('GET', '/api/2.0/mlflow/runs/get');
        return peer.closed();
      },
      () => '',
    );
    expect(answer).toBe('');
    expect(plane.arrived).toHaveLength(before);
  });
});
