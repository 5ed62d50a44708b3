// Load generator of the proxy benchmark, a process of its own: closed loop over kept mTLS connections.
// Usage: node bench/load.ts PORT CONNECTIONS WARMUP_MS MEASURE_MS DIRECTORY PATH; prints one JSON line {"requests", "elapsedMs"}.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';

const [port, connections, warmupMs, measureMs, directory = '.', path = '/'] = process.argv.slice(2);
const credentials = {
  cert: readFileSync(join(directory, 'client.pem')),
  key: readFileSync(join(directory, 'client.key')),
  ca: readFileSync(join(directory, 'bundle.pem')),
};
const requestBytes = Buffer.from(
  `GET ${path} HTTP/1.1\r\nHost: registry\r\nUser-Agent: bench\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nX-Request-Id: 0123456789abcdef\r\n\r\n`,
);

let answered = 0;

async function open(): Promise<TLSSocket> {
  const socket = connect({
    host: '127.0.0.1',
    port: Number(port),
    ...credentials,
    checkServerIdentity: () => undefined,
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  socket.on('close', () => fail('a connection was closed'));
  return socket;
}

/** Asks again as soon as it was answered. */
function drive(socket: TLSSocket): void {
  let missing = 0;
  let head = '';
  socket.on('data', (bytes: Buffer) => {
    if (missing === 0) {
      head += bytes.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      if (!head.startsWith('HTTP/1.1 200 ')) fail(`answered ${head.slice(0, 40)}`);
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1]);
      missing = end + 4 + length - head.length;
    } else {
      missing -= bytes.length;
    }
    if (missing > 0) return;
    missing = 0;
    head = '';
    answered += 1;
    socket.write(requestBytes);
  });
  socket.write(requestBytes);
}

function fail(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}

const sockets = await Promise.all(Array.from({ length: Number(connections) }, open));
for (const socket of sockets) drive(socket);
await new Promise((resolve) => setTimeout(resolve, Number(warmupMs)));
// The parent reads the CPU clock of the proxy at both ends of the measurement.
process.stdout.write('start\n');
const answeredBefore = answered;
const startMs = performance.now();
await new Promise((resolve) => setTimeout(resolve, Number(measureMs)));
const result = { requests: answered - answeredBefore, elapsedMs: performance.now() - startMs };
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(0);
