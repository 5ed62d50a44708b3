import { connect as connectTcp } from 'node:net';
import { connect } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ARTICLE_POLICY, bundlesOf, compilePolicy, type ProxyFixture, startProxy } from '../support/proxy-fixture.ts';
import {
  type Behaviour,
  BEHAVIOURS,
  bodyOf,
  pick,
  type Random,
  seeded,
  UnrulyUpstream,
  writeInPieces,
} from '../support/unruly-upstream.ts';
import type { TestSvid } from '../support/svid-fixtures.ts';

const PEERS = 120;
const AT_A_TIME = 12;
const MAX_CONNECTIONS = 8;
const SIZES = [1, 3, 1_000, 16_384, 16_385, 70_000, 400_000] as const;

const NO_TRAINING = ARTICLE_POLICY.replace('    allow: [registry, feature-store]', '    allow: [feature-store]');

interface Asked {
  readonly id: string;
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  readonly behaviour: Behaviour;
  readonly bytes: number;
}

/** What all peers have seen between them. */
interface Seen {
  readonly faults: string[];
  /** Requests that were answered, by whomever. */
  readonly answered: Set<string>;
  whole: number;
}

function render(asked: Asked, random: Random): Buffer {
  const { id, method, behaviour, bytes } = asked;
  const line = `${method} /${id}/${behaviour}/${bytes} HTTP/1.1\r\nhost: registry\r\n`;
  if (method !== 'PUT' && method !== 'POST') return Buffer.from(`${line}\r\n`, 'latin1');
  const body = bodyOf(id, bytes);
  const expecting = random() < 0.3 ? 'expect: 100-continue\r\n' : '';
  if (random() < 0.5) {
    return Buffer.concat([Buffer.from(`${line}${expecting}content-length: ${bytes}\r\n\r\n`, 'latin1'), body]);
  }
  const middle = Math.ceil(bytes / 2);
  const chunk = (part: Buffer): Buffer[] =>
    part.length === 0
      ? []
      : [Buffer.from(`${part.length.toString(16)}\r\n`, 'latin1'), part, Buffer.from('\r\n', 'latin1')];
  return Buffer.concat([
    Buffer.from(`${line}${expecting}transfer-encoding: chunked\r\n\r\n`, 'latin1'),
    ...chunk(body.subarray(0, middle)),
    ...chunk(body.subarray(middle)),
    Buffer.from('0\r\n\r\n', 'latin1'),
  ]);
}

/** Reads the answers to `asked` in their order and compares every octet with what it must be. */
class AnswerReader {
  readonly #asked: readonly Asked[];
  readonly #seen: Seen;
  #pending = '';
  #at = 0;
  /** Null while a head is awaited. */
  #answer: Answer | null = null;

  constructor(asked: readonly Asked[], seen: Seen) {
    this.#asked = asked;
    this.#seen = seen;
  }

  get isDone(): boolean {
    return this.#at === this.#asked.length;
  }

  push(bytes: Buffer): void {
    this.#pending += bytes.toString('latin1');
    while (!this.isDone && (this.#answer === null ? this.#readHead() : this.#readBody(this.#answer)));
  }

  #readHead(): boolean {
    const asked = this.#asked[this.#at];
    const end = this.#pending.indexOf('\r\n\r\n');
    if (end < 0 || asked === undefined) return false;
    const head = this.#pending.slice(0, end + 2);
    this.#pending = this.#pending.slice(end + 4);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1] ?? 0);
    if (status === 0) this.#fault(`${asked.id} was answered with no HTTP`);
    if (status < 200) return true;
    this.#seen.answered.add(asked.id);
    const id = /\r\nx-id: (.*)\r\n/.exec(head)?.[1] ?? null;
    if (id !== null && id !== asked.id) this.#fault(`${asked.id} was answered with ${id}`);
    if (id === null && !head.includes('application/problem+json')) this.#fault(`nobody answered ${asked.id}`);
    const hasBody = asked.method !== 'HEAD' && status !== 204 && status !== 304;
    const length = hasBody ? Number(/\r\ncontent-length: (\d+)\r\n/.exec(head)?.[1] ?? 0) : 0;
    const isChunked = hasBody && head.includes('\r\ntransfer-encoding: chunked\r\n');
    this.#answer = { asked, isOwn: id === null, isChunked, left: length, received: 0 };
    return true;
  }

  /** @returns false when more is needed. */
  #readBody(answer: Answer): boolean {
    if (answer.left === 0 && !answer.isChunked) return this.#end(answer);
    if (answer.left === 0) {
      const size = /^(?:\r\n)?([0-9a-f]+)\r\n/.exec(this.#pending);
      if (size === null) return false;
      answer.left = Number.parseInt(size[1] ?? '', 16);
      if (answer.left === 0 && this.#pending.length < size[0].length + 2) return false;
      this.#pending = this.#pending.slice(size[0].length);
      if (answer.left > 0) return true;
      this.#pending = this.#pending.slice(2);
      return this.#end(answer);
    }
    const octets = this.#pending.slice(0, answer.left);
    this.#pending = this.#pending.slice(octets.length);
    answer.left -= octets.length;
    answer.received += octets.length;
    const { id } = answer.asked;
    if (!answer.isOwn && bodyOf(id, answer.received).toString('latin1', answer.received - octets.length) !== octets)
      this.#fault(`octets in the answer to ${id} are not its own`);
    return octets.length > 0;
  }

  #end(answer: Answer): boolean {
    const { asked, isOwn, received } = answer;
    const hasWhole = received === asked.bytes || asked.method === 'HEAD' || BODILESS.has(asked.behaviour);
    if (!isOwn && !hasWhole) this.#fault(`the answer to ${asked.id} ended after ${received} of ${asked.bytes}`);
    if (!isOwn) this.#seen.whole += 1;
    this.#at += 1;
    this.#answer = null;
    return true;
  }

  #fault(what: string): void {
    this.#seen.faults.push(what);
  }
}

interface Answer {
  readonly asked: Asked;
  /** By the proxy itself. */
  readonly isOwn: boolean;
  readonly isChunked: boolean;
  /** Of the body, or of the chunk. */
  left: number;
  received: number;
}

const BODILESS: ReadonlySet<string> = new Set(['empty', 'no-content', 'not-modified']);

async function runPeer(
  to: { readonly proxy: ProxyFixture; readonly svid: TestSvid },
  asked: readonly Asked[],
  by: { readonly random: Random; readonly seen: Seen },
): Promise<void> {
  const { proxy, svid } = to;
  const { random, seen } = by;
  const transport = connectTcp(proxy.port, '127.0.0.1');
  const socket = connect({
    socket: transport,
    ca: proxy.authority.certificatePem,
    cert: svid.certificatePem,
    key: svid.privateKeyPem,
    checkServerIdentity: () => undefined,
  });
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const reader = new AnswerReader(asked, seen);
  socket.on('data', (bytes: Buffer) => {
    reader.push(bytes);
    if (reader.isDone) socket.end();
    if (random() < 0.1) {
      socket.pause();
      setTimeout(() => socket.resume(), random() * 30);
    }
  });
  const ending = random();
  if (ending < 0.15) setTimeout(() => transport.resetAndDestroy(), random() * 60);
  else if (ending < 0.25) setTimeout(() => socket.end(), random() * 60);
  else if (ending < 0.3) setTimeout(() => socket.destroy(), random() * 60);
  for (const one of asked) {
    const bytes = render(one, random);
    const rest = random() < 0.3 ? Math.floor(random() * bytes.length) : bytes.length;
    await writeInPieces(socket, bytes.subarray(0, rest), random);
    // Long enough for an answer to overtake the rest of the request.
    if (rest < bytes.length) await new Promise((resolve) => setTimeout(resolve, 40));
    await writeInPieces(socket, bytes.subarray(rest), random);
  }
  if (random() < 0.1) socket.write('what?\r\n\r\n');
  await closed;
}

describe.each([1, 2, 3])('chaos of seed %i', (seed) => {
  it('leaves every answer with the request that asked for it, and nothing behind', { timeout: 60_000 }, async () => {
    const random = seeded(seed);
    const upstream = await UnrulyUpstream.start(random);
    onTestFinished(() => upstream.close());
    const proxy = await startProxy(upstream.port, {
      limits: { headTimeoutMs: 1_000, idleTimeoutMs: 3_000, bodyGraceMs: 1_000 },
      deadlines: { responseHeadTimeoutMs: 700, bodyIdleTimeoutMs: 700 },
      pool: { maxConnections: MAX_CONNECTIONS, maxPending: 1_000, connectTimeoutMs: 20_000 },
    });
    onTestFinished(() => proxy.close());
    const seen: Seen = { faults: [], answered: new Set(), whole: 0 };
    const svids = ['/training/a', '/training/b', '/inference/c'].map((path) => proxy.authority.issue(path));
    let next = 0;
    const runPeers = async (): Promise<void> => {
      for (let peer = (next += 1); peer <= PEERS; peer = next += 1) {
        const asked = Array.from(
          { length: 1 + Math.floor(random() * 6) },
          (_, at): Asked => ({
            id: `${seed}-${peer}-${at}`,
            method: pick(random, ['GET', 'GET', 'HEAD', 'PUT', 'POST', 'DELETE']),
            behaviour: random() < 0.5 ? pick(random, ['length', 'chunked', 'early']) : pick(random, BEHAVIOURS),
            bytes: pick(random, SIZES),
          }),
        );
        const svid = svids[peer % svids.length];
        if (svid !== undefined) await runPeer({ proxy, svid }, asked, { random, seen });
      }
    };
    const swapping = setInterval(() => {
      const dice = random();
      if (dice < 0.05) proxy.trust.swap(new Map());
      else if (dice < 0.15) proxy.policy.swap(compilePolicy(NO_TRAINING));
      proxy.trust.swap(bundlesOf([proxy.authority]));
      proxy.policy.swap(compilePolicy(ARTICLE_POLICY));
    }, 20);
    onTestFinished(() => clearInterval(swapping));
    await Promise.all(Array.from({ length: AT_A_TIME }, runPeers));
    await proxy.untilClosed();

    expect(seen.faults).toEqual([]);
    expect(upstream.faults).toEqual([]);
    // As many as make the rest worth something.
    expect(seen.whole).toBeGreaterThan(PEERS / 2);
    const recorded = new Map<string, number>();
    for (const { path } of proxy.recorder.requests) {
      const id = path.split('/')[1] ?? '';
      recorded.set(id, (recorded.get(id) ?? 0) + 1);
    }
    recorded.delete('');
    expect([...recorded.values()].every((times) => times === 1)).toBe(true);
    for (const id of [...seen.answered, ...upstream.asked]) expect(recorded.get(id)).toBe(1);
    const unasked = proxy.recorder.requests.filter(({ decision, refusal }) => decision === null && refusal === null);
    expect(unasked).toEqual([]);

    await expectWholePool(proxy, seen);
  });
});

/** Every connection the pool may have is to be had: none is lost to an exchange that ended badly. */
async function expectWholePool(proxy: ProxyFixture, seen: Seen): Promise<void> {
  const svid = proxy.authority.issue('/training/last');
  const before = seen.whole;
  const random = (): number => 1;
  await Promise.all(
    Array.from({ length: MAX_CONNECTIONS }, async (_, at) => {
      // `silent` keeps its connection until it is given up on: all of them at the same time, or there would be a queue.
      const asked: Asked = { id: `last-${at}`, method: 'GET', behaviour: 'silent', bytes: 0 };
      await runPeer({ proxy, svid }, [asked], { random, seen });
    }),
  );
  const waits = proxy.recorder.requests.slice(-MAX_CONNECTIONS).map(({ durationSeconds }) => durationSeconds);
  expect(Math.max(...waits)).toBeLessThan(1.3);
  expect(seen.whole).toBe(before);
}
