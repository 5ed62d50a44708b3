import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { SnapshotCell, type Snapshot } from '../../src/core/snapshot.ts';
import { decide, type AuthzRequest } from '../../src/policy/decide.ts';
import type { Decision } from '../../src/policy/decision.ts';
import { DecisionCache, type CachePartition, type DecisionCacheOptions } from '../../src/policy/decision-cache.ts';
import type { CompiledPolicy } from '../../src/policy/matrix.ts';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';
import { loadAccess, requestOf } from './policies.ts';

const END_MS = 1_000_000;
const READS = loadAccess('allow: [{ service: [read] }]');
const NOTHING = loadAccess('deny: [service]');

function createCache(options: Partial<DecisionCacheOptions> = {}): DecisionCache {
  return new DecisionCache({
    maxEntries: 1_000,
    maxEntriesPerPrincipal: 1_000,
    verifyEvery: 0,
    onDisagreement: () => {
      throw new Error('disagreement');
    },
    ...options,
  });
}

function admit(
  cache: DecisionCache,
  leaf: { from?: string; sha?: string; notAfterMs?: number; trustEpoch?: number } = {},
): CachePartition {
  const { from = 'peer/a', sha = from, notAfterMs = END_MS, trustEpoch = 1 } = leaf;
  return cache.admit({ leafSha256: sha, id: parseSpiffeId(`spiffe://ai.example/${from}`), notAfterMs }, trustEpoch);
}

function snapshot(value: CompiledPolicy, epoch = 1): Snapshot<CompiledPolicy> {
  return { epoch, value };
}

interface Asked {
  readonly policy?: Snapshot<CompiledPolicy>;
  readonly from?: string;
  readonly target?: string;
  readonly nowMs?: number;
}

function ask(cache: DecisionCache, partition: CachePartition, line: string, asked: Asked = {}): Decision {
  const { policy = snapshot(READS), from = 'peer/a', target = 'service', nowMs = 0 } = asked;
  return cache.decide(partition, policy, requestOf(from, target, line), nowMs);
}

describe('the decision cache', () => {
  it('answers what decide answers, and remembers it', () => {
    const cache = createCache();
    const partition = admit(cache);
    for (const line of ['GET /read/x', 'GET /read/y', 'GET /read/x', 'POST /write/x', 'GET /read/y', 'GET /read/x']) {
      expect(ask(cache, partition, line)).toBe(decide(READS, requestOf('peer/a', 'service', line)));
    }
    expect(cache.counts).toEqual({ hits: 3, misses: 3, stale: 0, disagreements: 0 });
    expect(cache.entries).toBe(3);
  });

  it('is shared by the connections of one leaf', () => {
    const cache = createCache();
    ask(cache, admit(cache), 'GET /read/x');
    ask(cache, admit(cache), 'GET /read/x');
    expect(cache.counts).toMatchObject({ hits: 1, misses: 1 });
  });

  it('CA-113 answers the first request after a reload from the new policy', () => {
    const cache = createCache();
    const partition = admit(cache);
    const cell = new SnapshotCell(READS);
    expect(ask(cache, partition, 'GET /read/x', { policy: cell.current }).effect).toBe('allow');
    expect(ask(cache, partition, 'GET /read/x', { policy: cell.current }).effect).toBe('allow');
    cell.swap(NOTHING);
    expect(ask(cache, partition, 'GET /read/x', { policy: cell.current }).effect).toBe('deny');
    expect(cache.counts).toEqual({ hits: 1, misses: 1, stale: 1, disagreements: 0 });
    expect(ask(cache, partition, 'GET /read/x', { policy: cell.current }).effect).toBe('deny');
    expect(cache.counts.hits).toBe(2);
  });

  it('CA-121 lifts a remembered deny when the policy grants', () => {
    const cache = createCache();
    const partition = admit(cache);
    const cell = new SnapshotCell(NOTHING);
    ask(cache, partition, 'GET /read/x', { policy: cell.current });
    cell.swap(READS);
    expect(ask(cache, partition, 'GET /read/x', { policy: cell.current }).effect).toBe('allow');
  });

  describe('CA-113 takes the query into account from the moment a reloaded protocol reads it', () => {
    const blind = snapshot({ ...READS, readsQuery: () => false }, 1);
    const seeing = snapshot(READS, 2);

    it.each([
      ['GET /mode?x=1', ['GET /mode?x=1 read', 'GET /mode read', 'GET /mode?kind=full write', 'GET /mode?x=1 read']],
      // The answer for a query must not become the one for none.
      ['GET /mode?x=1', ['GET /mode?kind=full write', 'GET /mode read', 'GET /mode read']],
      // Nor the answer for none the one for every query.
      ['GET /mode', ['GET /mode read', 'GET /mode read', 'GET /mode?kind=full write', 'GET /mode read']],
    ])('after %s: %j', (before, after) => {
      const cache = createCache();
      const partition = admit(cache);
      ask(cache, partition, before, { policy: blind });
      ask(cache, partition, before, { policy: blind });
      const answers = after.map((expected) => {
        const line = expected.slice(0, expected.lastIndexOf(' '));
        return `${line} ${ask(cache, partition, line, { policy: seeing }).verb}`;
      });
      expect(answers).toEqual(after);
    });
  });

  describe('CA-114 shares no entry between requests that differ', () => {
    it.each([
      ['by letter case', 'GET /read/x', 'GET /READ/x'],
      ['by encoding', 'GET /read/a@', 'GET /read/a%40'],
      ['by hex case', 'GET /read/%C3%A4', 'GET /read/%c3%a4'],
      ['by a slash', 'GET /read/x', 'GET /read/x/'],
      ['by method', 'GET /read/x', 'POST /read/x'],
      ['by method case', 'GET /write/x', 'get /write/x'],
      ['by query, where the protocol reads it', 'GET /mode?kind=full', 'GET /mode?kind=half'],
      ['by an empty query, where the protocol reads it', 'GET /mode', 'GET /mode?'],
      ['CA-115 by where one part ends', 'GET /a', 'GET/ /a'],
      ['CA-115 by a query that ends in a path', 'GET /mode?x=/mode', 'GET /mode'],
    ])('%s', (_, one, two) => {
      const cache = createCache();
      const partition = admit(cache);
      ask(cache, partition, one);
      ask(cache, partition, two);
      ask(cache, partition, one);
      ask(cache, partition, two);
      expect(cache.counts).toMatchObject({ misses: 2, hits: 2 });
      expect(ask(cache, partition, one)).toBe(decide(READS, requestOf('peer/a', 'service', one)));
      expect(ask(cache, partition, two)).toBe(decide(READS, requestOf('peer/a', 'service', two)));
    });

    it('by target, also when the texts run together the same', () => {
      const cache = createCache();
      const partition = admit(cache);
      const request = { principal: partition.id, query: null, upgrade: null };
      for (const [target, method, path] of [
        ['service', 'GET', '/read/x'],
        ['serviceGET', '', '/read/x'],
        ['service', 'GET/read', '/x'],
        ['serviceG', 'ET', '/read/x'],
      ] as const) {
        cache.decide(partition, snapshot(READS), { ...request, target, method, path }, 0);
      }
      expect(cache.counts).toMatchObject({ misses: 4, hits: 0 });
    });

    it('by upgrade, of which none is remembered', () => {
      const both = loadAccess(
        'allow: [{ service: [read] }, { target: service, verbs: [read], upgrades: [websocket] }]',
      );
      const cache = createCache();
      const partition = admit(cache);
      const lines = [
        'GET /read/x',
        'GET /read/x websocket',
        'GET /read/x other',
        'GET /read/x',
        'GET /read/x websocket',
      ];
      const answers = lines.map((line) => ask(cache, partition, line, { policy: snapshot(both) }));
      expect(answers).toEqual(lines.map((line) => decide(both, requestOf('peer/a', 'service', line))));
      expect(answers.map(({ effect, rule }) => `${effect} ${rule?.line}`)).toEqual([
        'allow 9',
        'allow 9',
        'deny undefined',
        'allow 9',
        'allow 9',
      ]);
      expect(cache.counts).toMatchObject({ misses: 4, hits: 1 });
      expect(cache.entries).toBe(1);
    });

    it('by leaf certificate of one SPIFFE ID', () => {
      const cache = createCache();
      ask(cache, admit(cache, { sha: 'a1' }), 'GET /read/x');
      ask(cache, admit(cache, { sha: 'b2' }), 'GET /read/x');
      expect(cache.counts).toMatchObject({ misses: 2, hits: 0 });
    });

    it('by trust epoch', () => {
      const cache = createCache();
      const before = admit(cache, { trustEpoch: 1 });
      ask(cache, before, 'GET /read/x');
      const after = admit(cache, { trustEpoch: 2 });
      ask(cache, after, 'GET /read/x');
      expect(cache.counts).toEqual({ misses: 1, hits: 0, stale: 1, disagreements: 0 });
      // A connection that has not been verified again yet gets nothing that was remembered for those that have.
      ask(cache, before, 'GET /read/x');
      expect(cache.counts).toMatchObject({ hits: 0, stale: 2 });
      ask(cache, after, 'GET /read/x');
      expect(cache.counts).toMatchObject({ hits: 1 });
    });

    it('but by a query that nothing reads', () => {
      const cache = createCache();
      const partition = admit(cache);
      for (const line of ['GET /x?a=1', 'GET /x?a=2', 'GET /x']) ask(cache, partition, line, { target: 'other' });
      expect(cache.counts).toMatchObject({ misses: 1, hits: 2 });
    });

    it('CA-115 and a path with a question mark of its own finds nothing of a path and a query', () => {
      const cache = createCache();
      const partition = admit(cache);
      const policy = snapshot(READS);
      const base = { principal: partition.id, target: 'service', method: 'GET', upgrade: null };
      const honest = cache.decide(partition, policy, { ...base, path: '/mode', query: 'kind=full' }, 0);
      const crooked: AuthzRequest = { ...base, path: '/mode?kind=full', query: null };
      expect(honest.verb).toBe('write');
      expect(cache.decide(partition, policy, crooked, 0)).toBe(decide(READS, crooked));
      expect(cache.decide(partition, policy, crooked, 0)).toBe(decide(READS, crooked));
      expect(cache.counts.hits).toBe(0);
    });

    it('CA-115 whatever the parts are made of', () => {
      const part = fc.string({ unit: fc.constantFrom('a', '/', '?', '|', '\0', '&', '=', '%', '~'), maxLength: 5 });
      const request = fc.record({
        target: fc.constantFrom('service', 'other', 'a', 'a/'),
        method: part,
        path: part.map((text) => `/${text}`),
        query: fc.option(part),
        upgrade: fc.constantFrom(null, 'websocket', 'other', ''),
      });
      fc.assert(
        fc.property(fc.array(request, { minLength: 2, maxLength: 40 }), (requests) => {
          const cache = createCache();
          const partition = admit(cache);
          for (const each of [...requests, ...requests]) {
            const full = { ...each, principal: partition.id };
            expect(cache.decide(partition, snapshot(READS), full, 0)).toBe(decide(READS, full));
          }
        }),
      );
    });
  });

  it('CA-116 is not slowed down by keys that look like array indices', () => {
    const cache = createCache({ maxEntries: 100_000, maxEntriesPerPrincipal: 100_000 });
    const partition = admit(cache);
    const policy = snapshot(READS);
    const time = (lines: readonly AuthzRequest[]): number => {
      for (const request of lines) cache.decide(partition, policy, request, 0);
      const start = process.hrtime.bigint();
      for (const request of lines) cache.decide(partition, policy, request, 0);
      return Number(process.hrtime.bigint() - start);
    };
    const base = { principal: partition.id, target: 'service', upgrade: null };
    const indices = Array.from({ length: 20_000 }, (_, index) => String(index * 0x100_0000 + index));
    const plain = time(
      indices.map((text) => ({ ...base, method: `M${text}`, path: `/mode/${text}`, query: `q${text}` })),
    );
    const indexLike = time(indices.map((text) => ({ ...base, method: text, path: `/mode/${text}`, query: text })));
    expect(indexLike).toBeLessThan(plain * 20 + 50_000_000);
  });

  describe('CA-117 under a flood of unique paths', () => {
    it('stays within its bound', () => {
      const cache = createCache({ maxEntries: 100, maxEntriesPerPrincipal: 10 });
      const partition = admit(cache);
      for (let index = 0; index < 1_000; index += 1) ask(cache, partition, `GET /read/${index}`);
      expect(cache.entries).toBe(10);
    });

    it('takes nothing from other principals, not even when all is full', () => {
      const cache = createCache({ maxEntries: 40, maxEntriesPerPrincipal: 1_000 });
      const quiet = ['peer/b', 'peer/c', 'peer/d'].map((from) => ({ from, partition: admit(cache, { from }) }));
      for (const { from, partition } of quiet) {
        for (let index = 0; index < 10; index += 1) ask(cache, partition, `GET /read/${index}`, { from });
      }
      const flooding = admit(cache);
      for (let index = 0; index < 10_000; index += 1) ask(cache, flooding, `GET /read/${index}`);
      expect(cache.entries).toBe(40);
      const { hits } = cache.counts;
      for (const { from, partition } of quiet) {
        for (let index = 0; index < 10; index += 1) ask(cache, partition, `GET /read/${index}`, { from });
      }
      expect(cache.counts.hits - hits).toBe(30);
    });

    it('gives a newcomer its share when another has taken everything', () => {
      const cache = createCache({ maxEntries: 40, maxEntriesPerPrincipal: 1_000 });
      const greedy = admit(cache);
      for (let index = 0; index < 1_000; index += 1) ask(cache, greedy, `GET /read/${index}`);
      const from = 'peer/b';
      const newcomer = admit(cache, { from });
      for (let round = 0; round < 2; round += 1) {
        for (let index = 0; index < 15; index += 1) ask(cache, newcomer, `GET /read/${index}`, { from });
      }
      expect(cache.counts.hits).toBe(15);
      expect(cache.entries).toBe(40);
    });

    it('makes room for a newcomer where there is most, not where little was first', () => {
      const cache = createCache({ maxEntries: 40, maxEntriesPerPrincipal: 1_000 });
      const small = admit(cache, { from: 'peer/small' });
      for (let index = 0; index < 5; index += 1) ask(cache, small, `GET /read/${index}`, { from: 'peer/small' });
      const greedy = admit(cache);
      for (let index = 0; index < 1_000; index += 1) ask(cache, greedy, `GET /read/${index}`);
      const from = 'peer/new';
      const newcomer = admit(cache, { from });
      for (let index = 0; index < 8; index += 1) ask(cache, newcomer, `GET /read/${index}`, { from });
      const { hits } = cache.counts;
      for (let index = 0; index < 5; index += 1) ask(cache, small, `GET /read/${index}`, { from: 'peer/small' });
      expect(cache.counts.hits - hits).toBe(5);
    });

    it('counts all certificates of one principal together, and lets the newest in', () => {
      const cache = createCache({ maxEntries: 1_000, maxEntriesPerPrincipal: 20 });
      for (let leaf = 0; leaf < 50; leaf += 1) {
        const partition = admit(cache, { sha: `leaf-${leaf}` });
        for (let round = 0; round < 2; round += 1) {
          for (let index = 0; index < 7; index += 1) ask(cache, partition, `GET /read/${index}`);
        }
        expect(cache.entries).toBeLessThanOrEqual(20);
      }
      expect(cache.counts.hits).toBe(50 * 7);
    });

    it('keeps what is asked for and gives up what is not', () => {
      const cache = createCache({ maxEntries: 100, maxEntriesPerPrincipal: 10 });
      const partition = admit(cache);
      ask(cache, partition, 'GET /read/popular');
      for (let index = 0; index < 100; index += 1) {
        ask(cache, partition, `GET /read/${index}`);
        ask(cache, partition, 'GET /read/popular');
      }
      expect(cache.counts.hits).toBe(100);
    });

    it('remembers nothing when it may remember nothing', () => {
      const cache = createCache({ maxEntries: 0 });
      const partition = admit(cache);
      expect(ask(cache, partition, 'GET /read/x').effect).toBe('allow');
      expect(ask(cache, partition, 'GET /read/x').effect).toBe('allow');
      expect(cache.counts).toMatchObject({ hits: 0, misses: 2 });
    });

    it('bounds what an entry can hold', () => {
      const cache = createCache();
      const partition = admit(cache);
      const lines = [
        `GET /read/${'x'.repeat(2_000)}`,
        `${'M'.repeat(100)} /write/x`,
        `GET /mode?x=${'x'.repeat(2_000)}`,
        'GET /read/→→→→→→→→',
      ];
      for (const line of [...lines, ...lines]) {
        expect(ask(cache, partition, line)).toBe(decide(READS, requestOf('peer/a', 'service', line)));
      }
      expect(cache.entries).toBe(0);
    });

    it('keeps no request alive in whose head a path was found', () => {
      setFlagsFromString('--expose-gc');
      const collectGarbage: unknown = runInNewContext('gc');
      if (typeof collectGarbage !== 'function') throw new Error('no garbage collector');
      const heapMiB = (): number => {
        collectGarbage();
        return process.memoryUsage().heapUsed / 1024 / 1024;
      };
      const cache = createCache({ maxEntries: 10_000, maxEntriesPerPrincipal: 10_000 });
      const partition = admit(cache);
      const before = heapMiB();
      for (let index = 0; index < 2_000; index += 1) {
        const head = Buffer.alloc(16_384, `GET /read/models/${index}/weights HTTP/1.1\r\n`).toString('latin1');
        const request = { ...requestOf('peer/a', 'service', 'GET /'), path: head.slice(4, head.indexOf(' ', 4)) };
        cache.decide(partition, snapshot(READS), request, 0);
      }
      expect(cache.entries).toBe(2_000);
      expect(heapMiB() - before).toBeLessThan(8);
    });

    it('keeps count whatever is asked in whatever order', () => {
      const step = fc.record({
        from: fc.constantFrom('peer/a', 'peer/b', 'other/c'),
        sha: fc.constantFrom('1', '2', '3'),
        path: fc.integer({ min: 0, max: 12 }),
        method: fc.constantFrom('GET', 'POST'),
        expired: fc.boolean(),
      });
      const limits = fc.record({
        maxEntries: fc.integer({ min: 0, max: 12 }),
        maxEntriesPerPrincipal: fc.integer({ min: 0, max: 12 }),
      });
      fc.assert(
        fc.property(limits, fc.array(step, { maxLength: 120 }), (limit, steps) => {
          const cache = createCache(limit);
          for (const { from, sha, path, method, expired } of steps) {
            const partition = admit(cache, { from, sha: `${from} ${sha}` });
            const line = `${method} /read/${path}`;
            const nowMs = expired && path === 0 ? END_MS : 0;
            const decision = ask(cache, partition, line, { from, nowMs });
            expect(decision).toBe(decide(READS, requestOf(from, 'service', line)));
            expect(cache.entries).toBeLessThanOrEqual(limit.maxEntries);
            expect(cache.entries).toBeGreaterThanOrEqual(0);
          }
          expect(cache.counts.hits + cache.counts.misses + cache.counts.stale).toBe(steps.length);
        }),
      );
    });
  });

  it('CA-118 never remembers what was computed under a policy that has been replaced meanwhile', () => {
    const cache = createCache();
    const old = admit(cache, { sha: 'a' });
    const current = admit(cache, { sha: 'b' });
    ask(cache, current, 'GET /read/x', { policy: snapshot(NOTHING, 2) });
    // Read before the swap, decided after it.
    expect(ask(cache, old, 'GET /read/x', { policy: snapshot(READS, 1) }).effect).toBe('allow');
    expect(cache.entries).toBe(1);
    expect(ask(cache, old, 'GET /read/x', { policy: snapshot(NOTHING, 2) }).effect).toBe('deny');
    expect(ask(cache, old, 'GET /read/x', { policy: snapshot(READS, 1) }).effect).toBe('allow');
    expect(ask(cache, old, 'GET /read/x', { policy: snapshot(NOTHING, 2) }).effect).toBe('deny');
  });

  it('CA-119 stops remembering when the identity ends', () => {
    const cache = createCache();
    const partition = admit(cache);
    for (const nowMs of [0, END_MS - 1]) ask(cache, partition, 'GET /read/x', { nowMs });
    expect(cache.counts).toMatchObject({ hits: 1, misses: 1 });
    ask(cache, partition, 'GET /read/x', { nowMs: END_MS });
    ask(cache, partition, 'GET /read/x', { nowMs: END_MS });
    expect(cache.counts).toMatchObject({ hits: 1, stale: 2 });
    expect(cache.entries).toBe(0);
  });

  it('CA-119 holds each connection to the end of its own chain', () => {
    const cache = createCache();
    const long = admit(cache, { notAfterMs: END_MS });
    const short = admit(cache, { notAfterMs: END_MS / 2 });
    ask(cache, long, 'GET /read/x');
    ask(cache, short, 'GET /read/x', { nowMs: END_MS / 2 });
    expect(cache.counts).toMatchObject({ hits: 0, stale: 1 });
  });

  it('CA-120 remembers no error', () => {
    const cache = createCache();
    const partition = admit(cache);
    const broken = { ...READS, protocolOf: new Map(), principals: new Map(), ids: new Map(), stranger: READS.stranger };
    vi.spyOn(broken.ids, 'get').mockImplementation(() => {
      throw new Error('broken');
    });
    expect(() => ask(cache, partition, 'GET /read/x', { policy: snapshot(broken) })).toThrow('broken');
    expect(cache.entries).toBe(0);
    expect(ask(cache, partition, 'GET /read/x').effect).toBe('allow');
    expect(cache.counts.hits).toBe(0);
  });

  it('CA-122 brings nothing back when the clock goes back', () => {
    const cache = createCache();
    const partition = admit(cache);
    ask(cache, partition, 'GET /read/x');
    ask(cache, partition, 'GET /read/x', { nowMs: END_MS });
    const HOUR_MS = 3_600_000;
    for (let count = 0; count < 3; count += 1) ask(cache, partition, 'GET /read/x', { nowMs: END_MS - HOUR_MS });
    expect(cache.counts).toEqual({ hits: 0, misses: 1, stale: 4, disagreements: 0 });
    // Verified anew under the clock as it is now, the same leaf starts from nothing.
    ask(cache, admit(cache), 'GET /read/x');
    expect(cache.counts).toMatchObject({ hits: 0, misses: 2 });
  });

  it('is asked by nobody but whom the partition was made for', () => {
    const cache = createCache();
    const partition = admit(cache);
    ask(cache, partition, 'GET /read/x');
    expect(ask(cache, partition, 'GET /read/x', { from: 'nobody/x' }).reason).toBe('unknown-principal');
    expect(ask(cache, partition, 'GET /read/x').effect).toBe('allow');
  });

  describe('verifyEvery', () => {
    it('finds a remembered answer that is not the matrix’s, says so and gives the right one', () => {
      const seen: unknown[] = [];
      const cache = createCache({ verifyEvery: 3, onDisagreement: (...args) => seen.push(args) });
      const partition = admit(cache);
      const fresh = ask(cache, partition, 'GET /read/x');
      const forged: Decision = { ...fresh, effect: 'deny' };
      if (partition.recent !== null) partition.recent.decision = forged;
      const answers = Array.from({ length: 6 }, () => ask(cache, partition, 'GET /read/x'));
      expect(answers).toEqual([forged, forged, fresh, fresh, fresh, fresh]);
      expect(seen).toEqual([[forged, fresh, requestOf('peer/a', 'service', 'GET /read/x')]]);
      expect(cache.counts).toMatchObject({ hits: 6, disagreements: 1 });
    });

    it('finds nothing when all is well', () => {
      const cache = createCache({ verifyEvery: 1 });
      const partition = admit(cache);
      for (let count = 0; count < 10; count += 1) ask(cache, partition, 'GET /read/x');
      expect(cache.counts).toMatchObject({ hits: 9, disagreements: 0 });
    });
  });
});
