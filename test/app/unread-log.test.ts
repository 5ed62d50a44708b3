import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { ARTICLE_POLICY, connectPeer, type RawPeer } from '../support/proxy-fixture.ts';
import { testAuthority } from '../support/svid-fixtures.ts';

const MAIN = resolve(import.meta.dirname, '../../src/main.ts');
/** Some 600 octets of log each: many times what a pipe holds. */
const DENIALS = 2_000;

it('EX-173 ends after its drain although nobody reads its log', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-unread-'));
  const authority = testAuthority();
  const own = authority.issue('/registry/proxy');
  const port = await freePort();
  writeFileSync(join(directory, 'own.pem'), own.certificatePem);
  writeFileSync(join(directory, 'own.key'), own.privateKeyPem, { mode: 0o600 });
  writeFileSync(join(directory, 'bundle.pem'), authority.certificatePem);
  writeFileSync(join(directory, 'policy.yaml'), ARTICLE_POLICY);
  writeFileSync(
    join(directory, 'sallyport.yaml'),
    `trustDomain: ai.example
identity: { files: { certificate: own.pem, privateKey: own.key, trustBundles: { ai.example: bundle.pem } } }
policy: { path: policy.yaml }
listeners: [{ name: registry, bind: "127.0.0.1:${port}", component: registry, upstream: "http://127.0.0.1:9" }]
admin: { bind: none }
`,
  );
  const args = [MAIN, 'run', '--config', join(directory, 'sallyport.yaml')];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  // The pipe is there and stays unread.
  const peer = await connectWhenListening(port);
  for (let sent = 0; sent < DENIALS; sent += 1) {
    peer.request('PUT', '/denied');
    expect((await peer.response()).status).toBe(403);
  }
  peer.socket.destroy();
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
  rmSync(directory, { recursive: true });
});

async function connectWhenListening(port: number): Promise<RawPeer> {
  const svid = testAuthority().issue('/inference/server');
  for (;;) {
    try {
      return await connectPeer(port, svid, { ca: testAuthority().certificatePem });
    } catch {
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}
