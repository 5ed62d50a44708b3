import { createServer, type Server, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ARTICLE_POLICY } from '../support/proxy-fixture.ts';
import { type SidecarProcess, startSidecarProcess } from '../support/sidecar-process.ts';
import { testAuthority } from '../support/svid-fixtures.ts';

const GIB = 1024 ** 3;
const BODY_BYTES = Number(process.env['SALLYPORT_LARGE_BODY_GIB'] ?? 10) * GIB;
const MAX_GROWTH_BYTES = 64 * 1024 ** 2;
const BLOCK = Buffer.alloc(256 * 1024, 'x');
const SAMPLE_MS = 100;
const LAST_WORDS_MS = 500;
/** The sidecar is to end a body that stands still itself, and to say why; whoever waits for longer waits for nothing. */
const BODY_IDLE_MS = 20_000;
const STILL_MS = BODY_IDLE_MS + 10_000;
/** Ten times what it takes where nothing else runs. */
const LONGEST_MS = 240_000;

let upstream: Server;
let upstreamPort: number;
let sidecar: SidecarProcess;
let uploadedBytes = 0;

/** Answers GET with `BODY_BYTES`, PUT with 200 once it has read that many. */
function serve(socket: Socket): void {
  socket.on('error', () => undefined);
  let remaining = -1;
  socket.on('data', (bytes) => {
    let body = bytes.length;
    if (remaining < 0) {
      const text = bytes.toString('latin1', 0, 8192);
      const end = text.indexOf('\r\n\r\n') + 4;
      if (text.startsWith('GET')) {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${BODY_BYTES}\r\n\r\n`);
        writeAll(socket, BODY_BYTES);
        return;
      }
      remaining = BODY_BYTES;
      body -= end;
    }
    remaining -= body;
    uploadedBytes += body;
    if (remaining === 0) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  });
}

function writeAll(socket: Socket | TLSSocket, bytes: number): void {
  let left = bytes;
  const push = (): void => {
    while (left > 0) {
      const block = left >= BLOCK.length ? BLOCK : BLOCK.subarray(0, left);
      left -= block.length;
      if (!socket.write(block)) {
        socket.once('drain', push);
        return;
      }
    }
  };
  push();
}

async function connectTraining(): Promise<TLSSocket> {
  const svid = testAuthority().issue('/training/job');
  const socket = connect({
    host: '127.0.0.1',
    port: sidecar.port,
    cert: svid.certificatePem,
    key: svid.privateKeyPem,
    ca: testAuthority().certificatePem,
    checkServerIdentity: () => undefined,
  });
  // 'close' follows, and whoever waits is told by that.
  socket.on('error', () => undefined);
  await Promise.race([new Promise((resolve) => socket.once('secureConnect', resolve)), closing(socket)]);
  return socket;
}

/** Rejects when `socket` closes, whoever closes it. */
function closing(socket: TLSSocket): Promise<never> {
  return new Promise((_resolve, reject) => {
    socket.once('close', () =>
      reject(new Error(`the connection was closed (${socket.errored?.message ?? 'in order'})`)),
    );
  });
}

/**
 * Runs `work` over `socket` and gives the most that the sidecar's memory grew over what it was before. Fails, and says where everything
 * is, when the connection closes, when `moved` has stood still, and when it takes too long.
 */
async function growthDuring(socket: TLSSocket, moved: () => number, work: () => Promise<void>): Promise<number> {
  const before = sidecar.residentBytes();
  let most = before;
  const sampling = new AbortController();
  const sample = async (): Promise<never> => {
    const beganMs = performance.now();
    let [bytes, movedMs] = [moved(), beganMs];
    for (;;) {
      await delay(SAMPLE_MS, null, { signal: sampling.signal });
      most = Math.max(most, sidecar.residentBytes());
      const nowMs = performance.now();
      if (moved() !== bytes) [bytes, movedMs] = [moved(), nowMs];
      if (nowMs - movedMs >= STILL_MS) throw new Error(`nothing has moved for ${STILL_MS / 1000} s`);
      if (nowMs - beganMs >= LONGEST_MS) throw new Error(`not done after ${LONGEST_MS / 1000} s`);
    }
  };
  try {
    await Promise.race([work(), closing(socket), sample()]);
  } catch (error) {
    const where = `after ${moved()} of ${BODY_BYTES} bytes\n${whereabouts(socket)}`;
    // Its last words are on their way.
    await delay(LAST_WORDS_MS);
    const words = sidecar.log.slice(-3).map((line) => JSON.stringify(line));
    throw new Error([where, ...words, sidecar.errors].join('\n'), { cause: error });
  } finally {
    sampling.abort();
    socket.destroy();
  }
  return most - before;
}

/** Who holds what is not delivered: the peer, the sidecar, the upstream, or the system between two of them. */
function whereabouts(socket: TLSSocket): string {
  const { bytesRead, bytesWritten, writableLength, writableNeedDrain } = socket;
  const hex = (port: number): string => `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const queues = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((row) => row.slice(1, 3).some((end) => end.endsWith(hex(sidecar.port)) || end.endsWith(hex(upstreamPort))))
    .map(([, local, remote, state, queued]) => `${local} to ${remote}, state ${state}, to send:to read ${queued}`);
  const status = `/proc/${sidecar.pid}/status`;
  return [
    `peer: ${JSON.stringify({ bytesRead, bytesWritten, writableLength, writableNeedDrain })}; upstream has read ${uploadedBytes}`,
    `sidecar (port${hex(sidecar.port)}, upstream${hex(upstreamPort)}): ${existsSync(status) ? /State:.*/.exec(readFileSync(status, 'utf8'))?.[0] : 'gone'}`,
    ...queues,
  ].join('\n');
}

describe.skipIf(!existsSync('/proc/self/status'))('a large body (needs /proc for the memory of a process)', () => {
  beforeAll(async () => {
    upstream = createServer({ noDelay: true }, serve);
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const address = upstream.address();
    upstreamPort = typeof address === 'object' && address !== null ? address.port : 0;
    const extra = `upstream: { bodyIdleTimeout: ${BODY_IDLE_MS}ms }\n`;
    sidecar = await startSidecarProcess({ upstreamPort, policy: ARTICLE_POLICY, extra });
    // What a process needs to be warm is not growth.
    const socket = await connectTraining();
    socket.write('PUT /warm HTTP/1.1\r\nhost: registry\r\ncontent-length: 0\r\n\r\n');
    socket.destroy();
  });

  afterAll(async () => {
    await sidecar.stop();
    upstream.close();
  });

  it(`downloads ${BODY_BYTES / GIB} GiB within the memory bound`, async () => {
    const socket = await connectTraining();
    let head = '';
    let received = 0;
    const growth = await growthDuring(
      socket,
      () => received,
      () =>
        new Promise<void>((resolve) => {
          socket.on('data', (bytes: Buffer) => {
            received += bytes.length;
            if (head === '') {
              head = bytes.toString('latin1', 0, bytes.indexOf('\r\n\r\n') + 4);
              received -= head.length;
            }
            if (received >= BODY_BYTES) resolve();
          });
          socket.write('GET /model HTTP/1.1\r\nhost: registry\r\n\r\n');
        }),
    );
    expect(head).toMatch(/^HTTP\/1\.1 200 /);
    expect(received).toBe(BODY_BYTES);
    console.info(`download: memory grew by ${(growth / 1024 ** 2).toFixed(1)} MiB at most`);
    expect(growth).toBeLessThan(MAX_GROWTH_BYTES);
  });

  it(`uploads ${BODY_BYTES / GIB} GiB within the memory bound`, async () => {
    const socket = await connectTraining();
    uploadedBytes = 0;
    let answer = '';
    const growth = await growthDuring(
      socket,
      () => uploadedBytes,
      async () => {
        socket.write(`PUT /model HTTP/1.1\r\nhost: registry\r\ncontent-length: ${BODY_BYTES}\r\n\r\n`);
        writeAll(socket, BODY_BYTES);
        answer = await new Promise<string>((resolve) =>
          socket.once('data', (bytes: Buffer) => resolve(bytes.toString())),
        );
      },
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(uploadedBytes).toBe(BODY_BYTES);
    console.info(`upload: memory grew by ${(growth / 1024 ** 2).toFixed(1)} MiB at most`);
    expect(growth).toBeLessThan(MAX_GROWTH_BYTES);
  });
});
