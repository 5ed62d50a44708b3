import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { request } from 'node:https';
import type { Readable, Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ProxyFixture, startProxy } from '../support/proxy-fixture.ts';

// Both ends are Node's own, so that framing is read by a codec that is not ours.

const PARALLEL = 6;
const BODY_BYTES = 12 * 1024 * 1024;

const MIXED_SIZES = [1, 100, 5_000, 16_384, 16_385, 70_000, 300_000, 700_000];
/** Lent to the socket of the peer, where several may wait before the upstream is held back. */
const LENT_SIZES = [20_000];

/** Reproducible octets in which every position looks different, so that a buffer overwritten too early cannot go unseen. */
function* pieces(seed: number, sizes: readonly number[]): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
  for (let sent = 0, at = seed; sent < BODY_BYTES; at += 7) {
    const bytes = Math.min(sizes[at % sizes.length] ?? 1, BODY_BYTES - sent);
    sent += bytes;
    yield cipher.update(Buffer.alloc(bytes));
  }
}

const expected = new Map<number, string>();
function expectedHash(seed: number): string {
  const known = expected.get(seed);
  if (known !== undefined) return known;
  const hash = createHash('sha256');
  for (const piece of pieces(seed, MIXED_SIZES)) hash.update(piece);
  const digest = hash.digest('hex');
  expected.set(seed, digest);
  return digest;
}

async function send(seed: number, to: Writable): Promise<void> {
  for (const piece of pieces(seed, MIXED_SIZES)) if (!to.write(piece)) await once(to, 'drain');
  to.end();
}

/** One piece for each read of the proxy, whether or not the other side keeps up. */
async function sendPieceByPiece(seed: number, to: Writable): Promise<void> {
  for (const piece of pieces(seed, LENT_SIZES)) {
    to.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  to.end();
}

/** Reads in fits and starts: as often as not the other side has to wait. */
async function hashSlowly(from: Readable, seed: number): Promise<string> {
  const hash = createHash('sha256');
  let reads = seed;
  from.on('data', (bytes: Buffer) => {
    hash.update(bytes);
    reads += 1;
    if (reads % 3 !== 0) return;
    from.pause();
    setTimeout(() => from.resume(), reads % 4);
  });
  await once(from, 'end');
  return hash.digest('hex');
}

let server: Server;
let proxy: ProxyFixture;

beforeAll(async () => {
  server = createServer((incoming: IncomingMessage, outgoing: ServerResponse) => {
    const seed = Number(incoming.url?.slice(1));
    if (incoming.method === 'PUT') {
      void hashSlowly(incoming, seed).then((digest) => outgoing.end(digest));
      return;
    }
    if (seed % 2 === 0) outgoing.setHeader('content-length', BODY_BYTES);
    if (seed % 3 === 0) outgoing.setHeader('connection', 'close');
    void (incoming.headers['x-pace'] === undefined ? send : sendPieceByPiece)(seed, outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  proxy = await startProxy(typeof address === 'object' && address !== null ? address.port : 0, {
    pool: { maxConnections: PARALLEL - 1, connectTimeoutMs: 20_000 },
  });
});

afterAll(async () => {
  await proxy.close();
  server.close();
  server.closeAllConnections();
});

function ask(method: string, seed: number, headers: Record<string, string> = {}): ReturnType<typeof request> {
  const svid = proxy.authority.issue('/training/job');
  return request({
    host: '127.0.0.1',
    port: proxy.port,
    path: `/${seed}`,
    method,
    headers,
    ca: proxy.authority.certificatePem,
    cert: svid.certificatePem,
    key: svid.privateKeyPem,
    checkServerIdentity: () => undefined,
  });
}

async function download(seed: number): Promise<string> {
  const outgoing = ask('GET', seed).end();
  const [incoming]: IncomingMessage[] = await once(outgoing, 'response');
  if (incoming === undefined) throw new Error('no response');
  return hashSlowly(incoming, seed);
}

async function upload(seed: number): Promise<string> {
  const outgoing = ask('PUT', seed, seed % 2 === 0 ? { 'content-length': String(BODY_BYTES) } : {});
  const [[incoming]] = await Promise.all([once(outgoing, 'response'), send(seed, outgoing)]);
  let digest = '';
  incoming.on('data', (bytes: Buffer) => {
    digest += bytes.toString('latin1');
  });
  await once(incoming, 'end');
  return digest;
}

const seeds = Array.from({ length: PARALLEL }, (_, at) => at + 1);

describe('a body of pseudo-random octets', () => {
  it('comes down to slow readers as it was sent, in either framing, on connections in turn', async () => {
    for (let round = 0; round < 2; round += 1) {
      expect(await Promise.all(seeds.map(download))).toEqual(seeds.map(expectedHash));
    }
  });

  it('waits unharmed for a reader that has stopped', async () => {
    const digests = await Promise.all(
      seeds.map(async (seed) => {
        const outgoing = ask('GET', seed, { 'x-pace': 'slow' }).end();
        const [incoming]: IncomingMessage[] = await once(outgoing, 'response');
        if (incoming === undefined) throw new Error('no response');
        await new Promise((resolve) => setTimeout(resolve, 2_000));
        return hashSlowly(incoming, seed);
      }),
    );
    expect(digests).toEqual(seeds.map(expectedHash));
  });

  it('goes up to a slow reader as it was sent, in either framing', async () => {
    expect(await Promise.all(seeds.map(upload))).toEqual(seeds.map(expectedHash));
  });

  it('does both at once', async () => {
    const both = seeds.map((seed) => (seed % 2 === 0 ? upload(seed + 10) : download(seed + 10)));
    expect(await Promise.all(both)).toEqual(seeds.map((seed) => expectedHash(seed + 10)));
  });
});
