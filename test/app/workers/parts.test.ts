// The parts of which several workers are made, each by itself.

import { PassThrough } from 'node:stream';
import { deserialize, serialize } from 'node:v8';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { array, assert, asyncProperty, integer, property, stringMatching } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { claimAddresses } from '../../../src/app/workers/claim-addresses.ts';
import { FollowedState } from '../../../src/app/workers/followed-state.ts';
import { relayLines } from '../../../src/app/workers/line-relay.ts';
import { PrimaryWatch } from '../../../src/app/workers/primary-watch.ts';
import { Respawn } from '../../../src/app/workers/respawn.ts';
import { toWorkerConfig } from '../../../src/app/workers/shares.ts';
import { StateStream } from '../../../src/app/workers/state-stream.ts';
import { packRevocations, type StateChange, unpackRevocations } from '../../../src/app/workers/state-change.ts';
import { parseCrl } from '../../../src/pki/crl.ts';
import { makeCrl } from '../../revocation/crl-builder.ts';
import { selfSigned } from '../../support/certificate-builder.ts';
import { TrustComposition } from '../../../src/app/materials/trust-composition.ts';
import { SnapshotCell } from '../../../src/core/snapshot.ts';
import { loadPolicy, type PolicySource } from '../../../src/policy/load.ts';
import type { Revocation } from '../../../src/revocation/revocation.ts';
import { compileRevocations } from '../../../src/revocation/revocations.ts';
import type { OwnIdentity } from '../../../src/spiffe/own-identity.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { ARTICLE_POLICY, bundlesOf, identityOf } from '../../support/proxy-fixture.ts';
import { testAuthority } from '../../support/svid-fixtures.ts';
import { EXAMPLE, parseText, problemsOf } from '../config-example.ts';

const DOMAIN = parseTrustDomain('ai.example');
const GENERIC = 'policies/protocols/generic.yaml';
const sources: readonly PolicySource[] = [
  { file: 'policy.yaml', kind: 'policy', bytes: Buffer.from(ARTICLE_POLICY) },
  { file: GENERIC, kind: 'shipped-protocol', bytes: readFileSync(GENERIC) },
];
const LOST: Revocation = {
  target: { kind: 'key', spkiSha256: 'ab'.repeat(32) },
  reason: 'lost',
  atMs: 1,
  expiresMs: null,
};

function setting() {
  const identity = new SnapshotCell<OwnIdentity | null>(
    identityOf(testAuthority(), testAuthority().issue('/registry/proxy')),
  );
  const trust = new TrustComposition(new Map());
  const policy = new SnapshotCell(loadPolicy(sources, 'enforce'));
  const revocations = new SnapshotCell(compileRevocations({ entries: [], crls: [] }));
  const lists = { entries: [] as readonly Revocation[], crls: [] };
  const materials = {
    identity,
    trust,
    policy,
    revocations,
    policySources: sources,
    get revocationSources() {
      return lists;
    },
  };
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const [bundle] = bundlesOf([testAuthority()]).values();
  if (bundle === undefined) throw new Error('no bundle');
  trust.give(
    'identity',
    new Map([[DOMAIN, { ...bundle, jwtAuthorities: new Map([['k1', { keyId: 'k1', publicKey }]]) }]]),
  );
  const sent: { sequence: number; change: StateChange }[] = [];
  const stream = new StateStream(materials, (sequence, change) => sent.push({ sequence, change }));
  const revoke = (entries: readonly Revocation[]): void => {
    lists.entries = entries;
    revocations.swap(compileRevocations(lists));
  };
  return { ...materials, identity, trust, policy, revocations, bundle, publicKey, stream, sent, revoke };
}

const isCurrent = (): void => undefined;

/** As a channel between processes does. */
const carried = <T>(value: T): T => deserialize(serialize(value)) as T;

describe('what is in force, on its way to a worker', () => {
  it('arrives as it was, under the same epochs', () => {
    const here = setting();
    here.revoke([LOST]);
    const there = new FollowedState(carried(here.stream.all()), isCurrent);
    expect(there.identity.current).toEqual(here.identity.current);
    expect(there.revocations.current.epoch).toBe(2);
    expect(there.revocations.current.value.count).toBe(1);
    expect(there.policy.current.epoch).toBe(1);
    expect(there.policy.current.value.digest).toBe(here.policy.current.value.digest);
    const { epoch, value } = there.trust.view.current;
    expect(epoch).toBe(here.trust.view.current.epoch);
    const bundle = value.get(DOMAIN);
    expect(bundle?.authorities.map(({ sha256 }) => sha256)).toEqual(
      here.bundle.authorities.map(({ sha256 }) => sha256),
    );
    expect(bundle?.jwtAuthorities.get('k1')?.publicKey.equals(here.publicKey)).toBe(true);
  });

  it('has the certificate revocation lists with it', () => {
    const crl = parseCrl(
      makeCrl(selfSigned(), { entries: [{ serial: Buffer.from([7]), at: new Date(0), extensions: [] }] }),
    );
    const there = unpackRevocations(carried(packRevocations(7, { entries: [LOST], crls: [crl] })));
    expect([there.count, there.crlCount, there.crlSerials]).toEqual([1, 1, 1]);
  });

  it('is one numbered stream, each change in the order in which it came into force', () => {
    const here = setting();
    const there = new FollowedState(carried(here.stream.all()), isCurrent);
    const first = here.stream.sequence;
    here.identity.swap(null);
    here.trust.give('identity', new Map());
    here.revoke([LOST]);
    here.policy.swap(loadPolicy(sources, 'shadow'));
    expect(here.sent.map(({ sequence, change }) => [sequence - first, change.what, change.epoch])).toEqual([
      [1, 'identity', 2],
      [2, 'trust', 3],
      [3, 'revocations', 2],
      [4, 'policy', 2],
    ]);
    const told: string[] = [];
    there.identity.subscribe(({ value }) => told.push(`identity ${value === null ? 'withdrawn' : ''}`));
    there.trust.view.subscribe(({ value }) => told.push(`trust ${value.size}`));
    there.revocations.subscribe(({ value }) => told.push(`revocations ${value.count}`));
    there.policy.subscribe(({ value }) => told.push(`policy ${value.mode}`));
    for (const { change } of carried(here.sent)) there.apply(change);
    expect(told).toEqual(['identity withdrawn', 'trust 0', 'revocations 1', 'policy shadow']);
    here.stream.close();
    here.identity.swap(null);
    expect(here.sent).toHaveLength(4);
  });

  it('is refused when it is not whole, not newer, or makes another policy than it was', () => {
    const here = setting();
    const all = here.stream.all();
    for (const { what } of all) {
      expect(
        () =>
          new FollowedState(
            all.filter((change) => change.what !== what),
            isCurrent,
          ),
      ).toThrow('did not come whole');
    }
    const there = new FollowedState(all, isCurrent);
    for (const change of all) expect(() => there.apply(change), change.what).toThrow(/epoch \d+ came after/);
    here.policy.swap(loadPolicy(sources, 'enforce'));
    const [last] = here.sent;
    const altered = { ...last?.change, epoch: 9, digest: 'other' } as StateChange;
    expect(() => there.apply(altered)).toThrow('the policy other was compiled to');
    expect(there.policy.current.epoch).toBe(1);
  });
});

describe('the share of a worker', () => {
  it('is rounded down of bounds and up of memory, and never nothing', () => {
    const config = parseText(`${EXAMPLE}workers: 3
limits: { maxConnections: 10, maxConnectionsPerPrincipal: 3 }
upstream: { maxConnections: 8, maxIdleConnections: 8, maxPending: 0 }
cache: { maxEntries: 100, maxEntriesPerPrincipal: 1 }
decisionLog: { queueEntries: 100 }
`);
    const share = toWorkerConfig(config, new Map([['registry', 40_000]]));
    expect(share.listeners[0]?.limits).toMatchObject({ maxConnections: 3, maxConnectionsPerPrincipal: 1 });
    expect(share.listeners[0]?.bind).toMatchObject({ port: 40_000 });
    expect(share.upstream).toMatchObject({ maxConnections: 2, maxIdleConnections: 2, maxPending: 0 });
    expect(share.cache).toMatchObject({ maxEntries: 34, maxEntriesPerPrincipal: 1 });
    expect(share.decisionLog.queueEntries).toBe(34);
  });

  it('of all of them together is never more than what they share', () => {
    assert(
      property(integer({ min: 1, max: 64 }), integer({ min: 64, max: 10_000 }), (workers, most) => {
        const text = `${EXAMPLE}workers: ${workers}\nlimits: { maxConnections: ${most}, maxConnectionsPerPrincipal: ${most} }\n`;
        const limits = toWorkerConfig(parseText(text), new Map()).listeners[0]?.limits;
        expect(limits?.maxConnections).toBeGreaterThan(0);
        expect(workers * (limits?.maxConnections ?? Infinity)).toBeLessThanOrEqual(most);
        expect(workers * (limits?.maxConnectionsPerPrincipal ?? Infinity)).toBeLessThanOrEqual(most);
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    ['limits: { maxConnections: 3 }', 'limits.maxConnections'],
    ['limits: { maxConnectionsPerPrincipal: 3 }', 'maxConnectionsPerPrincipal'],
    ['upstream: { maxConnections: 3 }', 'upstream.maxConnections'],
    ['upstream: { maxPending: 3 }', 'upstream.maxPending'],
  ])('has to be at least one: %s is refused with four', (text) => {
    expect(problemsOf(`${EXAMPLE}workers: 3\n${text}\n`)).toEqual([]);
    expect(problemsOf(`${EXAMPLE}workers: 4\n${text}\n`)).toEqual([
      expect.stringMatching(/^15:\d+ bound-below-workers: `3` cannot be shared by `workers`, which is `4`/),
    ]);
  });

  it.each(['0', '65', '1.5', 'auto'])('of %s workers is none', (workers) => {
    expect(problemsOf(`${EXAMPLE}workers: ${workers}\n`)).not.toEqual([]);
    expect(problemsOf(`${EXAMPLE}workers: 64\n`)).toEqual([]);
  });
});

describe('addresses to be shared', () => {
  it('are known with their ports, each another where any will do, and free again', async () => {
    const listener = parseText(EXAMPLE).listeners[0];
    if (listener === undefined) throw new Error('no listener');
    const any = { ...listener, bind: { ...listener.bind, port: 0 } };
    const config = { ...parseText(EXAMPLE), listeners: [any, { ...any, name: 'second' }] };
    const [first, second] = (await claimAddresses(config)).values();
    expect(first?.port).toBeGreaterThan(0);
    expect(second?.port).not.toBe(first?.port);
    const again = { ...listener, bind: { ...listener.bind, port: first?.port ?? 0 } };
    expect((await claimAddresses({ ...config, listeners: [again] })).get('registry')?.port).toBe(first?.port);
  });
});

const watching = () => {
  let nowMs = 0;
  let unread: (() => void) | null = null;
  const state = { isSilent: false };
  const watch = new PrimaryWatch({
    clock: { wallMs: () => 0, monotonicMs: () => nowMs },
    maxSilenceMs: 5_000,
    afterReading: (callback) => {
      unread = callback;
    },
    onSilence: () => {
      state.isSilent = true;
    },
  });
  return { watch, state, at: (ms: number) => (nowMs = ms), read: () => unread?.() };
};

describe('the watch over the first process', () => {
  it('tells of silence, after what may lie unread', () => {
    const { watch, state, at, read } = watching();
    at(5_000);
    watch.look();
    read();
    expect(state.isSilent).toBe(false);
    at(5_001);
    watch.look();
    expect(state.isSilent).toBe(false);
    read();
    expect(state.isSilent).toBe(true);
  });

  it('takes a turn that took long for no silence', () => {
    const { watch, state, at, read } = watching();
    at(60_000);
    watch.look();
    watch.heard(60_000);
    read();
    expect(state.isSilent).toBe(false);
  });
});

describe('a worker that has heard nothing', () => {
  const { watch, state, at } = watching();
  it('counts from when something was said, not from when it came to read that', () => {
    at(4_000);
    watch.heard(1_000);
    at(6_000);
    expect(() => watch.assertCurrent()).not.toThrow();
    watch.heard(500);
    expect(() => watch.assertCurrent()).not.toThrow();
    at(6_001);
    expect(() => watch.assertCurrent()).toThrow('nothing is decided');
    expect(state.isSilent).toBe(true);
  });

  it('does not let anybody read who is revoked and what is allowed', () => {
    const here = setting();
    let nobodySpeaks = false;
    const there = new FollowedState(here.stream.all(), () => {
      if (nobodySpeaks) throw new Error('out of date');
    });
    expect([there.policy.current.epoch, there.revocations.current.epoch]).toEqual([1, 1]);
    nobodySpeaks = true;
    expect(() => there.policy.current).toThrow('out of date');
    expect(() => there.revocations.current).toThrow('out of date');
  });
});

describe('what becomes of workers that end', () => {
  it('is waited for longer and longer, and told when it does not stop', () => {
    const respawn = new Respawn();
    const delays = Array.from({ length: 9 }, () => [respawn.delayAfter(29_999), respawn.isLooping]);
    expect(delays).toEqual([
      [100, false],
      [200, false],
      [400, false],
      [800, false],
      [1_600, true],
      [3_200, true],
      [6_400, true],
      [10_000, true],
      [10_000, true],
    ]);
    expect([respawn.delayAfter(30_000), respawn.isLooping]).toEqual([100, false]);
  });
});

describe('log lines of a worker', () => {
  it('arrive whole, in order and unchanged, however they are cut, but for a last one without an end', async () => {
    await assert(
      asyncProperty(array(stringMatching(/^[ -~]{0,40}\n?$/), { maxLength: 30 }), async (pieces) => {
        const written: string[] = [];
        const from = new PassThrough();
        relayLines(from, { pendingBytes: 0, write: (lines) => void written.push(String(lines)) });
        for (const piece of pieces) from.write(piece);
        from.end();
        await new Promise((done) => from.once('close', done));
        const text = pieces.join('');
        expect(written.join('')).toBe(text.slice(0, text.lastIndexOf('\n') + 1));
        for (const lines of written) expect(lines.endsWith('\n')).toBe(true);
      }),
      { numRuns: 10 },
    );
  });

  it('are not read while too much waits to be written', async () => {
    let pendingBytes = 2 * 1024 * 1024;
    const written: string[] = [];
    const from = new PassThrough();
    relayLines(from, {
      get pendingBytes() {
        return pendingBytes;
      },
      write: (lines) => void written.push(String(lines)),
    });
    from.write('first\n');
    await delay(0);
    from.write('second\n');
    expect(from.isPaused()).toBe(true);
    expect(written).toEqual(['first\n']);
    pendingBytes = 0;
    from.end();
    await new Promise((done) => from.once('close', done));
    expect(written).toEqual(['first\n', 'second\n']);
  });
});
