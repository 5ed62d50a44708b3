// go-spiffe as an independent workload: of the development agent, as a client of a Sallyport listener, and as a server.

import { createHash, createPrivateKey, webcrypto } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { connect } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { DevelopmentAuthority } from '../../src/devca/authority.ts';
import { issueSvid } from '../../src/devca/svid.ts';
import { formatPem } from '../../src/pki/pem.ts';
import { type OwnIdentity, parseOwnIdentityDer } from '../../src/spiffe/own-identity.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundleDer, type TrustBundles } from '../../src/spiffe/trust-bundle.ts';
import { verifyX509Svid } from '../../src/spiffe/x509-svid.ts';
import { type ProxyFixture, ScriptedUpstream, startProxy } from '../support/proxy-fixture.ts';
import { entry, partnerBundle, temporaryDirectory, testAgent } from '../workload-api/server-agent-fixture.ts';
import { ExternalProcess } from './external-process.ts';
import { type Change, startClient, startJwt, startServer, startWatcher, type Watcher } from './go-peer.ts';
import { useGoProgram } from './go-program.ts';

const MAIN = resolve(import.meta.dirname, '../../src/main.ts');
const SALLYPORT = 'spiffe://ai.example/registry/proxy';
const TRAINING = 'spiffe://ai.example/training/job';
const trustDomain = parseTrustDomain('ai.example');
const program = useGoProgram('go-spiffe peer');

function watch(socket: string): Watcher {
  const watcher = startWatcher(program(), socket);
  onTestFinished(() => watcher.close());
  return watcher;
}

const hasSvids = (change: Change): boolean => change.event === 'x509';

describe('go-spiffe as a workload of the development agent (skipped without Go or its module)', () => {
  it('is given every SVID with its key and hint, and the bundles', async () => {
    const training = entry('/training/job', { hint: 'internal' });
    const federatedBundles = [await partnerBundle()];
    const { agent, authority } = await testAgent([training, entry('/training/other')], { federatedBundles });
    await agent.start();
    const seen = await watch(agent.endpoint).find(hasSvids);
    const keyMatches = true;
    expect(seen).toMatchObject({
      svids: [
        { id: TRAINING, hint: 'internal', keyMatches },
        { id: 'spiffe://ai.example/training/other', hint: '', keyMatches },
      ],
      bundles: { 'ai.example': [sha256(authority.root.rawData)], 'partner.example': [expect.any(String)] },
    });
  });

  it('sees the renewal at half the life, with a new key', async () => {
    const { agent, port } = await testAgent([entry('/training/job')]);
    await agent.start();
    const watcher = watch(agent.endpoint);
    const first = await watcher.find(hasSvids);
    port.pass(15_000);
    const second = await watcher.find((change) =>
      serialsOf(change).some((serial) => !serialsOf(first).includes(serial)),
    );
    expect(second).toMatchObject({ svids: [{ id: TRAINING, keyMatches: true }] });
  });

  it('loses the bundle of a partner, the SVIDs and its permission when they are taken away', async () => {
    const { agent } = await testAgent([entry('/training/job')], { federatedBundles: [await partnerBundle()] });
    await agent.start();
    const watcher = watch(agent.endpoint);
    await watcher.find((change) => change.event === 'x509' && 'partner.example' in change.bundles);
    await watcher.find((change) => change.event === 'jwt-bundles' && 'partner.example' in change.bundles);
    await agent.setFederatedBundles([]);
    await watcher.find((change) => change.event === 'x509' && !('partner.example' in change.bundles));
    await watcher.find((change) => change.event === 'jwt-bundles' && !('partner.example' in change.bundles));
    await agent.setEntries([]);
    await watcher.find((change) => change.event === 'x509-error' && change.code === 'PermissionDenied');
    const before = watcher.changes.length;
    await agent.setEntries([entry('/training/job')]);
    await watcher.find(hasSvids, before);
  });

  it('comes back by itself after the agent was away', async () => {
    const { agent } = await testAgent([entry('/training/job')]);
    await agent.start();
    const watcher = watch(agent.endpoint);
    await watcher.find(hasSvids);
    await agent.stop();
    await watcher.find((change) => change.event === 'x509-error' && change.code === 'Unavailable');
    const before = watcher.changes.length;
    await agent.start();
    await watcher.find(hasSvids, before);
  });

  it('follows the SVIDs of seconds of `dev-ca serve`', async () => {
    const socket = join(temporaryDirectory(), 'agent.sock');
    const what = ['--socket', socket, '--trust-domain', 'ai.example', '--id', TRAINING, '--ttl', '2s'];
    const serving = new ExternalProcess(process.execPath, [MAIN, 'dev-ca', 'serve', ...what]);
    onTestFinished(() => serving.end('SIGKILL'));
    await serving.writes('SPIFFE_ENDPOINT_SOCKET');
    const serials = new Set<string>();
    await watch(`unix://${socket}`).find((change) => {
      for (const serial of serialsOf(change)) serials.add(serial);
      return serials.size === 3;
    });
    await serving.end('SIGTERM');
    expect(existsSync(socket)).toBe(false);
  });

  it('gets JWT-SVIDs, which both it and the agent accept for their audience alone', async () => {
    const { agent } = await testAgent([entry('/training/job'), entry('/training/other')]);
    await agent.start();
    const jwt = startJwt(program(), agent.endpoint);
    onTestFinished(() => jwt.close());
    const { id, token } = await jwt.fetch({ fetch: 'registry', subject: 'spiffe://ai.example/training/other' });
    expect(id).toBe('spiffe://ai.example/training/other');
    expect(await jwt.fetch({ fetch: 'registry' })).toMatchObject({ id: TRAINING, error: '' });
    const accepted = await jwt.validate({ validate: token, audience: 'registry' });
    expect(accepted).toMatchObject({ here: { id, error: '' }, there: { id, error: '' } });
    const refused = await jwt.validate({ validate: token, audience: 'billing' });
    expect([refused.here, refused.there]).toMatchObject([{ id: '' }, { id: '' }]);
    const unknown = await jwt.fetch({ fetch: 'registry', subject: 'spiffe://ai.example/unknown' });
    expect(unknown.error).toContain('PermissionDenied');
  });
});

describe('go-spiffe and Sallyport (skipped without Go or its module)', () => {
  it('reaches a service through the listener, with every SVID that its agent gives it', async () => {
    const { agent, authority } = await testAgent([entry('/training/job')]);
    await agent.start();
    const proxy = await startSallyport(authority);
    const client = await startClient(program(), agent.endpoint, SALLYPORT);
    onTestFinished(() => client.close());
    const url = `https://127.0.0.1:${proxy.port}/models`;
    expect(await client.send({ url })).toMatchObject({ status: 200, body: 'done', peer: SALLYPORT, reused: false });
    expect(await client.send({ url, method: 'POST', body: 'x' })).toMatchObject({ status: 200, reused: true });
    await agent.rotateNow();
    expect(await client.send({ url, fresh: true })).toMatchObject({ status: 200, reused: false });
    expect(proxy.recorder.requests.map(({ principal }) => principal)).toEqual([TRAINING, TRAINING, TRAINING]);
  });

  it('is refused what the matrix refuses, and as a stranger when its authority is', async () => {
    const { agent, authority } = await testAgent([entry('/training/job'), entry('/billing/job')]);
    await agent.start();
    const proxy = await startSallyport(authority);
    const impostor = await testAgent([entry('/training/job')]);
    await impostor.agent.start();
    await agent.removeEntry(parseSpiffeId(TRAINING));
    const url = `https://127.0.0.1:${proxy.port}/models`;

    const billing = await startClient(program(), agent.endpoint, SALLYPORT);
    onTestFinished(() => billing.close());
    expect(await billing.send({ url })).toMatchObject({ status: 403 });

    // It does not know Sallyport's authority either.
    const stranger = await startClient(program(), impostor.agent.endpoint, SALLYPORT);
    onTestFinished(() => stranger.close());
    expect(await stranger.send({ url })).toMatchObject({ status: 0, error: expect.stringContaining('verif') });
    expect(proxy.recorder.requests.map(({ status }) => status)).toEqual([403]);
  });

  it('does not talk to a listener that has not the SPIFFE ID it expects', async () => {
    const { agent, authority } = await testAgent([entry('/training/job')]);
    await agent.start();
    const proxy = await startSallyport(authority);
    const client = await startClient(program(), agent.endpoint, 'spiffe://ai.example/feature-store/proxy');
    onTestFinished(() => client.close());
    const answer = await client.send({ url: `https://127.0.0.1:${proxy.port}/models` });
    expect(answer).toMatchObject({ status: 0, error: expect.stringContaining('unexpected ID') });
  });

  it('serves a client that presents a SVID of ours, and proves to us who it is', async () => {
    const { agent, authority } = await testAgent([entry('/training/job')]);
    await agent.start();
    const server = await startServer(program(), agent.endpoint, SALLYPORT);
    onTestFinished(() => server.close());
    const { certificatePem, privateKeyPem } = await ownIdentity(authority);
    const ca = formatPem('CERTIFICATE', Buffer.from(authority.root.rawData));
    const socket = connect({
      port: server.port,
      ca,
      cert: certificatePem,
      key: privateKeyPem,
      checkServerIdentity: () => undefined,
    });
    onTestFinished(() => void socket.destroy());
    await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    const leaf = socket.getPeerCertificate().raw;
    expect(verifyX509Svid([leaf], bundlesOf(authority), Date.now()).id).toBe(TRAINING);
    socket.end('GET /x HTTP/1.1\r\nhost: peer\r\nconnection: close\r\n\r\n');
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    expect(answer).toContain(`{"path":"/x","peer":"${SALLYPORT}"}`);
  });
});

/** A listener in front of a service that answers `done`, trusting that authority alone. */
async function startSallyport(authority: DevelopmentAuthority): Promise<ProxyFixture> {
  const upstream = await ScriptedUpstream.start((_head, socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone');
  });
  onTestFinished(() => upstream.close());
  const proxy = await startProxy(upstream.port);
  onTestFinished(() => proxy.close());
  proxy.trust.swap(bundlesOf(authority));
  proxy.identity.swap(await ownIdentity(authority));
  return proxy;
}

async function ownIdentity(authority: DevelopmentAuthority): Promise<OwnIdentity> {
  const request = {
    id: parseSpiffeId(SALLYPORT),
    ttlMs: 3_600_000,
    keyType: 'p256',
    dnsNames: [],
    ipAddresses: [],
  } as const;
  const { chainDer, privateKeyPem } = await issueSvid(authority, request, { nowMs: Date.now(), crypto: webcrypto });
  const privateKey = createPrivateKey(privateKeyPem).export({ type: 'pkcs8', format: 'der' });
  return parseOwnIdentityDer({ chain: Buffer.concat(chainDer), privateKey, origin: 'test' }, trustDomain);
}

function bundlesOf({ root }: DevelopmentAuthority): TrustBundles {
  return new Map([[trustDomain, parseTrustBundleDer(trustDomain, new Uint8Array(root.rawData), 'test')]]);
}

function serialsOf(change: Change): readonly string[] {
  return change.event === 'x509' ? change.svids.map(({ serial }) => serial) : [];
}

function sha256(der: ArrayBuffer): string {
  return createHash('sha256').update(new Uint8Array(der)).digest('hex');
}
