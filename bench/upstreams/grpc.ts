// An upstream that speaks gRPC over h2c: answers every call, whatever it asks, with the same message. Usage: node bench/upstreams/grpc.ts
// PORT. Written on frames, since it shares a CPU with the load.

import { createServer, type Socket } from 'node:net';
import {
  aim,
  FLAG,
  FRAME,
  frame,
  type FrameKind,
  FrameReader,
  INITIAL_WINDOW,
  LARGEST_WINDOW,
  PREFACE,
  ReceiveWindow,
  SETTING,
  settings,
} from '../load/http2-frames.ts';
import { encodeOnce } from '../load/http2-heads.ts';
import { GRPC_ANSWER } from './messages.ts';

const NOTHING = Buffer.alloc(0);
const HEAD = encodeOnce([
  [':status', '200'],
  ['content-type', 'application/grpc'],
]);
const TRAILERS = encodeOnce([['grpc-status', '0']]);
const ANSWER = Buffer.concat([
  frame({ type: FRAME.headers, flags: FLAG.endHeaders, stream: 0 }, HEAD),
  frame({ type: FRAME.data, flags: 0, stream: 0 }, GRPC_ANSWER),
  frame({ type: FRAME.headers, flags: FLAG.endHeaders | FLAG.endStream, stream: 0 }, TRAILERS),
]);

createServer({ noDelay: true }, serve).listen(Number(process.argv[2]), '127.0.0.1');

function serve(socket: Socket): void {
  const window = new ReceiveWindow();
  let credit = INITIAL_WINDOW;
  let pending: Buffer[] = [];
  const take = (kind: FrameKind, payload: Buffer): void => {
    switch (kind.type) {
      case FRAME.data: {
        const update = window.take(payload.length);
        if (update !== null) pending.push(update);
        break;
      }
      case FRAME.settings:
        if ((kind.flags & FLAG.acknowledged) === 0)
          pending.push(frame({ type: FRAME.settings, flags: FLAG.acknowledged, stream: 0 }, NOTHING));
        return;
      case FRAME.ping:
        if ((kind.flags & FLAG.acknowledged) === 0) pending.push(frame({ ...kind, flags: FLAG.acknowledged }, payload));
        return;
      case FRAME.windowUpdate:
        if (kind.stream === 0) credit += payload.readUInt32BE();
        return;
      default:
    }
    if ((kind.flags & FLAG.endStream) === 0 || (kind.type !== FRAME.data && kind.type !== FRAME.headers)) return;
    credit -= GRPC_ANSWER.length;
    // A few small messages on a window of 64 KiB.
    if (credit < 0) throw new Error('the proxy does not take what it is answered');
    pending.push(aim(ANSWER, kind.stream));
  };
  const frames = new FrameReader(take);
  let prefaceLeft = PREFACE.length;
  socket.on('data', (bytes) => {
    const skipped = Math.min(prefaceLeft, bytes.length);
    prefaceLeft -= skipped;
    frames.read(bytes.subarray(skipped));
    if (pending.length === 0) return;
    const written = Buffer.concat(pending);
    pending = [];
    socket.write(written);
  });
  // What matters about an error is that 'close' follows it.
  socket.on('error', () => undefined);
  socket.write(Buffer.concat([settings([[SETTING.initialWindowSize, LARGEST_WINDOW]]), ReceiveWindow.OPENING]));
}
