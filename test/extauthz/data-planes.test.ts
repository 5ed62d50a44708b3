// nginx, Caddy and Envoy, as deploy/ has them, with every decision made here: what they let through is what the proxy would.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CompiledPolicy } from '../../src/policy/matrix.ts';
import type { RawPeer } from '../support/proxy-fixture.ts';
import { createTestAuthority, testAuthority, type TestSvid } from '../support/svid-fixtures.ts';
import { type DataPlane, startDataPlane } from './data-plane.ts';
import { type Program, PROGRAMS } from './data-plane-programs.ts';
import { expectedStatus, type MatrixCase, PEERS, readMatrix, sampleCases } from './matrix.ts';

const SAMPLE = 10_000;

describe.each<Program>(['nginx', 'caddy', 'envoy'])('%s', (program) => {
  const missing = PROGRAMS[program].path === null;
  const title = (text: string): string => (missing ? `${text} (skipped: ${program} is not installed)` : text);
  let plane: DataPlane;
  let policy: CompiledPolicy;
  const svids = new Map<string, TestSvid>(PEERS.map((peer) => [peer, testAuthority().issue(peer)]));

  beforeAll(async () => {
    policy = await readMatrix();
    if (!missing) plane = await startDataPlane(program, { kind: 'files', authority: testAuthority() });
  });
  afterAll(async () => {
    if (!missing) await plane.close();
  });

  const open = new Map<string, RawPeer>();
  async function ask({ from, to, method, target }: MatrixCase, fields = ''): Promise<{ status: number; head: string }> {
    const key = `${from} ${to}`;
    let peer = open.get(key);
    if (peer === undefined || peer.ended) {
      const svid = svids.get(from);
      if (svid === undefined) throw new Error(`no peer ${from}`);
      peer = await plane.connect(svid, to);
      open.set(key, peer);
    }
    peer.send(`${method} ${target} HTTP/1.1\r\nhost: ${to}\r\n${fields}\r\n`);
    const { status, head } = method === 'HEAD' ? await headOnly(peer) : await peer.response();
    // nginx ends the connection behind what it does not take for a request.
    if (/^connection: close\r$/im.test(head)) {
      open.delete(key);
      peer.socket.destroy();
    }
    return { status, head };
  }

  async function headOnly(peer: RawPeer): Promise<{ status: number; head: string }> {
    const head = await peer.until((received) => received.includes('\r\n\r\n'));
    peer.received = '';
    return { status: Number(head.slice(9, 12)), head };
  }

  it.skipIf(missing)(
    title(`answers ${SAMPLE} random requests as the proxy does, and lets none through that it would not`),
    async () => {
      const counts = { same: 0, forbiddenForBad: 0, byDataPlane: 0 };
      const allowed: MatrixCase[] = [];
      const cases = sampleCases(SAMPLE);
      for (const asked of cases) {
        const expected = expectedStatus(policy, asked);
        const before = plane.records.length;
        const { status } = await ask(asked);
        const wasAsked = plane.records.length > before;
        if (status === expected) counts.same += 1;
        // nginx can hand on 401 and 403 alone.
        else if (expected === 400 && status === 403) counts.forbiddenForBad += 1;
        // What it does not take for a request it does not ask about.
        else if (expected === 400 && !wasAsked && status >= 400) counts.byDataPlane += 1;
        else expect({ asked, status }).toEqual({ asked, status: expected });
        if (status < 400) allowed.push(asked);
      }
      expect(counts.same + counts.forbiddenForBad + counts.byDataPlane).toBe(SAMPLE);
      expect(allowed.length).toBeGreaterThan(SAMPLE / 50);
      // The bytes that were decided are those that arrived, in the name of who was decided on.
      expect(plane.arrived.map(({ method, target }) => ({ method, target }))).toEqual(
        allowed.map(({ method, target }) => ({ method, target })),
      );
      expect(plane.arrived.map(({ headers }) => headers['x-spiffe-id'])).toEqual(
        allowed.map(({ from }) => `spiffe://ai.example${from}`),
      );
      // Of those that the proxy answers with 400, nginx is told 403; Caddy hands on the 400.
      expect(counts.forbiddenForBad > 0).toBe(program === 'nginx');
    },
    240_000,
  );

  const write: MatrixCase = {
    from: '/inference/a',
    to: 'registry',
    method: 'POST',
    target: '/api/2.0/mlflow/runs/create',
  };
  const read: MatrixCase = { from: '/inference/a', to: 'registry', method: 'GET', target: '/api/2.0/mlflow/runs/get' };

  it.skipIf(missing)(title('tells the decision id to whoever is refused'), async () => {
    const { status, head } = await ask(write);
    expect(status).toBe(403);
    expect(/^x-sallyport-decision-id: ([0-9a-f]{32})\r$/im.exec(head)?.[1]).toBe(plane.records.at(-1)?.decisionId);
  });

  it.skipIf(missing)(title('takes no identity from what a peer says of itself'), async () => {
    const forged = encodeURIComponent(testAuthority().issue('/training/a').certificatePem);
    const names = [
      'X-Client-Cert',
      'X-Forwarded-Tls-Client-Cert',
      'X-Spiffe-Id',
      'X_Spiffe_Id',
      'X-Original-Method',
      'X-Original-URI',
      'X-Forwarded-Method',
      'X-Forwarded-Uri',
      'X-Forwarded-Client-Cert',
      'X-Sallyport-Component',
      'X-Sallyport-Actor',
    ];
    const fields = names.map((name) => `${name}: ${/Cert/.test(name) ? forged : '/'}\r\n`).join('');
    expect((await ask(write, fields)).status).toBe(403);
    expect((await ask(read, fields)).status).toBe(200);
    const headers = plane.arrived.at(-1)?.headers ?? {};
    expect(headers).toMatchObject({
      'x-spiffe-id': 'spiffe://ai.example/inference/a',
      'x-sallyport-component': 'inference',
    });
    for (const name of ['x_spiffe_id', 'x-sallyport-actor']) expect(headers[name] ?? '').toBe('');
    // Envoy makes its own of the certificate.
    const clientCert = String(headers['x-forwarded-client-cert'] ?? '');
    if (program !== 'envoy') expect(clientCert).toBe('');
    else expect(clientCert).toMatch(/^By=[^;]+;Hash=[0-9a-f]{64};URI=spiffe:\/\/ai\.example\/inference\/a$/);
  });

  it.skipIf(missing)(title('turns a peer away whose certificate nobody vouches for'), async () => {
    const stranger = createTestAuthority('ai.example').issue('/training/a');
    const before = plane.arrived.length;
    // In the handshake, or with its first answer.
    const refused = await plane.connect(stranger, 'registry').then(
      async (peer) => {
        peer.request('GET', '/x');
        const head = await peer.closed();
        return head === '' || Number(head.slice(9, 12)) >= 400;
      },
      () => true,
    );
    expect(refused).toBe(true);
    expect(plane.arrived).toHaveLength(before);
  });

  it.skipIf(missing)(title('answers with an error when there is nobody to ask'), async () => {
    await plane.sidecar.close();
    const before = plane.arrived.length;
    expect((await ask(read)).status).toBeGreaterThanOrEqual(500);
    expect(plane.arrived).toHaveLength(before);
  });
});
