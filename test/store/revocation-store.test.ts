// The revocation list against a real redis-server: what arrives, what holds while it is away, and what it takes to trust it again.

import { spawnSync } from 'node:child_process';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Revocation } from '../../src/revocation/revocation.ts';
import { revocationKey } from '../../src/revocation/revocation.ts';
import { formatStoredRevocation } from '../../src/revocation/stored-revocation.ts';
import { RevocationEditor } from '../../src/store/revocation-editor.ts';
import { RevocationStore, type RevocationStoreState } from '../../src/store/revocation-store.ts';
import type { RedisAccess } from '../../src/store/redis-connection.ts';
import { FakeTimers } from './fake-timers.ts';
import { RedisRelay } from './redis-relay.ts';
import { hasRedis, RedisServer } from './redis-server.ts';
import { idRevocation } from './revocation-entries.ts';

const KEY = 'sallyport:revocations';
const NO_ACCESS: RedisAccess = { credentials: null, ca: null };

let redis: RedisServer;
let timers: FakeTimers;
let changeIds: number;
const closing: { close(): void }[] = [];

beforeEach(() => {
  timers = new FakeTimers();
  changeIds = 0;
});

afterEach(async () => {
  for (const each of closing.splice(0)) each.close();
  await redis.remove();
});

function createStore(port = redis.port): RevocationStore {
  const endpoint = { host: '127.0.0.1', port, database: 0, isEncrypted: false };
  const store = new RevocationStore({ endpoint, access: () => NO_ACCESS, key: KEY }, timers);
  closing.push(store);
  return store;
}

async function openEditor(): Promise<RevocationEditor> {
  const endpoint = { host: '127.0.0.1', port: redis.port, database: 0, isEncrypted: false };
  const newChangeId = (): string => (changeIds += 1).toString(16).padStart(16, '0');
  const editor = await RevocationEditor.open(
    { target: { endpoint, access: NO_ACCESS }, key: KEY },
    { clock: timers.clock, schedule: timers.schedule, random: timers.random, timing: timers.timing, newChangeId },
  );
  closing.push(editor);
  return editor;
}

/** Resolves with the first state, the present one included, that is as wanted. */
function stateOf(
  store: RevocationStore,
  isWanted: (state: RevocationStoreState) => boolean,
): Promise<RevocationStoreState> {
  if (isWanted(store.state)) return Promise.resolve(store.state);
  return new Promise((resolve) => {
    const unsubscribe = store.subscribe((state) => {
      if (!isWanted(state)) return;
      unsubscribe();
      resolve(state);
    });
  });
}

/** Resolves when every message sent until now has arrived: what answers to a PING has sent them before. */
async function caughtUp(): Promise<void> {
  await timers.pass(timers.timing.pingMs);
  await timers.planned(timers.timing.pingMs);
}

const holds =
  (...paths: readonly string[]) =>
  (state: RevocationStoreState): boolean =>
    state.kind === 'current' && namesOf(state.entries) === namesOf(paths.map((path) => idRevocation(path)));
const because =
  (reason: string) =>
  (state: RevocationStoreState): boolean =>
    state.kind !== 'current' && state.reason === reason;

function namesOf(entries: readonly Revocation[]): string {
  return entries
    .map(({ target }) => revocationKey(target).replace('id:spiffe://ai.example', ''))
    .sort()
    .join(' ');
}

describe.skipIf(!hasRedis)('the revocation list in Redis (needs redis-server)', () => {
  beforeEach(async () => {
    redis = await RedisServer.start();
  });

  /** A list with one entry, and a store that has it. */
  async function listOf(...paths: readonly string[]): Promise<{ store: RevocationStore; editor: RevocationEditor }> {
    const editor = await openEditor();
    await editor.declare(
      paths.map((path) => idRevocation(path)),
      'refuse',
    );
    const store = createStore();
    store.start();
    await stateOf(store, holds(...paths));
    return { store, editor };
  }

  it('is there after the first reading', async () => {
    const { store } = await listOf('/training/job-1', '/gateway/**');
    expect(store.state).toMatchObject({ kind: 'current', problems: [], receivedMs: timers.nowMs });
    expect(store.state.entries).toContainEqual(idRevocation('/gateway/**'));
  });

  it('is pushed: an addition and a removal are in force as soon as they are made', async () => {
    const { store, editor } = await listOf('/a');
    await timers.pass(timers.timing.restMs);
    await editor.add(idRevocation('/b'), 'refuse');
    await stateOf(store, holds('/a', '/b'));
    await timers.pass(timers.timing.restMs);
    await editor.remove('id:spiffe://ai.example/a');
    await stateOf(store, holds('/b'));
  });

  it('is read once more, and only once, for all changes that came while it rested after a reading', async () => {
    const { store, editor } = await listOf('/a');
    const told: number[] = [];
    store.subscribe(({ entries }) => told.push(entries.length));
    for (const path of ['/b', '/c', '/d']) await editor.add(idRevocation(path), 'refuse');
    await caughtUp();
    await timers.pass(timers.timing.restMs);
    await stateOf(store, holds('/a', '/b', '/c', '/d'));
    expect(told).toEqual([4]);
  });

  describe('over a wire that is held or cut', () => {
    let relay: RedisRelay;

    beforeEach(async () => {
      relay = await RedisRelay.start(redis.port);
      closing.push(relay);
    });

    it('is read again after a change that came while it was read', async () => {
      const editor = await openEditor();
      await editor.declare([idRevocation('/a')], 'refuse');
      const store = createStore(relay.port);
      const release = relay.holdReadings();
      store.start();
      await timers.planned(timers.timing.pingMs);
      await editor.add(idRevocation('/b'), 'refuse');
      await caughtUp();
      release();
      // By the clock that reading took as long as the PING meanwhile.
      await timers.pass(4 * timers.timing.pingMs);
      await stateOf(store, holds('/a', '/b'));
    });

    it('has the one who listens asked for a sign of life while the other reads, and that one not', async () => {
      const editor = await openEditor();
      await editor.declare([], 'refuse');
      const store = createStore(relay.port);
      const release = relay.holdReadings();
      store.start();
      const pings = (): number => relay.commands.filter((command) => command === 'PING').length;
      await caughtUp();
      expect(pings()).toBe(1);
      release();
      await stateOf(store, holds());
      await caughtUp();
      expect(pings()).toBe(3);
    });

    it('does not count a list as current that arrived whole on a connection that ended before it was read', async () => {
      const paths = Array.from({ length: 2_000 }, (_, at) => `/${at}`);
      await (await openEditor()).declare(
        paths.map((path) => idRevocation(path)),
        'refuse',
      );
      const store = createStore(relay.port);
      relay.cutAfterReading();
      store.start();
      await stateOf(store, because('disconnected'));
      for (let turn = 0; turn < 100; turn += 1) await nextTurn();
      expect(store.state).toMatchObject({ reason: 'disconnected' });
      await timers.pass(timers.timing.minBackoffMs / 2);
      await stateOf(store, holds(...paths));
    });
  });

  it('rests longer after a reading that took long', async () => {
    const { store, editor } = await listOf('/a');
    await timers.pass(timers.timing.restMs);
    redis.signal('SIGSTOP');
    await timers.pass(timers.timing.rereadMs);
    timers.nowMs += 700;
    redis.signal('SIGCONT');
    await timers.planned(2_800);
    await editor.add(idRevocation('/b'), 'refuse');
    await caughtUp();
    expect(store.state.entries).toHaveLength(1);
    await timers.pass(2_800);
    await stateOf(store, holds('/a', '/b'));
  });

  it('finds changes of tools that tell nobody at the next reading', async () => {
    const { store } = await listOf('/a');
    await timers.pass(timers.timing.restMs);
    redis.cli('HSET', KEY, 'id:spiffe://ai.example/b', formatStoredRevocation(idRevocation('/b')));
    redis.cli('HDEL', KEY, 'id:spiffe://ai.example/a');
    await timers.pass(timers.timing.rereadMs);
    await stateOf(store, holds('/b'));
  });

  it('is the same array, and nobody is told, when a reading finds nothing new', async () => {
    const { store } = await listOf('/a');
    const { entries } = store.state;
    const told: RevocationStoreState[] = [];
    store.subscribe((state) => told.push(state));
    await timers.pass(timers.timing.restMs);
    await timers.pass(timers.timing.rereadMs);
    // The rest after a reading begins when it has been judged.
    await timers.planned(timers.timing.restMs);
    expect(store.state).toMatchObject({ kind: 'current', receivedMs: timers.nowMs });
    expect(store.state.entries).toBe(entries);
    expect(told).toEqual([]);
  });

  it('leaves out what has expired', async () => {
    const editor = await openEditor();
    const soon = new Date(timers.wallMs + timers.timing.rereadMs).toISOString();
    await editor.declare([idRevocation('/a'), idRevocation('/b', soon)], 'refuse');
    const store = createStore();
    store.start();
    await stateOf(store, holds('/a', '/b'));
    await timers.pass(timers.timing.restMs);
    await timers.pass(timers.timing.rereadMs);
    await stateOf(store, holds('/a'));
  });

  it('is read by a client that nobody carries who has no Redis', () => {
    const script = `await import('./src/store/revocation-store.ts'); await import('./src/cli/revoke.ts');
      const { default: { _cache } } = await import('node:module');
      process.stdout.write(String(Object.keys(_cache).filter((path) => path.includes('ioredis')).length));`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect({ stdout, stderr }).toEqual({ stdout: '0', stderr: '' });
  });

  describe('when Redis is away', () => {
    it('holds the last list from the moment the server is gone, and goes on when it is back', async () => {
      const { store, editor } = await listOf('/a', '/b');
      redis.cli('SAVE');
      const { entries } = store.state;
      await redis.kill();
      const away = await stateOf(store, because('disconnected'));
      expect(away).toMatchObject({ kind: 'away', receivedMs: timers.nowMs, sinceMs: timers.nowMs });
      expect(away.entries).toBe(entries);
      await timers.pass(timers.timing.minBackoffMs / 2);
      const refused = await stateOf(store, because('unreachable'));
      expect(refused).toMatchObject({ kind: 'away', receivedMs: 1_000, sinceMs: 1_000 });
      expect(refused).toHaveProperty('message', expect.stringContaining('ECONNREFUSED'));
      editor.close();
      await redis.start();
      await timers.pass(timers.timing.minBackoffMs);
      await stateOf(store, holds('/a', '/b'));
      expect(store.state.entries).toBe(entries);
    });

    it('waits longer and longer, but never longer than the limit, and keeps on trying', async () => {
      const { store } = await listOf('/a');
      await redis.kill();
      await stateOf(store, because('disconnected'));
      for (const delayMs of [100, 200, 400, 800, 1_600, 3_200, 3_200, 3_200]) {
        await timers.pass(delayMs);
      }
      await timers.planned(3_200);
      await redis.start();
      expect(store.state).toMatchObject({ kind: 'away', reason: 'unreachable' });
      await timers.pass(3_200);
      await stateOf(store, because('list-lost'));
    });

    it('begins with short waits again after a connection that held', async () => {
      const { store } = await listOf('/a');
      redis.cli('SAVE');
      const cut = async (): Promise<void> => {
        redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
        await stateOf(store, because('disconnected'));
      };
      for (const delayMs of [100, 200, 400]) {
        await cut();
        await timers.pass(delayMs);
        await stateOf(store, holds('/a'));
      }
      timers.nowMs += timers.timing.maxBackoffMs;
      await cut();
      await timers.pass(100);
      await stateOf(store, holds('/a'));
    });

    it('notices a server that holds its connections and answers nothing', async () => {
      const { store } = await listOf('/a');
      redis.signal('SIGSTOP');
      await timers.pass(timers.timing.pingMs);
      expect(store.state.kind).toBe('current');
      await timers.pass(timers.timing.replyMs);
      const silent = await stateOf(store, because('timed-out'));
      expect(silent).toMatchObject({ kind: 'away', entries: [idRevocation('/a')] });
      expect(silent).toHaveProperty('message', expect.stringContaining('PING'));
      // The system takes the next connection for it, and nobody answers on that one either.
      await timers.pass(timers.timing.minBackoffMs / 2);
      await timers.pass(timers.timing.replyMs);
      await stateOf(
        store,
        (state) => because('timed-out')(state) && 'message' in state && state.message.includes('SUBSCRIBE'),
      );
      redis.signal('SIGCONT');
      await timers.pass(timers.timing.minBackoffMs);
      await stateOf(store, holds('/a'));
    });

    it('notices a server that stops in the middle of a reading', async () => {
      const { store } = await listOf('/a');
      await timers.pass(timers.timing.restMs);
      redis.signal('SIGSTOP');
      await timers.pass(timers.timing.rereadMs);
      await timers.pass(timers.timing.replyMs);
      expect(await stateOf(store, because('timed-out'))).toMatchObject({ entries: [idRevocation('/a')] });
      redis.signal('SIGCONT');
    });

    it('starts without a server and has the list as soon as there is one', async () => {
      const editor = await openEditor();
      await editor.declare([idRevocation('/a')], 'refuse');
      redis.cli('SAVE');
      await redis.kill();
      const store = createStore();
      expect(store.state).toMatchObject({ kind: 'waiting', reason: 'starting', entries: [] });
      store.start();
      expect(await stateOf(store, because('unreachable'))).toMatchObject({ kind: 'waiting', sinceMs: timers.nowMs });
      await redis.start();
      await timers.pass(timers.timing.minBackoffMs / 2);
      await stateOf(store, holds('/a'));
    });

    it('loses no change that was made while it was away', async () => {
      const { store } = await listOf('/a');
      redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await stateOf(store, because('disconnected'));
      await (await openEditor()).add(idRevocation('/b'), 'refuse');
      await timers.pass(timers.timing.minBackoffMs / 2);
      await stateOf(store, holds('/a', '/b'));
    });

    it('leaves no timer and no connection behind when it is closed, whatever it was doing', async () => {
      const { store, editor } = await listOf('/a');
      store.close();
      const unreachable = createStore();
      unreachable.start();
      unreachable.close();
      await editor.read();
      expect(timers.delaysMs).toEqual([]);
      expect(store.state.kind).toBe('current');
      await redis.kill();
      const retrying = createStore();
      retrying.start();
      await stateOf(retrying, because('unreachable'));
      retrying.close();
      expect(timers.delaysMs).toEqual([]);
    });
  });

  describe('when Redis has forgotten', () => {
    it('holds the list against a server that came back empty, and trusts it again when an operator has declared it', async () => {
      const { store } = await listOf('/a', '/b');
      await redis.kill();
      await stateOf(store, because('disconnected'));
      await redis.start();
      await timers.pass(timers.timing.minBackoffMs / 2);
      const lost = await stateOf(store, because('list-lost'));
      expect(lost).toMatchObject({ kind: 'away', sinceMs: 1_000, receivedMs: 1_000 });
      expect(namesOf(lost.entries)).toBe('/a /b');
      await timers.pass(timers.timing.restMs);
      // To revoke works all the same; to take back does not.
      const editor = await openEditor();
      expect(await editor.add(idRevocation('/c'), 'refuse')).toEqual({ outcome: 'added', isWhole: false });
      expect((await stateOf(store, ({ entries }) => entries.length === 3)).kind).toBe('away');
      await timers.pass(timers.timing.restMs);
      expect(await editor.declare([idRevocation('/a')], 'refuse')).toBe('declared');
      await stateOf(store, holds('/a', '/c'));
    });

    it('holds the list when somebody empties Redis', async () => {
      const { store } = await listOf('/a');
      await timers.pass(timers.timing.restMs);
      redis.cli('FLUSHALL');
      await timers.pass(timers.timing.rereadMs);
      expect(await stateOf(store, because('list-lost'))).toMatchObject({ entries: [idRevocation('/a')] });
    });

    it('holds the list when only its mark is gone or damaged', async () => {
      const { store } = await listOf('/a');
      await timers.pass(timers.timing.restMs);
      redis.cli('HSET', KEY, '.list', 'nonsense');
      redis.cli('HDEL', KEY, 'id:spiffe://ai.example/a');
      await timers.pass(timers.timing.rereadMs);
      const lost = await stateOf(store, because('list-lost'));
      expect(lost).toMatchObject({
        entries: [idRevocation('/a')],
        problems: [{ field: '.list', code: 'broken-mark' }],
      });
    });

    it('goes on by itself when the list that was lost is restored', async () => {
      const { store } = await listOf('/a');
      redis.cli('SAVE');
      await timers.pass(timers.timing.restMs);
      redis.cli('FLUSHALL');
      await timers.pass(timers.timing.rereadMs);
      await stateOf(store, because('list-lost'));
      await redis.kill();
      await stateOf(store, because('disconnected'));
      await redis.start();
      await timers.pass(timers.timing.minBackoffMs / 2);
      await stateOf(store, holds('/a'));
    });

    it('holds what a server forgot that came back with a snapshot of before, also after more changes than were forgotten', async () => {
      const { store, editor } = await listOf('/a');
      redis.cli('SAVE');
      await timers.pass(timers.timing.restMs);
      await editor.add(idRevocation('/b'), 'refuse');
      await stateOf(store, holds('/a', '/b'));
      await redis.kill();
      await stateOf(store, because('disconnected'));
      await redis.start();
      await timers.pass(timers.timing.minBackoffMs / 2);
      const rolledBack = await stateOf(store, because('list-rolled-back'));
      expect(rolledBack).toMatchObject({ kind: 'away' });
      expect(namesOf(rolledBack.entries)).toBe('/a /b');
      const later = await openEditor();
      for (const path of ['/c', '/d']) await later.add(idRevocation(path), 'refuse');
      await caughtUp();
      await timers.pass(timers.timing.restMs);
      const forked = await stateOf(store, ({ entries }) => entries.length === 4);
      expect(forked).toMatchObject({ kind: 'away', reason: 'list-rolled-back' });
      await timers.pass(timers.timing.restMs);
      await later.declare([], 'replace');
      await stateOf(store, holds('/a', '/c', '/d'));
    });

    it('does not begin with a list that nobody declared, but counts what stands there', async () => {
      redis.cli('HSET', KEY, 'id:spiffe://ai.example/a', formatStoredRevocation(idRevocation('/a')));
      const store = createStore();
      store.start();
      const undeclared = await stateOf(store, because('no-list'));
      expect(undeclared).toMatchObject({ kind: 'waiting', entries: [idRevocation('/a')] });
      await timers.pass(timers.timing.restMs);
      redis.cli('HSET', KEY, 'id:spiffe://ai.example/a', 'broken');
      await timers.pass(timers.timing.rereadMs);
      const broken = await stateOf(store, ({ problems }) => problems.length === 1);
      expect(broken).toMatchObject({ kind: 'waiting', entries: [idRevocation('/a')] });
      await timers.pass(timers.timing.restMs);
      redis.cli('HSET', KEY, 'id:spiffe://ai.example/a', formatStoredRevocation(idRevocation('/a')));
      await (await openEditor()).declare([], 'refuse');
      await stateOf(store, holds('/a'));
    });
  });

  describe('what is broken in it', () => {
    it('is told, and everything else counts', async () => {
      const { store } = await listOf('/a');
      await timers.pass(timers.timing.restMs);
      const misplaced = formatStoredRevocation(idRevocation('/misplaced'));
      const broken = ['no-json', '{', 'unknown-shape', '{"spiffe":"id"}', 'not-text', '\xff', 'elsewhere', misplaced];
      redis.cli('HSET', KEY, ...broken);
      await timers.pass(timers.timing.rereadMs);
      const { problems, entries, kind } = await stateOf(store, (state) => state.problems.length > 0);
      expect(kind).toBe('current');
      expect(namesOf(entries)).toBe('/a /misplaced');
      expect(problems.map(({ field, code }) => `${field} ${code}`).sort()).toEqual([
        'elsewhere misplaced-entry',
        'no-json broken-entry',
        'not-text broken-entry',
        'unknown-shape broken-entry',
      ]);
    });

    it('does not take back what it was before it broke, until it is removed', async () => {
      const { store, editor } = await listOf('/a');
      await timers.pass(timers.timing.restMs);
      redis.cli('HSET', KEY, 'id:spiffe://ai.example/a', '{}');
      await timers.pass(timers.timing.rereadMs);
      const broken = await stateOf(store, (state) => state.problems.length > 0);
      expect(broken).toMatchObject({ kind: 'current', entries: [idRevocation('/a')] });
      await timers.pass(timers.timing.restMs);
      await editor.remove('id:spiffe://ai.example/a');
      await stateOf(store, holds());
      expect(store.state.problems).toEqual([]);
    });

    it('is another key than a hash: nothing is read, the last list holds', async () => {
      const { store } = await listOf('/a');
      await timers.pass(timers.timing.restMs);
      redis.cli('SET', KEY, 'text');
      await timers.pass(timers.timing.rereadMs);
      const refused = await stateOf(store, because('command-refused'));
      expect(refused).toMatchObject({ kind: 'away', entries: [idRevocation('/a')] });
      expect(refused).toHaveProperty('message', expect.stringContaining('WRONGTYPE'));
    });
  });

  it('has ten thousand entries at once, and reads none of them twice', async () => {
    const paths = Array.from({ length: 10_000 }, (_, at) => `/training/job-${at}`);
    const { store, editor } = await listOf(...paths);
    const [first] = store.state.entries;
    await timers.pass(timers.timing.restMs);
    await editor.add(idRevocation('/one-more'), 'refuse');
    const { entries } = await stateOf(store, (state) => state.entries.length === 10_001);
    expect(entries.find((entry) => entry === first)).toBeDefined();
  });

  it('is not read when it has more entries than are read, and is looked at again only much later', async () => {
    const { store } = await listOf('/a');
    await timers.pass(timers.timing.restMs);
    const fill = 'for i = 1, 100000 do redis.call("HSET", KEYS[1], "x" .. i, "{}") end';
    redis.cli('EVAL', fill, '1', KEY);
    await timers.pass(timers.timing.rereadMs);
    const tooLarge = await stateOf(store, because('list-too-large'));
    expect(tooLarge).toMatchObject({ kind: 'away', entries: [idRevocation('/a')] });
    expect(timers.delaysMs).toEqual([timers.timing.rereadMs / 2]);
  });

  it('is not read to its end when it has more bytes than are read', async () => {
    const { store } = await listOf('/a');
    await timers.pass(timers.timing.restMs);
    const fill = 'for i = 1, 40 do redis.call("HSET", KEYS[1], "x" .. i, string.rep("x", 1024 * 1024)) end';
    redis.cli('EVAL', fill, '1', KEY);
    await timers.pass(timers.timing.rereadMs);
    const tooLarge = await stateOf(store, because('list-too-large'));
    expect(tooLarge).toMatchObject({ kind: 'away', entries: [idRevocation('/a')] });
  });
});
