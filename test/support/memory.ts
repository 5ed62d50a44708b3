// What is still held after all garbage is gone.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** On the heap and in buffers. */
export async function heldBytes(): Promise<number> {
  setFlagsFromString('--expose-gc');
  // What a buffer held is counted until the next time.
  for (let time = 0; time < 2; time += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    runInNewContext('gc')();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
