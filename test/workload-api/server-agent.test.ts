// A development agent as clients without opinions see it: what it issues, when it renews it, and what it no longer says.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { status } from '@grpc/grpc-js';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { splitCertificates } from '../../src/spiffe/concatenated-der.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundleDer } from '../../src/spiffe/trust-bundle.ts';
import { verifyX509Svid } from '../../src/spiffe/x509-svid.ts';
import {
  FETCH_JWT_BUNDLES,
  FETCH_JWT_SVID,
  FETCH_X509_BUNDLES,
  FETCH_X509_SVID,
  type X509SvidMessage,
  type X509SvidResponse,
} from '../../src/workload-api/messages.ts';
import { call, connect, openStream } from './raw-client.ts';
import { agentAuthority, entry, FakeAgentPort, partnerBundle, testAgent, TTL_MS } from './server-agent-fixture.ts';

const TRUST_DOMAIN = parseTrustDomain('ai.example');
const PARTNER = parseTrustDomain('partner.example');
const JOB = '/training/job-1';
const OTHER = '/inference/main';

function leafOf({ chain }: X509SvidMessage): X509Certificate {
  return new X509Certificate(chain);
}

function onlySvid({ svids }: X509SvidResponse): X509SvidMessage {
  const [svid, ...others] = svids;
  if (svid === undefined || others.length > 0) throw new Error(`${svids.length} SVIDs instead of one`);
  return svid;
}

const idsOf = ({ svids }: { readonly svids: readonly { readonly spiffeId: string }[] }) =>
  svids.map(({ spiffeId }) => spiffeId);
const serialOf = (response: X509SvidResponse) => leafOf(onlySvid(response)).serialNumber;

describe('X.509-SVIDs of a development agent', () => {
  it.each(['root', 'intermediate'] as const)(
    'come with key, chain and bundle that belong together, signed by the %s',
    async (signWith) => {
      const port = new FakeAgentPort();
      const authority = await agentAuthority(port, { signWith });
      const { agent } = await testAgent([entry(JOB, { hint: 'internal', dnsNames: ['localhost'] })], {
        port,
        authority,
      });
      await agent.start();
      const svid = onlySvid(await openStream(connect(agent.endpoint), FETCH_X509_SVID).next());
      expect(svid).toMatchObject({ spiffeId: `spiffe://ai.example${JOB}`, hint: 'internal' });
      const leaf = leafOf(svid);
      const key = createPrivateKey({ key: Buffer.from(svid.privateKey), format: 'der', type: 'pkcs8' });
      expect(leaf.checkPrivateKey(key)).toBe(true);
      expect(leaf.checkHost('localhost')).toBe('localhost');
      expect(Date.parse(leaf.validTo)).toBe(port.nowMs + TTL_MS);
      const bundle = parseTrustBundleDer(TRUST_DOMAIN, svid.bundle, 'bundle');
      expect(bundle.authorities).toHaveLength(1);
      const presented = splitCertificates(svid.chain, 'chain').map(({ der }) => der);
      expect(presented).toHaveLength(signWith === 'root' ? 1 : 2);
      const verified = verifyX509Svid(presented, new Map([[TRUST_DOMAIN, bundle]]), port.nowMs);
      expect(verified.id).toBe(`spiffe://ai.example${JOB}`);
    },
  );

  it('are those of all entries, in their order', async () => {
    const { agent } = await testAgent([entry(OTHER, { hint: 'b' }), entry(JOB, { hint: 'a' })]);
    await agent.start();
    const response = await openStream(connect(agent.endpoint), FETCH_X509_SVID).next();
    expect(idsOf(response)).toEqual([`spiffe://ai.example${OTHER}`, `spiffe://ai.example${JOB}`]);
    expect(response.svids.map(({ hint }) => hint)).toEqual(['b', 'a']);
  });

  it('are new, with new keys, at half of their life', async () => {
    const { agent, port } = await testAgent([entry(JOB)]);
    await agent.start();
    const stream = openStream(connect(agent.endpoint), FETCH_X509_SVID);
    const first = onlySvid(await stream.next());
    expect(port.delayMs).toBe(TTL_MS / 2);
    port.pass(TTL_MS / 2 - 1);
    port.pass(1);
    const second = onlySvid(await stream.next());
    expect(Buffer.from(second.privateKey).equals(first.privateKey)).toBe(false);
    expect(leafOf(second).serialNumber).not.toBe(leafOf(first).serialNumber);
    expect(Date.parse(leafOf(second).validTo)).toBe(port.nowMs + TTL_MS);
    expect(Buffer.from(second.bundle).equals(first.bundle)).toBe(true);
    expect(port.delayMs).toBe(TTL_MS / 2);
  });

  it.each([0, 1, 500, 999])(
    'live on without a gap when they live for 2 s, issued %d ms into a second',
    async (offsetMs) => {
      const port = new FakeAgentPort();
      const { agent } = await testAgent([entry(JOB, { ttlMs: 2_000 })], { port });
      port.nowMs += offsetMs;
      await agent.start();
      const stream = openStream(connect(agent.endpoint), FETCH_X509_SVID);
      for (let round = 0; round < 5; round += 1) {
        const leaf = leafOf(onlySvid(await stream.next()));
        const leftMs = Date.parse(leaf.validTo) - port.nowMs;
        expect(leftMs).toBeGreaterThan(1_000);
        expect(port.delayMs).toBe(leftMs / 2);
        port.pass(leftMs / 2);
      }
    },
  );

  it('are renewed each in its own time', async () => {
    const { agent, port, events, nextEvent } = await testAgent([entry(JOB, { ttlMs: 10_000 }), entry(OTHER)]);
    await agent.start();
    await nextEvent();
    const stream = openStream(connect(agent.endpoint), FETCH_X509_SVID);
    const [shortLived, longLived] = (await stream.next()).svids;
    port.pass(5_000);
    const [renewed, kept] = (await stream.next()).svids;
    expect(renewed?.chain).not.toEqual(shortLived?.chain);
    expect(kept?.chain).toEqual(longLived?.chain);
    expect(events.at(-1)).toEqual({
      kind: 'issued',
      cause: 'half-life',
      svids: [{ id: `spiffe://ai.example${JOB}`, notAfterMs: port.nowMs + 10_000 }],
      served: 2,
      streams: 1,
    });
  });

  it('are renewed at once when asked for', async () => {
    const { agent, events } = await testAgent([entry(JOB)]);
    await agent.start();
    const stream = openStream(connect(agent.endpoint), FETCH_X509_SVID);
    const serials = [serialOf(await stream.next())];
    await agent.rotateNow();
    serials.push(serialOf(await stream.next()));
    expect(new Set(serials).size).toBe(2);
    expect(events.at(-1)).toMatchObject({ cause: 'asked', served: 1, streams: 1 });
  });

  it('stay when a CA that has ended cannot renew them, and are tried again', async () => {
    const port = new FakeAgentPort();
    const authority = await agentAuthority(port, { ttlMs: TTL_MS + 10_000 });
    const { agent, nextEvent } = await testAgent([entry(JOB)], { port, authority });
    await agent.start();
    await nextEvent();
    const stream = openStream(connect(agent.endpoint), FETCH_X509_SVID);
    const serial = serialOf(await stream.next());
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      port.pass(port.delayMs ?? 0);
      expect(await nextEvent()).toMatchObject({
        kind: 'not-issued',
        error: { code: 'ttl-outlives-ca' },
        retryMs: 5_000,
      });
      expect(port.delayMs).toBe(5_000);
    }
    expect(stream.waiting).toBe(0);
    expect(serialOf(await openStream(connect(agent.endpoint), FETCH_X509_SVID).next())).toBe(serial);
  });

  it('are looked after within the hour, however long they live', async () => {
    const { agent, port, events } = await testAgent([entry(JOB, { ttlMs: 80_000_000 })]);
    await agent.start();
    expect(port.delayMs).toBe(3_600_000);
    port.pass(3_600_000);
    await agent.setCrls([]);
    expect(port.delayMs).toBe(3_600_000);
    expect(events).toHaveLength(1);
  });
});

describe('entries that change', () => {
  it('WA-156 one that is gone is gone from the next message, and others keep their SVIDs', async () => {
    const { agent, events } = await testAgent([entry(JOB), entry(OTHER)]);
    await agent.start();
    const stream = openStream(connect(agent.endpoint), FETCH_X509_SVID);
    const [, kept] = (await stream.next()).svids;
    await agent.removeEntry(entry(JOB).id);
    const left = onlySvid(await stream.next());
    expect(left.spiffeId).toBe(entry(OTHER).id);
    expect(left.chain).toEqual(kept?.chain);
    expect(events.at(-1)).toEqual({ kind: 'issued', cause: 'entries', svids: [], served: 1, streams: 1 });
  });

  it('WA-156 without any, every stream and every call is denied, until there is one again', async () => {
    const { agent } = await testAgent([entry(JOB)]);
    await agent.start();
    const client = connect(agent.endpoint);
    const streams = [FETCH_X509_SVID, FETCH_X509_BUNDLES, FETCH_JWT_BUNDLES].map((method) =>
      openStream<unknown>(client, method),
    );
    for (const stream of streams) await stream.next();
    await agent.setEntries([]);
    const denied = { code: status.PERMISSION_DENIED, details: 'no identity issued' };
    for (const stream of streams) expect(await stream.ended).toEqual(denied);
    expect(await openStream(client, FETCH_X509_SVID).ended).toEqual(denied);
    expect(await call(client, FETCH_JWT_SVID, { audiences: ['a'], spiffeId: '' })).toEqual(denied);
    await agent.addEntry(entry(OTHER));
    expect(idsOf(await openStream(client, FETCH_X509_SVID).next())).toEqual([entry(OTHER).id]);
  });

  it('one that is added is served at once, one that is altered gets another SVID', async () => {
    const { agent, port } = await testAgent([entry(JOB)]);
    await agent.start();
    const stream = openStream(connect(agent.endpoint), FETCH_X509_SVID);
    const first = onlySvid(await stream.next());
    await agent.addEntry(entry(OTHER, { ttlMs: 10_000 }));
    const both = await stream.next();
    expect(idsOf(both)).toEqual([entry(JOB).id, entry(OTHER).id]);
    expect(both.svids[0]?.chain).toEqual(first.chain);
    expect(port.delayMs).toBe(5_000);
    await agent.setEntries([entry(JOB, { hint: 'now with one' })]);
    const altered = onlySvid(await stream.next());
    expect(altered.hint).toBe('now with one');
    expect(altered.chain).not.toEqual(first.chain);
  });

  it.each([
    ['two of the same ID', [entry(JOB), entry(JOB, { hint: 'b' })], 'duplicate-id'],
    ['WA-160 two of the same hint', [entry(JOB, { hint: 'a' }), entry(OTHER, { hint: 'a' })], 'duplicate-hint'],
    ['an ID without path', [{ ...entry(JOB), id: parseSpiffeId('spiffe://ai.example') }], 'id-without-path'],
    [
      'an ID of another trust domain',
      [{ ...entry(JOB), id: parseSpiffeId('spiffe://evil.example/x') }],
      'foreign-trust-domain',
    ],
    ['a lifetime beyond that of the CA', [entry(JOB, { ttlMs: 90_000_000 })], 'ttl-outlives-ca'],
  ])('refuses %s, and goes on with what it has', async (_name, entries, code) => {
    const { agent, port } = await testAgent([entry(OTHER)]);
    await agent.start();
    const stream = openStream(connect(agent.endpoint), FETCH_X509_SVID);
    await stream.next();
    await expect(agent.setEntries(entries)).rejects.toMatchObject({ code });
    expect(agent.entries).toEqual([entry(OTHER)]);
    expect(stream.waiting).toBe(0);
    port.pass(TTL_MS / 2);
    expect(idsOf(await stream.next())).toEqual([entry(OTHER).id]);
    await expect(testAgent(entries).then(({ agent: other }) => other.start())).rejects.toMatchObject({ code });
  });

  it('entries without hint may be many', async () => {
    const { agent } = await testAgent([entry(JOB), entry(OTHER)]);
    await expect(agent.addEntry(entry('/third'))).resolves.toBeUndefined();
  });
});

describe('trust bundles of a development agent', () => {
  it('are its own and those of other trust domains, by the SPIFFE ID of the trust domain', async () => {
    const partner = await partnerBundle();
    const { agent } = await testAgent([entry(JOB)], { federatedBundles: [partner] });
    await agent.start();
    const client = connect(agent.endpoint);
    const { federatedBundles, svids } = await openStream(client, FETCH_X509_SVID).next();
    expect([...federatedBundles.keys()]).toEqual(['spiffe://partner.example']);
    const [authority] = partner.authorities;
    expect(federatedBundles.get('spiffe://partner.example')).toEqual(authority?.der);
    const { bundles } = await openStream(client, FETCH_X509_BUNDLES).next();
    expect([...bundles.keys()]).toEqual(['spiffe://ai.example', 'spiffe://partner.example']);
    expect(bundles.get('spiffe://ai.example')).toEqual(svids[0]?.bundle);
    const [own] = agent.bundle.authorities;
    expect(bundles.get('spiffe://ai.example')).toEqual(own?.der);
  });

  it('WA-158 are gone from the next message when they are taken away', async () => {
    const { agent } = await testAgent([entry(JOB)], { federatedBundles: [await partnerBundle()] });
    await agent.start();
    const client = connect(agent.endpoint);
    const svids = openStream(client, FETCH_X509_SVID);
    const bundles = openStream(client, FETCH_X509_BUNDLES);
    const jwtBundles = openStream(client, FETCH_JWT_BUNDLES);
    const before = await svids.next();
    await bundles.next();
    await jwtBundles.next();
    await agent.setFederatedBundles([]);
    const after = await svids.next();
    expect(after.federatedBundles.size).toBe(0);
    expect(after.svids).toEqual(before.svids);
    expect([...(await bundles.next()).bundles.keys()]).toEqual(['spiffe://ai.example']);
    expect([...(await jwtBundles.next()).bundles.keys()]).toEqual(['spiffe://ai.example']);
  });

  it('CE-48 of a trust domain without authorities are not sent as certificates', async () => {
    const empty = { trustDomain: PARTNER, authorities: [], jwtAuthorities: new Map() };
    const { agent } = await testAgent([entry(JOB)], { federatedBundles: [empty] });
    await agent.start();
    const client = connect(agent.endpoint);
    expect((await openStream(client, FETCH_X509_SVID).next()).federatedBundles.size).toBe(0);
    const { bundles } = await openStream(client, FETCH_JWT_BUNDLES).next();
    expect(JSON.parse(Buffer.from(bundles.get('spiffe://partner.example') ?? []).toString())).toEqual({ keys: [] });
  });

  it('WA-159 are refused for its own trust domain, and twice for another one', async () => {
    const partner = await partnerBundle();
    const { agent } = await testAgent([entry(JOB)]);
    for (const bundles of [[agent.bundle], [partner, partner]]) {
      await expect(agent.setFederatedBundles(bundles)).rejects.toMatchObject({ code: 'federated-trust-domain' });
      await expect(testAgent([], { federatedBundles: bundles })).rejects.toMatchObject({
        code: 'federated-trust-domain',
      });
    }
  });

  it('do not come again when SVIDs are renewed and they stay', async () => {
    const { agent } = await testAgent([entry(JOB)]);
    await agent.start();
    const client = connect(agent.endpoint);
    const svids = openStream(client, FETCH_X509_SVID);
    const bundles = openStream(client, FETCH_X509_BUNDLES);
    await svids.next();
    await bundles.next();
    await agent.rotateNow();
    await svids.next();
    expect(bundles.waiting).toBe(0);
  });

  it('come with the revocation lists that it was given', async () => {
    const { agent } = await testAgent([entry(JOB)]);
    await agent.start();
    const client = connect(agent.endpoint);
    const svids = openStream(client, FETCH_X509_SVID);
    expect((await svids.next()).crls).toEqual([]);
    await agent.setCrls([Buffer.from('one'), Buffer.from('two')]);
    expect((await svids.next()).crls.map((crl) => Buffer.from(crl).toString())).toEqual(['one', 'two']);
    expect((await openStream(client, FETCH_X509_BUNDLES).next()).crls).toHaveLength(2);
  });
});

describe('JWT-SVIDs of a development agent', () => {
  const audiences = ['spiffe://ai.example/registry', 'other'];

  it('are for the audiences and identities asked for, and verified by what FetchJWTBundles gives', async () => {
    const entries = [entry(JOB, { hint: 'internal' }), entry(OTHER)];
    const { agent, port, events } = await testAgent(entries, { federatedBundles: [await partnerBundle()] });
    await agent.start();
    const client = connect(agent.endpoint);
    const { bundles } = await openStream(client, FETCH_JWT_BUNDLES).next();
    expect([...bundles.keys()]).toEqual(['spiffe://ai.example', 'spiffe://partner.example']);
    const jwks: JSONWebKeySet = JSON.parse(Buffer.from(bundles.get('spiffe://ai.example') ?? []).toString());
    expect(jwks.keys.map(({ use, x5c }) => ({ use, x5c }))).toEqual([{ use: undefined, x5c: undefined }]);
    const all = await call(client, FETCH_JWT_SVID, { audiences, spiffeId: '' });
    const one = await call(client, FETCH_JWT_SVID, { audiences, spiffeId: entry(OTHER).id });
    if (!('response' in all) || !('response' in one)) throw new Error('refused');
    expect(idsOf(all.response)).toEqual(entries.map(({ id }) => id));
    expect(all.response.svids.map(({ hint }) => hint)).toEqual(['internal', '']);
    expect(idsOf(one.response)).toEqual([entry(OTHER).id]);
    for (const { spiffeId, svid } of [...all.response.svids, ...one.response.svids]) {
      const { payload } = await jwtVerify(svid, createLocalJWKSet(jwks), { currentDate: new Date(port.nowMs) });
      expect(payload).toMatchObject({ sub: spiffeId, aud: audiences, exp: (port.nowMs + TTL_MS) / 1000 });
    }
    const expiresMs = port.nowMs + TTL_MS;
    expect(events.at(-1)).toEqual({ kind: 'jwt-issued', id: entry(OTHER).id, audiences, expiresMs });
  });

  it.each([
    ['no audience', { audiences: [], spiffeId: '' }, status.INVALID_ARGUMENT],
    ['an empty audience', { audiences: ['a', ''], spiffeId: '' }, status.INVALID_ARGUMENT],
    ['an ID that is none', { audiences, spiffeId: 'SPIFFE://ai.example/x' }, status.INVALID_ARGUMENT],
    ['an ID that is nobody here', { audiences, spiffeId: 'spiffe://ai.example/nobody' }, status.PERMISSION_DENIED],
    ['an ID of elsewhere', { audiences, spiffeId: 'spiffe://evil.example/x' }, status.PERMISSION_DENIED],
  ])('are not issued for %s', async (_name, request, code) => {
    const { agent } = await testAgent([entry(JOB)]);
    await agent.start();
    expect(await call(connect(agent.endpoint), FETCH_JWT_SVID, request)).toMatchObject({ code });
  });
});

describe('an agent that stops and starts', () => {
  it('is the same agent: its bundle, its entries, its JWT keys, its address; its SVIDs are new', async () => {
    const { agent, socketPath, port } = await testAgent([entry(JOB)]);
    await agent.start();
    const client = connect(agent.endpoint);
    const stream = openStream(client, FETCH_X509_SVID);
    const before = onlySvid(await stream.next());
    const jwtBundles = (await openStream(client, FETCH_JWT_BUNDLES).next()).bundles;
    await agent.stop();
    expect((await stream.ended).code).toBe(status.UNAVAILABLE);
    expect(existsSync(socketPath)).toBe(false);
    expect(port.delayMs).toBeNull();
    expect(agent.streams).toBe(0);
    await agent.addEntry(entry(OTHER));
    await agent.start();
    const again = connect(agent.endpoint);
    const after = await openStream(again, FETCH_X509_SVID).next();
    expect(idsOf(after)).toEqual([entry(JOB).id, entry(OTHER).id]);
    expect(after.svids[0]?.bundle).toEqual(before.bundle);
    expect(after.svids[0]?.chain).not.toEqual(before.chain);
    expect((await openStream(again, FETCH_JWT_BUNDLES).next()).bundles).toEqual(jwtBundles);
    expect(port.delayMs).toBe(TTL_MS / 2);
  });

  it('comes back on the port that it had', async () => {
    const socket = { address: { kind: 'tcp', host: '127.0.0.1', port: 0 }, mode: 0o600 } as const;
    const { agent } = await testAgent([entry(JOB)], { socket });
    await agent.start();
    const { endpoint } = agent;
    expect(endpoint).toMatch(/^tcp:\/\/127\.0\.0\.1:[1-9]\d*$/);
    await agent.stop();
    await agent.start();
    expect(agent.endpoint).toBe(endpoint);
    expect(idsOf(await openStream(connect(endpoint), FETCH_X509_SVID).next())).toEqual([entry(JOB).id]);
  });

  it('starts once, stops as often as one likes, and never again after close', async () => {
    const { agent } = await testAgent([entry(JOB)]);
    await agent.start();
    await expect(agent.start()).rejects.toMatchObject({ code: 'cannot-start' });
    await agent.stop();
    await agent.stop();
    await agent.start();
    await agent.close();
    await agent.close();
    await expect(agent.start()).rejects.toMatchObject({ code: 'cannot-start' });
  });

  it('starts when what kept it from starting is gone', async () => {
    const first = await testAgent([entry(JOB)]);
    await first.agent.start();
    const socket = { address: { kind: 'unix', path: first.socketPath }, mode: 0o600 } as const;
    const second = await testAgent([entry(OTHER)], { socket });
    await expect(second.agent.start()).rejects.toMatchObject({ code: 'socket-in-use' });
    expect(second.port.delayMs).toBeNull();
    await first.agent.stop();
    await second.agent.start();
    expect(idsOf(await openStream(connect(second.agent.endpoint), FETCH_X509_SVID).next())).toEqual([entry(OTHER).id]);
  });

  it('several at once mind their own', async () => {
    const agents = await Promise.all([JOB, OTHER].map((path) => testAgent([entry(path)])));
    for (const { agent } of agents) await agent.start();
    const streams = agents.map(({ agent }) => openStream(connect(agent.endpoint), FETCH_X509_SVID));
    const bundles: Uint8Array[] = [];
    for (const [index, path] of [JOB, OTHER].entries()) {
      const message = await streams[index]?.next();
      expect(message === undefined ? [] : idsOf(message)).toEqual([entry(path).id]);
      bundles.push(...(message?.svids ?? []).map(({ bundle }) => bundle));
    }
    expect(new Set(bundles.map((bundle) => Buffer.from(bundle).toString('hex'))).size).toBe(2);
  });
});
