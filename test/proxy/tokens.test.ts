import { hash, webcrypto } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { createJwtAuthority, type DevelopmentJwtAuthority, issueJwtSvid } from '../../src/devca/jwt.ts';
import type { TokenTerms } from '../../src/proxy/context.ts';
import { compileRevocations, type Revocations } from '../../src/revocation/revocations.ts';
import { parseSpiffeId, parseTrustDomain, type SpiffeId } from '../../src/spiffe/spiffe-id.ts';
import type { TrustBundles } from '../../src/spiffe/trust-bundle.ts';
import { VerifiedTokens } from '../../src/spiffe/verified-tokens.ts';
import { ARTICLE_POLICY, bundlesOf, compilePolicy, OK, type ProxyOptions } from '../support/proxy-fixture.ts';
import { openSetting, type ProxySetting } from '../support/proxy-setting.ts';
import { testAuthority } from '../support/svid-fixtures.ts';

const AUDIENCE = 'spiffe://ai.example/registry';
const TRAINING = 'spiffe://ai.example/training/job';
const INFERENCE = 'spiffe://ai.example/inference/server';
const CHUNKED_HEAD = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n';

interface TokenSetting extends ProxySetting {
  readonly jwt: DevelopmentJwtAuthority;
  readonly token: (id: string, options?: { readonly audience?: string; readonly ttlMs?: number }) => string;
  readonly bundles: TrustBundles;
}

/** A listener that takes certificates, tokens, or both; `carries` are the delegations `peer>subject`. */
async function openTokenSetting(
  answer: Parameters<typeof openSetting>[0],
  {
    x509 = true,
    carries = [],
    ...options
  }: ProxyOptions & { readonly x509?: boolean; readonly carries?: readonly string[] } = {},
): Promise<TokenSetting> {
  const trustDomain = parseTrustDomain('ai.example');
  const jwt = await createJwtAuthority({ trustDomain, keyType: 'p256' }, { crypto: webcrypto });
  const verifier = new VerifiedTokens(100, { audiences: [AUDIENCE], maxAudiences: 1 });
  const mayCarry: TokenTerms['mayCarry'] = (peer: SpiffeId, subject: SpiffeId) =>
    carries.includes(`${peer}>${subject}`);
  const setting = await openSetting(answer, { ...options, authentication: { x509, tokens: { verifier, mayCarry } } });
  const [own] = bundlesOf([testAuthority()]).values();
  if (own === undefined) throw new Error('no bundle');
  const bundles: TrustBundles = new Map([[trustDomain, { ...own, jwtAuthorities: new Map([[jwt.keyId, jwt]]) }]]);
  setting.proxy.trust.swap(bundles);
  return {
    ...setting,
    jwt,
    bundles,
    token: (id, { audience = AUDIENCE, ttlMs = 60_000 } = {}) =>
      issueJwtSvid(
        jwt,
        { id: parseSpiffeId(id), audiences: [audience], ttlMs },
        { nowMs: Date.now(), crypto: webcrypto },
      ).token,
  };
}

function revokingToken(token: string): Revocations {
  const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  const tokenId = (claims as { jti: string }).jti;
  const entry = { target: { kind: 'token' as const, tokenId }, reason: 'leaked', atMs: 0, expiresMs: null };
  return compileRevocations({ entries: [entry], crls: [] });
}

const bearer = (token: string): string => `authorization: Bearer ${token}\r\n`;

describe('a peer without a certificate', () => {
  it('is who its token says, request by request', async () => {
    const { proxy, upstream, token } = await openTokenSetting((_head, socket) => socket.write(OK));
    const peer = await proxy.connect(null);
    peer.request('PUT', '/x', `${bearer(token(TRAINING))}content-length: 0\r\n`);
    expect((await peer.response()).status).toBe(200);
    peer.request('PUT', '/y', `${bearer(token(INFERENCE))}content-length: 0\r\n`);
    expect((await peer.response()).status).toBe(403);
    expect(proxy.recorder.requests.map(({ principal, actor }) => [principal, actor])).toEqual([
      [TRAINING, null],
      [INFERENCE, null],
    ]);
    expect(upstream.received).toContain(`\r\nx-spiffe-id: ${TRAINING}\r\n`);
    expect(upstream.received).not.toContain('x-forwarded-client-cert');
    expect(proxy.recorder.handshakes).toContain('accepted: no-certificate');
  });

  it('JW-145 does not have its token passed on to anybody', async () => {
    const { proxy, upstream, token } = await openTokenSetting((_head, socket) => socket.write(OK));
    const peer = await proxy.connect(null);
    const sent = token(TRAINING);
    peer.request('GET', '/x', bearer(sent));
    await peer.response();
    expect(upstream.received).not.toContain(sent);
    expect(upstream.received.toLowerCase()).not.toContain('authorization');
  });

  it.each<[name: string, fields: string, challenge: string]>([
    ['no token', '', 'Bearer'],
    ['other credentials', 'authorization: Basic eDp5\r\n', 'Bearer'],
    ['a token that is none', bearer('abc'), 'Bearer error="invalid_token"'],
    ['an empty token', 'authorization: Bearer \r\n', 'Bearer error="invalid_token"'],
    ['two tokens in one field', 'authorization: Bearer a.b.c, Bearer a.b.c\r\n', 'Bearer error="invalid_token"'],
  ])('TL-54 is refused with %s, and the connection with it', async (_name, fields, challenge) => {
    const { proxy, upstream } = await openTokenSetting((_head, socket) => socket.write(OK));
    const peer = await proxy.connect(null);
    peer.request('GET', '/x', fields);
    const { status, head } = await peer.response();
    expect(status).toBe(401);
    expect(head).toContain(`\r\nwww-authenticate: ${challenge}\r\n`);
    await peer.closed();
    expect(upstream.received).toBe('');
    expect(proxy.recorder.requests).toMatchObject([{ principal: null, decision: null, path: '/x' }]);
  });

  it('TL-61 has no longer to say who it is than one without a certificate has elsewhere', async () => {
    const { proxy, token } = await openTokenSetting((_head, socket) => socket.write(OK), {
      limits: { headTimeoutMs: 500, idleTimeoutMs: 60_000 },
    });
    const known = await proxy.connect(null);
    known.request('GET', '/x', bearer(token(TRAINING)));
    expect((await known.response()).status).toBe(200);
    const unknown = await proxy.connect(null);
    await unknown.closed();
    expect(proxy.recorder.terminations).toEqual(['idle-timeout']);
    expect(known.ended).toBe(false);
  });

  it('is refused with two Authorization fields, before anything is made of them', async () => {
    const { proxy, token, upstream } = await openTokenSetting((_head, socket) => socket.write(OK));
    const peer = await proxy.connect(null);
    peer.request('GET', '/x', `${bearer(token(TRAINING))}authorization: Basic eDp5\r\n`);
    expect((await peer.response()).status).toBe(400);
    expect(upstream.received).toBe('');
  });

  it('JW-140 is refused with a token for another audience', async () => {
    const { proxy, token } = await openTokenSetting((_head, socket) => socket.write(OK));
    const peer = await proxy.connect(null);
    peer.request('GET', '/x', bearer(token(TRAINING, { audience: `${AUDIENCE}/` })));
    expect((await peer.response()).status).toBe(401);
    expect(proxy.refusedTokens).toEqual(['wrong-audience']);
  });

  it('is refused with a token whose key has left the bundle, also one that was accepted before', async () => {
    const { proxy, token } = await openTokenSetting((_head, socket) => socket.write(OK));
    const peer = await proxy.connect(null);
    const sent = token(TRAINING);
    peer.request('GET', '/x', bearer(sent));
    expect((await peer.response()).status).toBe(200);
    proxy.trust.swap(bundlesOf([testAuthority()]));
    peer.request('GET', '/x', bearer(sent));
    expect((await peer.response()).status).toBe(401);
  });

  it('is refused with a certificate that does not verify, whatever its token says', async () => {
    const { proxy, token, upstream } = await openTokenSetting((_head, socket) => socket.write(OK));
    const peer = await proxy.connect(testAuthority('stranger.example').issue('/training/job'));
    peer.request('GET', '/x', bearer(token(TRAINING)));
    expect((await peer.response()).status).toBe(401);
    expect(upstream.received).toBe('');
    expect(proxy.anonymous).toEqual(['unknown-trust-domain']);
  });
});

describe('a listener for tokens alone', () => {
  it('does not ask for a certificate, and takes no identity from one', async () => {
    const { proxy, token } = await openTokenSetting((_head, socket) => socket.write(OK), { x509: false });
    const peer = await proxy.connect(testAuthority().issue('/training/job'));
    peer.request('PUT', '/x', `${bearer(token(INFERENCE))}content-length: 0\r\n`);
    expect((await peer.response()).status).toBe(403);
    const without = await proxy.connect(testAuthority().issue('/training/job'));
    without.request('GET', '/x');
    expect((await without.response()).status).toBe(401);
  });
});

describe('a peer with a certificate and a token', () => {
  it('is itself without a token, and with one of its own', async () => {
    const { proxy, peer, token } = await openTokenSetting((_head, socket) => socket.write(OK));
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(200);
    peer.request('GET', '/y', bearer(token(TRAINING)));
    expect((await peer.response()).status).toBe(200);
    expect(proxy.recorder.requests.map(({ principal }) => principal)).toEqual([TRAINING, TRAINING]);
  });

  it('keeps credentials of another scheme for the upstream', async () => {
    const { peer, upstream } = await openTokenSetting((_head, socket) => socket.write(OK));
    peer.request('GET', '/x', 'authorization: Basic eDp5\r\n');
    expect((await peer.response()).status).toBe(200);
    expect(upstream.received).toContain('\r\nauthorization: Basic eDp5\r\n');
  });

  it('JW-144 is refused with the token of another, and may ask on as itself', async () => {
    const { proxy, peer, upstream, token } = await openTokenSetting((_head, socket) => socket.write(OK));
    peer.request('GET', '/x', bearer(token(INFERENCE)));
    expect((await peer.response()).status).toBe(401);
    expect(upstream.received).toBe('');
    expect(proxy.refusedTokens).toEqual(['foreign-token']);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'foreign-token', principal: TRAINING }]);
    peer.request('GET', '/y');
    expect((await peer.response()).status).toBe(200);
  });

  it('JW-144 is who the token says where a delegation lets it carry that, and is named as the one who does', async () => {
    const { proxy, upstream, token } = await openTokenSetting((_head, socket) => socket.write(OK), {
      carries: [`spiffe://ai.example/gateway/main>${INFERENCE}`],
    });
    const gateway = await proxy.connect(proxy.authority.issue('/gateway/main'));
    gateway.request('GET', '/x', bearer(token(INFERENCE)));
    expect((await gateway.response()).status).toBe(200);
    gateway.request('PUT', '/x', `${bearer(token(INFERENCE))}content-length: 0\r\n`);
    expect((await gateway.response()).status).toBe(403);
    gateway.request('GET', '/x', bearer(token(TRAINING)));
    expect((await gateway.response()).status).toBe(401);
    expect(proxy.recorder.requests[0]).toMatchObject({
      principal: INFERENCE,
      actor: 'spiffe://ai.example/gateway/main',
    });
    expect(upstream.received).toContain(`\r\nx-spiffe-id: ${INFERENCE}\r\n`);
    expect(upstream.received).toContain('\r\nx-sallyport-actor: spiffe://ai.example/gateway/main\r\n');
    expect(upstream.received).toContain(';URI=spiffe://ai.example/gateway/main\r\n');
  });

  it('HD-108 cannot say itself who carries its token', async () => {
    const { peer, upstream } = await openTokenSetting((_head, socket) => socket.write(OK));
    peer.request('GET', '/x', 'x-sallyport-actor: spiffe://ai.example/gateway/main\r\n');
    await peer.response();
    expect(upstream.received).not.toContain('x-sallyport-actor');
  });

  it('keeps the tokens of many apart on one connection', async () => {
    const ids = Array.from({ length: 40 }, (_, at) => `spiffe://ai.example/training/job-${at}`);
    const { proxy, upstream, token } = await openTokenSetting((_head, socket) => socket.write(OK), {
      carries: ids.map((id) => `spiffe://ai.example/gateway/main>${id}`),
    });
    const gateway = await proxy.connect(proxy.authority.issue('/gateway/main'));
    const tokens = ids.map((id) => token(id));
    for (const round of [0, 1]) {
      for (const [at, each] of tokens.entries()) {
        gateway.request('GET', `/${round}/${at}`, bearer(each));
        expect((await gateway.response()).status).toBe(200);
      }
    }
    expect(proxy.recorder.requests.map(({ principal }) => principal)).toEqual([...ids, ...ids]);
    expect(upstream.received.match(/x-spiffe-id: \S+/g)).toEqual([...ids, ...ids].map((id) => `x-spiffe-id: ${id}`));
  });
});

describe('a stream admitted on a token', () => {
  it('CA-119 is cut when the token expires', async () => {
    let offsetMs = 0;
    const clock = { wallMs: () => Date.now() + offsetMs, monotonicMs: () => systemClock.monotonicMs() };
    const { proxy, token } = await openTokenSetting((_head, socket) => socket.write(CHUNKED_HEAD), { clock });
    const peer = await proxy.connect(null);
    peer.request('GET', '/stream', bearer(token(TRAINING)));
    await peer.until((text) => text.includes('first'));
    offsetMs = 61_000;
    await peer.closed();
    expect(proxy.recorder.requests[0]?.refusal).toBe('token-expired');
    expect(proxy.recorder.terminations).toEqual(['token-expired']);
  });

  it('CA-122 does not live again on its connection when the clock is set back', async () => {
    let passedMs = 0;
    const clock = { wallMs: () => Date.now(), monotonicMs: () => systemClock.monotonicMs() + passedMs };
    const { proxy, peer, token } = await openTokenSetting((_head, socket) => socket.write(OK), { clock });
    const sent = bearer(token(TRAINING));
    peer.request('GET', '/x', sent);
    expect((await peer.response()).status).toBe(200);
    // And the wall clock was set back by as much.
    passedMs = 61_000;
    for (let round = 0; round < 2; round += 1) {
      peer.request('GET', '/x', sent);
      expect((await peer.response()).status).toBe(401);
    }
    expect(proxy.refusedTokens).toEqual(['expired', 'expired']);
  });

  it('is cut when the token is revoked by its ID, and that of another is not', async () => {
    const { proxy, token } = await openTokenSetting((_head, socket) => socket.write(CHUNKED_HEAD));
    const peer = await proxy.connect(null);
    const other = await proxy.connect(null);
    const sent = token(TRAINING);
    peer.request('GET', '/stream', bearer(sent));
    other.request('GET', '/stream', bearer(token(TRAINING)));
    await peer.until((text) => text.includes('first'));
    await other.until((text) => text.includes('first'));
    proxy.revocations.swap(revokingToken(sent));
    await peer.closed();
    expect(other.ended).toBe(false);
    expect(proxy.recorder.requests[0]?.refusal).toBe('revoked');
    const again = await proxy.connect(null);
    again.request('GET', '/stream', bearer(sent));
    expect((await again.response()).status).toBe(401);
    expect(proxy.refusedTokens).toEqual(['revoked']);
  });

  it.each<[reason: 'revoked' | 'trust-changed', lose: (proxy: ProxySetting['proxy'], sent: string) => void]>([
    ['revoked', (proxy, sent) => proxy.revocations.swap(revokingToken(sent))],
    ['trust-changed', (proxy) => proxy.trust.swap(bundlesOf([testAuthority()]))],
  ])('is cut when the token is lost to %s while it drains with its connection', async (reason, lose) => {
    let passedMs = 0;
    const clock = {
      wallMs: () => Date.now() + passedMs,
      monotonicMs: () => systemClock.monotonicMs() + passedMs,
    };
    const { proxy, token } = await openTokenSetting((_head, socket) => socket.write(CHUNKED_HEAD), {
      clock,
      deadlines: { bodyIdleTimeoutMs: 600_000 },
      leases: { graceMs: 600_000, onLapse: { 'svid-expired': 'drain' } },
    });
    const peer = await proxy.connect(proxy.authority.issue('/training/job', { notAfterMs: Date.now() + 10_000 }));
    const sent = token(TRAINING, { ttlMs: 3_600_000 });
    peer.request('GET', '/stream', bearer(sent));
    await peer.until((text) => text.includes('first'));
    passedMs = 11_000;
    proxy.listener.reverify();
    expect(proxy.recorder.requests).toEqual([]);
    lose(proxy, sent);
    await peer.closed();
    expect(proxy.recorder.requests[0]?.refusal).toBe(reason);
  });

  it('is cut when the key that signed the token is revoked', async () => {
    const { proxy, token, jwt } = await openTokenSetting((_head, socket) => socket.write(CHUNKED_HEAD));
    const peer = await proxy.connect(null);
    const sent = token(TRAINING);
    peer.request('GET', '/stream', bearer(sent));
    await peer.until((text) => text.includes('first'));
    const spkiSha256 = hash('sha256', jwt.publicKey.export({ type: 'spki', format: 'der' }), 'hex');
    const entry = { target: { kind: 'key' as const, spkiSha256 }, reason: 'leaked', atMs: 0, expiresMs: null };
    proxy.revocations.swap(compileRevocations({ entries: [entry], crls: [] }));
    await peer.closed();
    expect(proxy.recorder.requests[0]?.refusal).toBe('revoked');
    const again = await proxy.connect(null);
    again.request('GET', '/stream', bearer(sent));
    expect((await again.response()).status).toBe(401);
  });

  it('is cut when its key leaves the bundle', async () => {
    const { proxy, token } = await openTokenSetting((_head, socket) => socket.write(CHUNKED_HEAD));
    const peer = await proxy.connect(null);
    peer.request('GET', '/stream', bearer(token(TRAINING)));
    await peer.until((text) => text.includes('first'));
    proxy.trust.swap(bundlesOf([testAuthority()]));
    await peer.closed();
    expect(proxy.recorder.requests[0]?.refusal).toBe('trust-changed');
  });

  it('goes on when another key joins the bundle', async () => {
    const { proxy, token, jwt, bundles } = await openTokenSetting((_head, socket) => socket.write(CHUNKED_HEAD));
    const peer = await proxy.connect(null);
    peer.request('GET', '/stream', bearer(token(TRAINING)));
    await peer.until((text) => text.includes('first'));
    const another = await createJwtAuthority({ trustDomain: jwt.trustDomain, keyType: 'p256' }, { crypto: webcrypto });
    const [own] = bundles.values();
    if (own === undefined) throw new Error('no bundle');
    const jwtAuthorities = new Map([...own.jwtAuthorities, [another.keyId, another]]);
    proxy.trust.swap(new Map([[jwt.trustDomain, { ...own, jwtAuthorities }]]));
    const idle = await proxy.connect(null);
    idle.request('GET', '/x', bearer(token(TRAINING)));
    await idle.until((text) => text.includes('first'));
    expect(peer.ended).toBe(false);
  });

  it('is cut when policy no longer allows who the token names', async () => {
    const { proxy, token } = await openTokenSetting((_head, socket) => socket.write(CHUNKED_HEAD));
    const peer = await proxy.connect(null);
    peer.request('GET', '/stream', bearer(token(TRAINING)));
    await peer.until((text) => text.includes('first'));
    proxy.policy.swap(
      compilePolicy(ARTICLE_POLICY.replace('    allow: [registry, feature-store]', '    allow: [feature-store]')),
    );
    await peer.closed();
    expect(proxy.recorder.terminations).toEqual(['policy-changed']);
  });
});
