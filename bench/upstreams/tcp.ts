// An upstream of bytes: does what the first byte of a connection says. Usage: node bench/upstreams/tcp.ts PORT

import { createServer, type Socket } from 'node:net';
import { ASKED } from '../load/tcp-connection.ts';

const PIECE = Buffer.alloc(256 * 1024);

createServer({ noDelay: true }, serve).listen(Number(process.argv[2]), '127.0.0.1');

function serve(socket: Socket): void {
  let isAsked = false;
  socket.on('data', (bytes) => {
    if (isAsked) return;
    isAsked = true;
    const asked = bytes.toString('latin1', 0, 1);
    if (asked === ASKED.echo) socket.write(bytes);
    if (asked !== ASKED.down) return;
    const send = (): void => {
      while (socket.write(PIECE));
    };
    socket.on('drain', send);
    send();
  });
  // What matters about an error is that 'close' follows it.
  socket.on('error', () => undefined);
}
