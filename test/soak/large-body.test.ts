import { createServer, type Server, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ARTICLE_POLICY } from '../support/proxy-fixture.ts';
import { type SidecarProcess, startSidecarProcess } from '../support/sidecar-process.ts';
import { testAuthority } from '../support/svid-fixtures.ts';

const GIB = 1024 ** 3;
const BODY_BYTES = Number(process.env['SALLYPORT_LARGE_BODY_GIB'] ?? 10) * GIB;
const MAX_GROWTH_BYTES = 64 * 1024 ** 2;
const BLOCK = Buffer.alloc(256 * 1024, 'x');

let upstream: Server;
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
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  return socket;
}

/** Runs `work` and gives the most that the sidecar's memory grew over what it was before. */
async function growthDuring(work: () => Promise<void>): Promise<number> {
  const before = sidecar.residentBytes();
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, sidecar.residentBytes());
  }, 100);
  await work();
  clearInterval(watch);
  return most - before;
}

describe.skipIf(!existsSync('/proc/self/status'))('a large body (needs /proc for the memory of a process)', () => {
  beforeAll(async () => {
    upstream = createServer({ noDelay: true }, serve);
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const address = upstream.address();
    const upstreamPort = typeof address === 'object' && address !== null ? address.port : 0;
    sidecar = await startSidecarProcess({ upstreamPort, policy: ARTICLE_POLICY, extra: '' });
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
    const growth = await growthDuring(async () => {
      let received = 0;
      await new Promise<void>((resolve, reject) => {
        socket.on('data', (bytes: Buffer) => {
          received += bytes.length;
          if (received >= BODY_BYTES) resolve();
        });
        socket.on('close', () => reject(new Error(`closed after ${received} bytes`)));
        socket.write('GET /model HTTP/1.1\r\nhost: registry\r\n\r\n');
      });
      socket.removeAllListeners('close');
      socket.destroy();
    });
    console.info(`download: memory grew by ${(growth / 1024 ** 2).toFixed(1)} MiB at most`);
    expect(growth).toBeLessThan(MAX_GROWTH_BYTES);
  });

  it(`uploads ${BODY_BYTES / GIB} GiB within the memory bound`, async () => {
    const socket = await connectTraining();
    uploadedBytes = 0;
    const growth = await growthDuring(async () => {
      socket.write(`PUT /model HTTP/1.1\r\nhost: registry\r\ncontent-length: ${BODY_BYTES}\r\n\r\n`);
      writeAll(socket, BODY_BYTES);
      const answer = await new Promise<string>((resolve) =>
        socket.once('data', (bytes: Buffer) => resolve(bytes.toString())),
      );
      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
      socket.destroy();
    });
    expect(uploadedBytes).toBe(BODY_BYTES);
    console.info(`upload: memory grew by ${(growth / 1024 ** 2).toFixed(1)} MiB at most`);
    expect(growth).toBeLessThan(MAX_GROWTH_BYTES);
  });
});
