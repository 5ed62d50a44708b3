// Log lines of another process on their way into ours: whole ones only, and no faster than they are written.

import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { LogDestination } from '../../telemetry/log-destination.ts';

type Destination = Pick<LogDestination, 'write' | 'pendingBytes'>;

const NEWLINE = 0x0a;
const MAX_PENDING_BYTES = 1024 * 1024;
const LOOK_AGAIN_MS = 50;

/** While too much waits nothing is read: then the pipe fills, and whoever writes into it drops lines and counts them, as a process alone does. */
export function relayLines(from: Readable, destination: Destination): void {
  /** The beginning of a line whose end has not come; a process that is killed may leave one, which nobody could read. */
  let unfinished: Buffer = Buffer.alloc(0);
  from.on('data', (bytes: Buffer) => {
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      unfinished = Buffer.concat([unfinished, bytes]);
      return;
    }
    // Every line is ASCII.
    const lines = Buffer.concat([unfinished, bytes.subarray(0, end)]).toString('latin1');
    unfinished = Buffer.from(bytes.subarray(end));
    destination.write(lines, () => {});
    if (destination.pendingBytes <= MAX_PENDING_BYTES) return;
    from.pause();
    void resumeWhenWritten();
  });

  async function resumeWhenWritten(): Promise<void> {
    while (destination.pendingBytes > MAX_PENDING_BYTES) await delay(LOOK_AGAIN_MS);
    from.resume();
  }
}
