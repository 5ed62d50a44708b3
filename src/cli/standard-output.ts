// Standard output of commands: each text is written before the next one is made, so that no listing piles up in memory for a slow reader.

import { writeSync } from 'node:fs';

/** `gone` when the reader has seen enough, as `head` does. */
export function writeWhole(descriptor: number, text: string): 'written' | 'gone' {
  for (let rest = text; rest !== ''; ) {
    const { read, written } = ENCODER.encodeInto(rest, buffer);
    if (!writeBytes(descriptor, buffer.subarray(0, written))) return 'gone';
    rest = rest.slice(read);
  }
  return 'written';
}

const ENCODER = new TextEncoder();
// The same one for all: new memory for each text costs more than what is done with it.
const buffer = new Uint8Array(65_536);

function writeBytes(descriptor: number, bytes: Uint8Array): boolean {
  let tries = 0;
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(descriptor, bytes, at);
      tries = 0;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : null;
      if (code === 'EPIPE') return false;
      if (code !== 'EAGAIN') throw error;
      // The runtime makes pipes that do not wait. A program reads on within microseconds; a person does not.
      tries += 1;
      if (tries > TRIES_AT_ONCE) Atomics.wait(NEVER, 0, 0, RETRY_MS);
    }
  }
  return true;
}

const TRIES_AT_ONCE = 100;
const RETRY_MS = 5;
const NEVER = new Int32Array(new SharedArrayBuffer(4));
