// The real process at work: what it serves where, what it logs, and what becomes of files that change or break.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEVELOPMENT_ORGANIZATION } from '../../src/spiffe/own-identity.ts';
import { ask } from '../admin/http.ts';
import { ARTICLE_POLICY, connectPeer, OK, type RawPeer, ScriptedUpstream } from '../support/proxy-fixture.ts';
import { runSidecar, type SidecarFiles, type SidecarProcess, writeSidecarFiles } from '../support/sidecar-process.ts';
import { createTestAuthority, testAuthority } from '../support/svid-fixtures.ts';

let upstream: ScriptedUpstream;
let files: SidecarFiles;
let sidecar: SidecarProcess;

beforeAll(async () => {
  upstream = await ScriptedUpstream.start((_head, socket) => socket.write(OK));
});
afterAll(() => upstream.close());

async function start(options: Partial<Parameters<typeof writeSidecarFiles>[0]>): Promise<void> {
  files = writeSidecarFiles({ upstreamPort: upstream.port, policy: ARTICLE_POLICY, extra: '', ...options });
  sidecar = await runSidecar(files, []);
}

// Whether its certificate is still good is not what these peers are about.
const connect = (path: string): Promise<RawPeer> =>
  connectPeer(sidecar.port, testAuthority().issue(path), { rejectUnauthorized: false });

async function statusOf(peer: RawPeer, method: string, path: string): Promise<number> {
  peer.request(method, path);
  return (await peer.response()).status;
}

/** The sum of the samples of a metric that have these labels. */
async function metric(name: string, labels: string): Promise<number> {
  const { body } = await sidecar.get('/metrics');
  const lines = body.split('\n').filter((line) => line.startsWith(`${name}{`) && line.includes(labels));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

describe('a sidecar that serves', () => {
  beforeAll(() => start({ extra: 'decisionLog: { allow: 0 }\n' }));
  afterAll(() => sidecar.stop());

  it('PF-129 logs the digest and the epoch of everything it loaded', async () => {
    const { body } = await sidecar.get('/policy');
    const digest = /"digest":"([0-9a-f]{64})"/.exec(body)?.[1];
    expect(sidecar.log.filter(({ msg }) => msg === 'loaded')).toEqual([
      expect.objectContaining({ what: 'identity', epoch: 1, digest: expect.stringMatching(/^[0-9a-f]{64}$/) }),
      expect.objectContaining({ what: 'trust-bundle', epoch: 2, authorities: { 'ai.example': 1 } }),
      expect.objectContaining({ what: 'policy', epoch: 1, digest, mode: 'enforce' }),
    ]);
  });

  it('EX-169 answers for admin paths on the data plane as the matrix says, from the upstream', async () => {
    const training = await connect('/training/job');
    const stranger = await connect('/stranger/job');
    for (const path of ['/metrics', '/readyz', '/healthz', '/config', '/policy']) {
      expect(await statusOf(training, 'GET', path), path).toBe(200);
      expect(await statusOf(stranger, 'GET', path), path).toBe(403);
      expect(upstream.received).toContain(`GET ${path} HTTP/1.1`);
    }
  });

  it('EX-169 changes nothing by request, and shows no secret', async () => {
    const admin = { kind: 'tcp', host: '127.0.0.1', port: sidecar.adminPort } as const;
    for (const path of ['/', '/config', '/policy', '/metrics', '/readyz', '/healthz']) {
      expect((await ask(admin, { path, method: 'POST', body: '{}' })).status, path).toBe(405);
    }
    for (const path of ['/shutdown', '/quitquitquit', '/reload']) {
      expect((await ask(admin, { path, method: 'GET' })).status, path).toBe(404);
    }
    const { status, body } = await sidecar.get('/config');
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ trustDomain: 'ai.example', policy: { mode: 'enforce' } });
    expect(body).not.toMatch(/registry\.key|PRIVATE/);
  });

  it('logs every denial and the first allow of each principal, target and verb', async () => {
    const inference = await connect('/inference/server');
    for (const path of ['/first', '/second']) expect(await statusOf(inference, 'GET', path)).toBe(200);
    for (const path of ['/third', '/fourth']) expect(await statusOf(inference, 'PUT', path)).toBe(403);
    await sidecar.logged({ log: 'decision', path: '/fourth' });
    const decided = sidecar.log.filter(({ principal }) => principal === 'spiffe://ai.example/inference/server');
    expect(decided).toEqual([
      expect.objectContaining({ effect: 'allow', verb: 'read', path: '/first', status: 200 }),
      expect.objectContaining({ effect: 'deny', verb: 'write', path: '/third', status: 403, refusal: 'denied' }),
      expect.objectContaining({ effect: 'deny', verb: 'write', path: '/fourth', status: 403, refusal: 'denied' }),
    ]);
  });

  it('says why a peer was not authenticated', async () => {
    const peer = await connectPeer(sidecar.port, null, { rejectUnauthorized: false });
    peer.request('GET', '/');
    expect((await peer.response()).status).toBe(401);
    await sidecar.logged({ msg: 'peer not authenticated', listener: 'registry', reason: 'no-certificate' });
  });

  it('PF-123 keeps the last good policy, bundle and identity in force, says so everywhere, and recovers', async () => {
    const training = await connect('/training/job');
    const broken = { msg: 'reload failed, the last good state stays in force' };
    files.write('policy.yaml', `${ARTICLE_POLICY}\n  inference: { deny: [everything] }\n`);
    files.write('bundle.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n');
    // Half of a rotation: the certificate is another, the key not yet.
    files.write('registry.pem', testAuthority().issue('/registry/proxy').certificatePem);
    await sidecar.logged({ ...broken, what: 'trust-bundle', epoch: 2 });
    await sidecar.logged({ ...broken, what: 'identity', epoch: 1 });
    const { problems } = await sidecar.logged({ ...broken, what: 'policy', epoch: 1 });
    expect(problems).toEqual([
      expect.stringMatching(/policy\.yaml:16:3: key `inference` is already on line 12/),
      expect.stringContaining('[unknown-component]'),
    ]);
    const ready = await sidecar.get('/readyz');
    expect(ready.status).toBe(200);
    expect(ready.body.match(/the last reload failed: /g)).toHaveLength(3);
    for (const what of ['policy', 'trust-bundle', 'identity']) {
      expect(await metric('sallyport_reload_total', `what="${what}",result="failure"`)).toBe(1);
      expect(await metric('sallyport_reload_failing', `what="${what}"`)).toBe(1);
    }
    expect(await statusOf(training, 'GET', '/x')).toBe(200);
    expect(await statusOf(await connect('/training/other'), 'PUT', '/x')).toBe(200);
    expect(await statusOf(await connect('/stranger/job'), 'GET', '/x')).toBe(403);

    const rotated = testAuthority().issue('/registry/proxy', { ips: ['127.0.0.1'] });
    files.write('registry.pem', rotated.certificatePem);
    files.write('registry.key', rotated.privateKeyPem);
    files.write('policy.yaml', ARTICLE_POLICY.replace('    allow: [registry, feature-store]', '    deny: [registry]'));
    files.write('bundle.pem', testAuthority().certificatePem);
    await sidecar.logged({ msg: 'reloaded', what: 'policy', epoch: 2 });
    await sidecar.logged({ msg: 'reloaded', what: 'identity', epoch: 2, digest: rotated.leafSha256 });
    await sidecar.logged({ msg: 'files are again what is in force', what: 'trust-bundle', epoch: 2 });
    expect(await statusOf(training, 'GET', '/x')).toBe(403);
    expect((await sidecar.get('/readyz')).body).not.toContain('failed');
    expect(await metric('sallyport_reload_failing', '')).toBe(0);
  });

  // PF-133 is not offered: policies are not signed. Which one is in force can be seen, and that is all.
  it('takes an older policy for a new one, and says which', async () => {
    const { body } = await sidecar.get('/policy');
    files.write('policy.yaml', ARTICLE_POLICY);
    const { digest } = await sidecar.logged({ msg: 'reloaded', what: 'policy', epoch: 3 });
    expect(digest).toBe((await sidecar.logged({ msg: 'loaded', what: 'policy' }))['digest']);
    expect(body).not.toContain(digest);
    expect(JSON.parse((await sidecar.get('/policy')).body)).toMatchObject({ epoch: 3, digest });
  });

  it('warns when a reload leaves nothing to allow', async () => {
    files.write('policy.yaml', ARTICLE_POLICY.replaceAll('registry', 'store'));
    await sidecar.logged({ level: 'warn', code: 'unknown-component', place: `${files.path('sallyport.yaml')}:11` });
    expect(await statusOf(await connect('/training/job'), 'GET', '/x')).toBe(403);
    expect((await sidecar.get('/readyz')).status).toBe(200);
  });
});

describe('a sidecar with a short-lived development certificate on every address, in shadow', () => {
  let notAfterMs: number;

  beforeAll(async () => {
    notAfterMs = Math.ceil(Date.now() / 1000) * 1000 + 3_000;
    await start({
      bind: '0.0.0.0:0',
      mode: 'shadow',
      extra: 'decisionLog: { allow: all }\n',
      own: testAuthority().issue('/registry/proxy', {
        organization: DEVELOPMENT_ORGANIZATION,
        notBeforeMs: notAfterMs - 12_000,
        notAfterMs,
      }),
    });
  });
  afterAll(() => sidecar.stop());

  it('warns of the development certificate, of shadow, and in time of the end', async () => {
    await sidecar.logged({
      level: 'warn',
      listener: 'registry',
      address: '0.0.0.0',
      msg: 'serving a non-loopback address with a certificate of the development CA',
    });
    await sidecar.logged({ level: 'warn', msg: 'the policy is in shadow: nothing is denied' });
    const warning = await sidecar.logged({ level: 'warn', msg: 'own SVID expires soon and was not rotated' });
    expect(warning['notAfter']).toBe(new Date(notAfterMs).toISOString());
  });

  it('forwards what it would deny, and records that; logs every request', async () => {
    const stranger = await connect('/stranger/job');
    const training = await connect('/training/job');
    expect(await statusOf(stranger, 'DELETE', '/x')).toBe(200);
    for (let count = 0; count < 3; count += 1) expect(await statusOf(training, 'GET', '/y')).toBe(200);
    await sidecar.logged({ log: 'decision', effect: 'would-deny', path: '/x', status: 200, refusal: null });
    const denials = 'effect="would-deny",reason="unknown-principal"';
    expect(await metric('sallyport_decisions_total', denials)).toBe(1);
    expect(sidecar.log.filter(({ path }) => path === '/y')).toHaveLength(3);
  });

  it('is not ready when its own SVID has expired, and ready again when it is rotated', async () => {
    await sidecar.logged({ level: 'error', msg: 'own SVID has expired' });
    const expired = await sidecar.get('/readyz');
    expect(expired.status).toBe(503);
    expect(JSON.parse(expired.body)).toMatchObject({
      ready: false,
      checks: [{ name: 'own-svid', ok: false }, { ok: true }, { ok: true }, { ok: true }],
    });
    const rotated = testAuthority().issue('/registry/proxy');
    files.write('registry.key', rotated.privateKeyPem);
    files.write('registry.pem', rotated.certificatePem);
    await sidecar.logged({ msg: 'reloaded', what: 'identity', digest: rotated.leafSha256 });
    expect((await sidecar.get('/readyz')).status).toBe(200);
    expect(await metric('sallyport_svid_expiry_timestamp_seconds', '')).toBe(0);
  });

  it('warns when peers would refuse its own SVID', async () => {
    files.write('bundle.pem', createTestAuthority('ai.example').certificatePem);
    await sidecar.logged({ level: 'warn', place: `${files.path('sallyport.yaml')}:4` });
  });
});
