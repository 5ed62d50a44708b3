// Log lines of another process on their way into ours: whole ones only, many at once, and no faster than they are written.

import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { LogDestination } from '../../telemetry/log-destination.ts';

type Destination = Pick<LogDestination, 'write' | 'pendingBytes'>;

const NEWLINE = 0x0a;
const MAX_PENDING_BYTES = 1024 * 1024;
/** Reading and writing costs the same for one line as for a hundred, so that after a few it is waited for more. */
const FEW_BYTES = 16 * 1024;
const PAUSE_MS = 50;

/** While too much waits nothing is read: then the pipe fills, and whoever writes into it drops lines and counts them, as a process alone does. */
export function relayLines(from: Readable, destination: Destination): void {
  /** The beginning of a line whose end has not come; a process that is killed may leave one, which nobody could read. */
  let unfinished: Buffer = Buffer.alloc(0);
  const pause = async (): Promise<void> => {
    from.pause();
    do await delay(PAUSE_MS, undefined, { ref: false });
    while (destination.pendingBytes > MAX_PENDING_BYTES);
    from.resume();
  };
  from.on('data', (bytes: Buffer) => {
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end > 0) destination.write(Buffer.concat([unfinished, bytes.subarray(0, end)]), () => {});
    unfinished = Buffer.concat([end > 0 ? Buffer.alloc(0) : unfinished, bytes.subarray(end)]);
    if (bytes.length < FEW_BYTES || destination.pendingBytes > MAX_PENDING_BYTES) void pause();
  });
}
