import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OK, type ProxyFixture, ScriptedUpstream, startProxy } from '../support/proxy-fixture.ts';

const hasOpenssl = spawnSync('openssl', ['version']).error === undefined;

describe.skipIf(!hasOpenssl)('early data (needs openssl, which can send it)', () => {
  let upstream: ScriptedUpstream;
  let proxy: ProxyFixture;
  let directory: string;

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start((_head, socket) => socket.write(OK));
    proxy = await startProxy(upstream.port);
    directory = mkdtempSync(join(tmpdir(), 'sallyport-early-data-'));
    const svid = proxy.authority.issue('/training/job');
    writeFileSync(join(directory, 'peer.pem'), svid.certificatePem);
    writeFileSync(join(directory, 'peer.key'), svid.privateKeyPem);
    writeFileSync(join(directory, 'early'), 'GET /early HTTP/1.1\r\nhost: registry\r\n\r\n');
  });

  afterAll(async () => {
    await proxy.close();
    upstream.close();
    rmSync(directory, { recursive: true });
  });

  /** What `openssl s_client` prints; it asks once and waits for the answer. */
  async function client(...more: readonly string[]): Promise<string> {
    const child = spawn(
      'openssl',
      ['s_client', '-connect', `127.0.0.1:${proxy.port}`, '-tls1_3', '-cert', 'peer.pem', '-key', 'peer.key', ...more],
      { cwd: directory },
    );
    let printed = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (bytes: Buffer) => {
        printed += bytes.toString('latin1');
      });
    }
    child.stdin.write('GET /late HTTP/1.1\r\nhost: registry\r\nconnection: close\r\n\r\n');
    await new Promise((resolve) => child.once('close', resolve));
    return printed;
  }

  it('TL-53 is offered to nobody and taken from nobody', async () => {
    expect(await client('-sess_out', 'session')).toContain('HTTP/1.1 200 OK');
    const session = spawnSync('openssl', ['sess_id', '-in', 'session', '-text', '-noout'], { cwd: directory });
    expect(session.stdout.toString()).not.toMatch(/Max Early Data: [1-9]/);
    const again = await client('-sess_in', 'session', '-early_data', 'early');
    expect(again).not.toContain('Early data was accepted');
    expect(again).not.toContain('Reused, TLS');
    expect(again).toContain('HTTP/1.1 200 OK');
    expect(upstream.received).not.toContain('/early');
  });
});
