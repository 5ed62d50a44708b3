// A TCP listener of several workers: what goes through each of them, and what ends it.

import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectPeer, type RawPeer } from '../../support/proxy-fixture.ts';
import {
  runSidecar,
  type SidecarFiles,
  type SidecarProcess,
  writeSidecarFiles,
} from '../../support/sidecar-process.ts';
import { testAuthority } from '../../support/svid-fixtures.ts';
import { CONNECT_POLICY } from '../../support/tcp-setting.ts';
import { peerOnEach, sumOf, workerPids } from '../../support/workers.ts';

const WORKERS = 2;
const LARGE = 'x'.repeat(1_000_000);

let echo: Server;
let files: SidecarFiles;
let sidecar: SidecarProcess;

beforeAll(async () => {
  echo = createServer({ allowHalfOpen: true }, (socket: Socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  await new Promise<void>((done) => echo.listen(0, '127.0.0.1', done));
  const address = echo.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const options = { upstreamPort: address.port, policy: CONNECT_POLICY, extra: `workers: ${WORKERS}\n` };
  files = writeSidecarFiles(options);
  const config = readFileSync(files.path('sallyport.yaml'), 'utf8');
  files.write('sallyport.yaml', config.replace('upstream: http:', 'mode: tcp\n    upstream: tcp:'));
  sidecar = await runSidecar(files, []);
});
afterAll(async () => {
  await sidecar.stop();
  echo.close();
});

const connect = (path: string): Promise<RawPeer> =>
  connectPeer(sidecar.port, testAuthority().issue(path), { ca: testAuthority().certificatePem });

/** A tunnel through each worker, through which something has gone both ways. */
async function tunnelOnEach(path: string): Promise<readonly RawPeer[]> {
  const peers = await peerOnEach(sidecar, workerPids(sidecar), () => connect(path));
  for (const peer of peers.values()) {
    peer.send('hello');
    await peer.until((received) => received.includes('hello'));
  }
  return [...peers.values()];
}

const metric = async (name: string, labels = ''): Promise<number> =>
  sumOf((await sidecar.get('/metrics')).body, name, labels);

describe('a TCP listener of several workers', () => {
  it('carries octets whole through each of them, until the peer has said that it is through', async () => {
    for (const peer of await tunnelOnEach('/training/job')) {
      peer.socket.allowHalfOpen = true;
      peer.socket.end(LARGE);
      expect(await peer.closed()).toBe(`hello${LARGE}`);
    }
  });

  it('denies in each of them whom policy does not let in', async () => {
    const peers = await Promise.all(Array.from({ length: 8 }, () => connect('/inference/model')));
    expect(await Promise.all(peers.map((peer) => peer.closed()))).toEqual(peers.map(() => ''));
    while ((await metric('sallyport_decisions_total', 'effect="deny"')) < peers.length) await delay(20);
  });

  it('CA-113 cuts in each of them what a new policy does not allow, and nothing when another rule changes', async () => {
    const tunnels = await tunnelOnEach('/training/job');
    files.write('policy.yaml', CONNECT_POLICY.replace('deny: [registry]', 'deny: []'));
    await sidecar.logged({ msg: 'reloaded', what: 'policy', epoch: 2 });
    for (const tunnel of tunnels) {
      tunnel.send('still there');
      await tunnel.until((received) => received.includes('still there'));
      expect(tunnel.ended).toBe(false);
    }
    files.write('policy.yaml', CONNECT_POLICY.replace('[{ registry: [connect] }]', '[]'));
    await Promise.all(tunnels.map((tunnel) => tunnel.closed()));
    expect(await metric('sallyport_connections_terminated_total', 'policy-changed')).toBe(WORKERS);
  });
});
