import { describe, expect, it } from 'vitest';
import { FederationError } from '../../src/federation/federation-error.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';
import { documentOf, documentText } from './documents.ts';
import { FederationSetting, PARTNER, spiffeDomain, webDomain } from './federation-setting.ts';

const A = createTestAuthority(PARTNER).certificatePem;
const B = createTestAuthority(PARTNER).certificatePem;
const OTHER = createTestAuthority('other.example').certificatePem;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const GONE = new FederationError('unreachable', 'the endpoint is gone');

async function started(...domains: Parameters<typeof webDomain>): Promise<FederationSetting> {
  const setting = new FederationSetting(webDomain(...domains));
  setting.client.start();
  await setting.answer({ authorities: [A], sequence: 7, refreshHint: 300 });
  return setting;
}

describe('a bundle that is fetched', () => {
  it('is in force from the first answer on, and fetched again when the hint says so', async () => {
    const setting = new FederationSetting(webDomain());
    expect(setting.state).toEqual({
      trustDomain: PARTNER,
      document: null,
      fetchedMs: null,
      fetchedWallMs: null,
      fetchedFrom: null,
      failure: null,
      nextAttemptMs: null,
      expired: false,
    });
    setting.client.start();
    expect(setting.asked.map(({ url }) => url.href)).toEqual(['https://bundles.partner.example/bundle.json']);
    expect(setting.authorities).toBeNull();
    const beganMs = setting.time.clock.monotonicMs();
    await setting.answer({ authorities: [A], sequence: 7, refreshHint: 600 }, 'https://cdn.partner.example/x');
    expect(setting.state).toMatchObject({
      document: { sequence: 7n, refreshHintMs: 600_000 },
      fetchedMs: beganMs,
      fetchedWallMs: setting.time.clock.wallMs(),
      fetchedFrom: 'https://cdn.partner.example/x',
      failure: null,
      nextAttemptMs: beganMs + 600_000,
    });
    expect(setting.authorities).toBe(1);
    setting.time.advance(600_000 - 1);
    expect(setting.asked).toEqual([]);
    setting.time.advance(1);
    // Back to the configured URL, wherever the last answer came from (§7.5.1).
    expect(setting.asked.map(({ url }) => url.href)).toEqual(['https://bundles.partner.example/bundle.json']);
    await setting.answer({ authorities: [A, B], sequence: 8 });
    expect(setting.authorities).toBe(2);
    expect(setting.delayMs).toBe(5 * MINUTE_MS);
  });

  it.each<[string, string | number, number]>([
    ['0: a minute', 0, MINUTE_MS],
    ['1e12 seconds: a day', '1000000000000', 24 * HOUR_MS],
    ['2^63 seconds: a day', '9223372036854775808', 24 * HOUR_MS],
  ])('WA-163 is not fetched more or less often than makes sense, with a hint of %s', async (_name, hint, delayMs) => {
    const setting = await started();
    setting.untilNextFetch();
    await setting.answer({ authorities: [A], sequence: 8, refreshHint: hint });
    expect(setting.delayMs).toBe(delayMs);
  });

  it('is the same object, in the same map, as long as it says the same', async () => {
    const setting = await started();
    const { bundles } = setting.client;
    setting.untilNextFetch();
    await setting.answer({ authorities: [A], sequence: 9 });
    expect(setting.client.bundles).toBe(bundles);
    setting.untilNextFetch();
    await setting.answer({ authorities: [B], sequence: 10 });
    expect(setting.client.bundles).not.toBe(bundles);
  });

  it('revokes the domain when it has no keys, which is not the same as not being there', async () => {
    const setting = await started();
    setting.untilNextFetch();
    await setting.answer({ sequence: 8 });
    expect(setting.authorities).toBe(0);
    expect(setting.state).toMatchObject({ failure: null, document: { sequence: 8n } });
  });

  it('comes into force for the configured trust domain and no other, whatever the URL is called (Federation §7.2)', async () => {
    // Alice is a customer of MyPage and publishes the bundle of her trust domain there; the host is no proof of anything.
    const alice = parseTrustDomain('alice');
    const setting = new FederationSetting(
      webDomain({ trustDomain: alice, url: 'https://mypage.example.com/alice/spiffe-bundle' }),
    );
    setting.client.start();
    const aliceRoot = createTestAuthority('alice').certificatePem;
    await setting.answer({ authorities: [aliceRoot] });
    expect([...setting.client.bundles.keys()]).toEqual(['alice']);
    // And keys that claim to be MyPage's do not become Alice's either.
    setting.untilNextFetch();
    const mypageRoot = createTestAuthority('mypage.example.com').certificatePem;
    await setting.answer({ authorities: [mypageRoot] });
    expect(setting.state.failure?.code).toBe('foreign-authority');
    expect(setting.client.bundles.get(alice)?.authorities).toHaveLength(1);
  });
});

describe('WA-163 a document that is refused leaves the last good in force', () => {
  const good = documentText({ authorities: [B], sequence: 8 });
  it.each<[string, string, string]>([
    ['a lower sequence', 'rollback', documentText({ authorities: [B], sequence: 6 })],
    ['a sequence of 2^63', 'sequence', documentText({ authorities: [B], sequence: '9223372036854775808' })],
    ['a negative sequence', 'sequence', documentText({ authorities: [B], sequence: -1 })],
    ['a sequence that is text', 'sequence', documentText({ authorities: [B], sequence: '"8"' })],
    ['the same sequence and other keys', 'sequence-reused', documentText({ authorities: [B], sequence: 7 })],
    [
      'a hint in the form of a double',
      'refresh-hint',
      documentText({ authorities: [B], sequence: 8, refreshHint: '1e12' }),
    ],
    ['a hint below 0', 'refresh-hint', documentText({ authorities: [B], sequence: 8, refreshHint: -1 })],
    ['HTML', 'not-json', '<!doctype html><title>Sign in</title>'],
    ['nothing', 'not-json', ''],
    ['half of it', 'not-json', good.slice(0, good.length / 2)],
    ['null', 'not-a-bundle', 'null'],
    ['no keys at all', 'not-a-bundle', '{"spiffe_sequence":8}'],
    ['keys that are null', 'not-a-bundle', '{"keys":null,"spiffe_sequence":8}'],
    ['keys twice', 'not-json', good.replace('{', '{"keys":[],')],
    ['a bundle map, which is another kind of document', 'not-a-bundle', `{"trust_domains":{"${PARTNER}":${good}}}`],
    ['a bundle map with a domain twice', 'not-json', `{"trust_domains":{"a":${good},"a":${good}}}`],
    ['a bundle map with its domains twice', 'not-json', `{"trust_domains":{},"trust_domains":{"a":${good}}}`],
    ['a certificate that is none', 'malformed-authority', '{"keys":[{"kty":"EC","use":"x509-svid","x5c":["AAAA"]}]}'],
    ['an authority of another trust domain', 'foreign-authority', documentText({ authorities: [OTHER], sequence: 8 })],
  ])('when it is %s', async (_name, code, text) => {
    const setting = await started();
    const { bundles } = setting.client;
    setting.untilNextFetch();
    await setting.answer(text);
    expect(setting.state.failure).toMatchObject({ code, attempts: 1, sinceMs: setting.time.clock.monotonicMs() });
    expect(setting.state.document).toMatchObject({ sequence: 7n, refreshHintMs: 300_000 });
    expect(setting.client.bundles).toBe(bundles);
    setting.untilNextFetch();
    await setting.answer(good);
    expect(setting.state).toMatchObject({ failure: null, document: { sequence: 8n } });
  });

  it('also when it is a rollback behind the initial bundle', async () => {
    const initial = documentOf(PARTNER, { authorities: [A], sequence: 7 });
    const setting = new FederationSetting(webDomain({ initial }));
    expect(setting.authorities).toBe(1);
    setting.client.start();
    await setting.answer({ authorities: [B], sequence: 6 });
    expect(setting.state.failure?.code).toBe('rollback');
    expect(setting.state).toMatchObject({ document: initial, fetchedMs: null });
    expect(setting.client.bundles.get(parseTrustDomain(PARTNER))).toBe(initial.bundle);
  });

  it('also when what went wrong is our own fault', async () => {
    const setting = await started();
    setting.untilNextFetch();
    await setting.fail(new TypeError('cannot read properties of undefined'));
    expect(setting.state.failure).toMatchObject({ code: 'internal', reason: 'cannot read properties of undefined' });
    expect(setting.authorities).toBe(1);
    expect(setting.delayMs).not.toBeNull();
  });
});

describe('WA-164 an endpoint that is down', () => {
  it('for a day leaves the last good in force, with its age, and is asked seldom', async () => {
    const setting = await started();
    const { bundles } = setting.client;
    const { fetchedMs } = setting.state;
    const downFromMs = setting.time.clock.monotonicMs() + 5 * MINUTE_MS;
    let attempts = 0;
    while (setting.time.clock.monotonicMs() < downFromMs + 24 * HOUR_MS) {
      setting.untilNextFetch();
      setting.random = attempts % 2;
      await setting.fail(GONE);
      attempts += 1;
      expect(setting.delayMs).toBeGreaterThanOrEqual(5_000);
      expect(setting.delayMs).toBeLessThanOrEqual(5 * MINUTE_MS);
    }
    expect(setting.client.bundles).toBe(bundles);
    expect(setting.state).toMatchObject({
      fetchedMs,
      expired: false,
      failure: { code: 'unreachable', reason: 'the endpoint is gone', sinceMs: downFromMs, attempts },
    });
    expect(setting.time.clock.monotonicMs() - (fetchedMs ?? 0)).toBeGreaterThan(24 * HOUR_MS);
    expect(attempts).toBeLessThan(24 * 60);
    expect(attempts).toBeGreaterThan(24 * 12);
    setting.untilNextFetch();
    await setting.answer({ authorities: [B], sequence: 8 });
    expect(setting.state).toMatchObject({ failure: null, fetchedMs: setting.time.clock.monotonicMs() });
  });

  it('is asked well before its bundle is too old, however seldom it wants to be asked', async () => {
    const setting = await started({ maxAgeMs: 60_000 });
    const { nextAttemptMs, fetchedMs } = setting.state;
    expect((nextAttemptMs ?? Infinity) - (fetchedMs ?? 0)).toBeLessThanOrEqual(20_000);
  });

  it('makes its bundle unused at the maximum age, to the moment, and comes back by itself', async () => {
    const setting = await started({ maxAgeMs: HOUR_MS });
    const bundle = setting.client.bundles.get(parseTrustDomain(PARTNER));
    const fetchedMs = setting.state.fetchedMs ?? 0;
    const untilMs = fetchedMs + HOUR_MS;
    while (!setting.state.expired) {
      expect(setting.authorities).toBe(1);
      if (setting.asked.length === 0) setting.time.step();
      else await setting.fail(GONE);
    }
    expect(setting.time.clock.monotonicMs()).toBe(untilMs);
    expect(setting.authorities).toBeNull();
    expect(setting.told.at(-1)).toMatchObject({ expired: true, fetchedMs, document: { sequence: 7n } });
    expect(setting.told.filter(({ expired }) => expired)).toHaveLength(1);
    // A rollback does not come back in by that.
    setting.untilNextFetch();
    await setting.answer({ authorities: [B], sequence: 6 });
    expect(setting.state).toMatchObject({ expired: true, failure: { code: 'rollback' } });
    setting.untilNextFetch();
    await setting.answer({ authorities: [A], sequence: 7 });
    expect(setting.state).toMatchObject({ expired: false, failure: null });
    expect(setting.client.bundles.get(parseTrustDomain(PARTNER))).toBe(bundle);
  });

  it('lets an initial bundle grow as old as any other', async () => {
    const initial = documentOf(PARTNER, { authorities: [A] });
    const setting = new FederationSetting(webDomain({ initial, maxAgeMs: HOUR_MS }));
    setting.client.start();
    await setting.fail(GONE);
    while (!setting.state.expired) {
      if (setting.asked.length === 0) setting.time.step();
      else await setting.fail(GONE);
    }
    expect(setting.authorities).toBeNull();
    expect(setting.state).toMatchObject({ fetchedMs: null, document: initial });
  });

  it('reaches a maximum age that no timer is long enough for', async () => {
    const initial = documentOf(PARTNER, { authorities: [A], refreshHint: 86_400 });
    const maxAgeMs = 365 * 24 * HOUR_MS;
    const setting = new FederationSetting(webDomain({ initial, maxAgeMs }));
    const beganMs = setting.time.clock.monotonicMs();
    setting.client.start();
    while (!setting.state.expired) {
      if (setting.asked.length === 0) setting.time.step();
      else await setting.fail(GONE);
    }
    expect(setting.time.clock.monotonicMs() - beganMs).toBeCloseTo(maxAgeMs, 3);
  });

  it('is given up on after the deadline', async () => {
    const setting = new FederationSetting(webDomain());
    setting.client.start();
    const [request] = setting.asked;
    const dueMs = setting.time.clock.monotonicMs() + 30_000;
    const state = await setting.step();
    expect(request?.signal.aborted).toBe(true);
    expect(state.failure).toMatchObject({ code: 'timeout', sinceMs: dueMs });
    expect(setting.time.pending).toBe(1);
  });
});

describe('time that passed unnoticed', () => {
  it('is made up for at once when told', async () => {
    const setting = await started();
    setting.client.refreshNow();
    expect(setting.asked).toHaveLength(1);
    // Once is enough.
    setting.client.refreshNow();
    expect(setting.asked).toHaveLength(1);
    await setting.answer({ authorities: [A, B], sequence: 8 });
    expect(setting.authorities).toBe(2);
    expect(setting.time.pending).toBe(1);
  });

  it('counts towards the maximum age, though the monotonic clock stood still', async () => {
    const setting = await started({ maxAgeMs: HOUR_MS });
    setting.time.jumpWall(2 * HOUR_MS);
    setting.client.refreshNow();
    expect(setting.state.expired).toBe(true);
    expect(setting.authorities).toBeNull();
    await setting.answer({ authorities: [A], sequence: 7 });
    expect(setting.state.expired).toBe(false);
    expect(setting.authorities).toBe(1);
  });

  it('is not made up by a wall clock that is set back', async () => {
    const setting = await started({ maxAgeMs: HOUR_MS });
    setting.time.jumpWall(-48 * HOUR_MS);
    while (!setting.state.expired) {
      if (setting.asked.length === 0) setting.time.step();
      else await setting.fail(GONE);
    }
    expect(setting.time.clock.monotonicMs() - (setting.state.fetchedMs ?? 0)).toBe(HOUR_MS);
  });

  it('does not matter before the start and after the end', async () => {
    const setting = new FederationSetting(webDomain());
    setting.client.refreshNow();
    expect(setting.asked).toEqual([]);
    setting.client.start();
    setting.client.start();
    expect(setting.asked).toHaveLength(1);
    setting.client.close();
    setting.client.refreshNow();
    expect(setting.asked).toEqual([]);
    // The abort of the one under way is not a failure.
    await new Promise((resolve) => setImmediate(resolve));
    expect(setting.told).toEqual([]);
    expect(setting.time.pending).toBe(0);
  });

  it('brings nothing after the end that was on its way', async () => {
    const setting = new FederationSetting(webDomain({ maxAgeMs: HOUR_MS }));
    setting.client.start();
    setting.answerAndClose({ authorities: [A] });
    await new Promise((resolve) => setImmediate(resolve));
    expect([setting.told, setting.authorities, setting.time.pending]).toEqual([[], null, 0]);
  });

  it('is over after the end, also when a fetch was waiting', async () => {
    const setting = await started({ maxAgeMs: HOUR_MS });
    setting.client.close();
    expect(setting.time.pending).toBe(0);
    expect(setting.authorities).toBe(1);
  });
});

describe('how an https_spiffe endpoint has to prove who it is (Federation §5.2.2)', () => {
  const endpointId = `spiffe://${PARTNER}/bundle`;
  const initial = documentOf(PARTNER, { authorities: [A], sequence: 1 });

  it('with the initial bundle first, and with the latest from then on, when it serves its own', async () => {
    const setting = new FederationSetting(spiffeDomain(endpointId, { initial }));
    setting.client.start();
    expect(setting.asked[0]?.authentication).toEqual({ kind: 'https_spiffe', endpointId, bundle: initial.bundle });
    await setting.answer({ authorities: [A, B], sequence: 2 });
    setting.untilNextFetch();
    const next = setting.asked[0]?.authentication;
    expect(next?.kind === 'https_spiffe' && next.bundle.authorities.length).toBe(2);
  });

  it('also with a bundle that is too old to be used otherwise', async () => {
    const setting = new FederationSetting(spiffeDomain(endpointId, { initial, maxAgeMs: HOUR_MS }));
    setting.client.start();
    await setting.fail(GONE);
    setting.time.jumpWall(2 * HOUR_MS);
    setting.client.refreshNow();
    expect(setting.authorities).toBeNull();
    expect(setting.asked[0]?.authentication).toMatchObject({ bundle: initial.bundle });
    await setting.answer({ authorities: [A, B], sequence: 2 });
    expect(setting.authorities).toBe(2);
  });

  it('with the bundle in force of another trust domain, when its ID is of that one', async () => {
    const setting = new FederationSetting(spiffeDomain('spiffe://other.example/bundles', { initial }));
    setting.client.start();
    // Not with the bundle it serves: that says nothing about the trust domain it lives in.
    await expect.poll(() => setting.told.at(-1)?.failure?.code).toBe('no-endpoint-bundle');
    expect(setting.asked).toEqual([]);
    const other = documentOf('other.example', { authorities: [OTHER] }).bundle;
    setting.trust = new Map([[other.trustDomain, other]]);
    setting.untilNextFetch();
    expect(setting.asked[0]?.authentication).toMatchObject({ bundle: other });
    await setting.answer({ authorities: [B], sequence: 2 });
    expect(setting.state.failure).toBeNull();
  });

  it('not at all once the domain has revoked everything, until the operator gives another bundle', async () => {
    const setting = new FederationSetting(spiffeDomain(endpointId, { initial }));
    setting.trust = new Map([[initial.bundle.trustDomain, initial.bundle]]);
    setting.client.start();
    await setting.answer({ sequence: 2 });
    expect(setting.authorities).toBe(0);
    expect(setting.state.failure).toBeNull();
    const state = await setting.step();
    expect(state.failure?.code).toBe('no-endpoint-bundle');
    expect(setting.asked).toEqual([]);
  });
});

describe('several trust domains', () => {
  const other = parseTrustDomain('other.example');

  it('are each fetched, refused and aged by themselves', async () => {
    const setting = new FederationSetting(
      webDomain({ maxAgeMs: HOUR_MS }),
      webDomain({ trustDomain: other, url: 'https://other.example/' }),
    );
    setting.client.start();
    expect(setting.asked.map(({ url }) => url.host)).toEqual(['bundles.partner.example', 'other.example']);
    await setting.answer({ authorities: [A] });
    await setting.answer('<html>');
    expect([...setting.client.bundles.keys()]).toEqual([PARTNER]);
    expect(setting.client.states.map(({ failure }) => failure?.code ?? null)).toEqual([null, 'not-json']);
    setting.time.jumpWall(2 * HOUR_MS);
    setting.client.refreshNow();
    expect([...setting.client.bundles.keys()]).toEqual([]);
    await setting.fail(GONE);
    await setting.answer({ authorities: [OTHER] });
    expect([...setting.client.bundles.keys()]).toEqual([other]);
  });
});

it('is not made for a URL that is none, or an initial bundle of somebody else', () => {
  expect(() => new FederationSetting(webDomain({ url: 'http://partner.example/' }))).toThrow(FederationError);
  const initial = documentOf(PARTNER, { authorities: [OTHER] });
  expect(() => new FederationSetting(webDomain({ initial }))).toThrow(FederationError);
});
