import { webcrypto } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { issueSvid } from '../../src/devca/svid.ts';
import type { DevelopmentAuthority } from '../../src/devca/authority.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundlePem } from '../../src/spiffe/trust-bundle.ts';
import { toAuthorityFiles } from '../../src/devca/authority.ts';
import { type AgentSetting, idOf, newAuthority, openAgentSetting, Workload } from '../support/agent-setting.ts';

// What a stream stands on, taken away in five ways from one sidecar: each cuts the stream of whom it concerns, and no other.

const TTL_MS = 4_000;
const GRACE_MS = 500;
/** For the revocation file, the policy file and the agent's message to be noticed and put in force. */
const NOTICED_MS = 1_000;

const POLICY = (components: readonly string[]): string => `version: 1
trustDomain: ai.example
components:
  training: {}
  inference: {}
  notebook: {}
  partner: { ids: ["spiffe://partner.example/**"] }
  registry: {}
access:
${components.map((name) => `  ${name}: { allow: [registry] }`).join('\n')}
`;
const EVERYBODY = ['training', 'inference', 'notebook', 'partner'];

let upstream: Server;
let setting: AgentSetting;
let partner: DevelopmentAuthority;

beforeAll(async () => {
  upstream = createServer((_incoming, response) => {
    const timer = setInterval(() => response.write('tick\n'), 50);
    response.on('close', () => clearInterval(timer));
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const address = upstream.address();
  partner = await newAuthority('partner.example');
  const bundle = parseTrustBundlePem(
    parseTrustDomain('partner.example'),
    Buffer.from(toAuthorityFiles(partner).bundlePem),
    'partner.pem',
  );
  setting = await openAgentSetting({
    upstreamPort: typeof address === 'object' && address !== null ? address.port : 0,
    policy: POLICY(EVERYBODY),
    ids: ['/training/deleted', '/training/kept'],
    ttlMs: TTL_MS,
    federatedBundles: [bundle],
    extra: `leases: { grace: ${GRACE_MS}ms }\n`,
  });
});

afterAll(async () => {
  await setting.close();
  upstream.closeAllConnections();
  upstream.close();
});

interface Credential {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

async function issue(
  id: string,
  ttlMs: number,
  authority = setting.authority,
): Promise<Credential & { notAfterMs: number }> {
  const request = { id: parseSpiffeId(id), ttlMs, keyType: 'p256' as const, dnsNames: [], ipAddresses: [] };
  return issueSvid(authority, request, { nowMs: Date.now(), crypto: webcrypto });
}

/** A stream that flows; `cutMs` resolves to the wall time at which it ended. */
class OpenStream {
  readonly cutMs: Promise<number>;
  isCut = false;
  readonly #socket: TLSSocket;

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    this.cutMs = new Promise((resolve) => {
      socket.on('close', () => {
        this.isCut = true;
        resolve(Date.now());
      });
    });
    onTestFinished(() => {
      socket.destroy();
    });
  }

  /** @throws when the sidecar does not answer with 200 */
  static async open({ certificatePem, privateKeyPem }: Credential): Promise<OpenStream> {
    const socket = connect({
      host: '127.0.0.1',
      port: setting.sidecar.port,
      cert: certificatePem,
      key: privateKeyPem,
      rejectUnauthorized: false,
    });
    socket.on('error', () => undefined);
    const stream = new OpenStream(socket);
    socket.write('GET /stream HTTP/1.1\r\nhost: registry\r\n\r\n');
    let received = '';
    await new Promise<void>((resolve, reject) => {
      socket.on('data', (bytes: Buffer) => {
        received += bytes.toString('latin1');
        if (received.includes('tick')) resolve();
      });
      socket.on('close', () => reject(new Error(`refused: ${received.slice(0, 80)}`)));
    });
    return stream;
  }

  close(): void {
    this.#socket.destroy();
  }
}

const figures: string[] = [];

/** `take` takes away what `victim` stands on, and says when at the latest that was so. */
async function expectCut(
  name: string,
  streams: { readonly victim: OpenStream; readonly witness: OpenStream },
  take: () => Promise<number> | number,
): Promise<void> {
  const takenMs = await take();
  const cutMs = await streams.victim.cutMs;
  figures.push(`${name}: ${cutMs - takenMs} ms`);
  expect(cutMs).toBeLessThan(takenMs + NOTICED_MS + GRACE_MS);
  expect(streams.witness.isCut).toBe(false);
  streams.witness.close();
}

describe('an open stream is cut, and only that of the peer concerned', () => {
  afterAll(() => console.log(`cut after\n  ${figures.join('\n  ')}`));

  it('when the bundle of its trust domain is removed', async () => {
    const victim = await OpenStream.open(await issue('spiffe://partner.example/job', 60_000, partner));
    const witness = await OpenStream.open(await issue('spiffe://ai.example/training/other', 60_000));
    await expectCut('bundle removed', { victim, witness }, async () => {
      await setting.agent.setFederatedBundles([]);
      return Date.now();
    });
  });

  it('when its ID is revoked', async () => {
    const victim = await OpenStream.open(await issue('spiffe://ai.example/notebook/alice', 60_000));
    const witness = await OpenStream.open(await issue('spiffe://ai.example/notebook/bob', 60_000));
    await expectCut('ID revoked', { victim, witness }, () => {
      setting.write(
        'revocations.yaml',
        'version: 1\nrevocations:\n  - { id: spiffe://ai.example/notebook/alice, reason: laptop lost, at: 2026-11-21T12:00:00Z }\n',
      );
      return Date.now();
    });
  });

  it('when policy no longer allows it', async () => {
    const victim = await OpenStream.open(await issue('spiffe://ai.example/inference/server', 60_000));
    const witness = await OpenStream.open(await issue('spiffe://ai.example/training/other', 60_000));
    await expectCut('policy changed', { victim, witness }, () => {
      setting.write('policy.yaml', POLICY(EVERYBODY.filter((name) => name !== 'inference')));
      return Date.now();
    });
  });

  it('when its leaf expires, after the grace', async () => {
    const { notAfterMs, ...short } = await issue('spiffe://ai.example/training/short', 3_000);
    const victim = await OpenStream.open(short);
    const witness = await OpenStream.open(await issue('spiffe://ai.example/training/other', 60_000));
    await expectCut('leaf expired (grace of 500 ms included)', { victim, witness }, () => notAfterMs);
    expect(await victim.cutMs).toBeGreaterThanOrEqual(notAfterMs);
  });

  it('when its entry is deleted, at the end of the last SVID that it got; who is still entered goes on with the next one', async () => {
    const deleted = await new Workload(setting.directory, '/training/deleted').ready();
    const kept = await new Workload(setting.directory, '/training/kept').ready();
    onTestFinished(() => {
      deleted.close();
      kept.close();
    });
    const last = deleted.identity;
    if (last === null || kept.identity === null) throw new Error('no identity');
    const victim = await OpenStream.open(last);
    await setting.agent.removeEntry(idOf('/training/deleted'));
    const takenMs = Date.now();
    const cutMs = await victim.cutMs;
    figures.push(
      `entry deleted: ${cutMs - last.svid.notAfterMs} ms after the last SVID, ${cutMs - takenMs} ms after the deletion`,
    );
    expect(cutMs).toBeLessThan(last.svid.notAfterMs + NOTICED_MS + GRACE_MS);
    expect(deleted.identity).toBeNull();
    await expect(OpenStream.open(last)).rejects.toThrow('401');
    const next = await OpenStream.open(kept.identity);
    expect(next.isCut).toBe(false);
  });
});

describe('when the entry of the sidecar itself is deleted', () => {
  it('it stops serving at once, says so, and serves again when it is back', async () => {
    const own = setting.agent.entries.find(({ id }) => id === idOf('/registry/sidecar'));
    if (own === undefined) throw new Error('no entry');
    const credential = await issue('spiffe://ai.example/training/other', 60_000);
    const stream = await OpenStream.open(credential);
    const takenMs = Date.now();
    await setting.agent.removeEntry(own.id);
    expect((await stream.cutMs) - takenMs).toBeLessThan(NOTICED_MS);
    await expect(OpenStream.open(credential)).rejects.toThrow('refused');
    const { status, body } = await setting.sidecar.get('/readyz');
    expect(status).toBe(503);
    expect(body).toContain('Workload API withdrawn');
    expect((await setting.sidecar.get('/identity')).body).toContain('no SVID: nothing is served');
    await setting.agent.addEntry(own);
    await setting.sidecar.logged({ msg: 'the Workload API is back' });
    (await OpenStream.open(credential)).close();
    expect((await setting.sidecar.get('/readyz')).status).toBe(200);
  });
});
