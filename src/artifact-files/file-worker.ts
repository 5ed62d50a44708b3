// A thread that reads files, one after the other, for as long as it is given any.

import { parentPort } from 'node:worker_threads';
import type { FileFacts } from '../artifact/run.ts';
import { type FileJob, readFileFacts } from './file-reading.ts';

export type FileRequest = FileJob | 'end';

export type FileMessage =
  | { readonly kind: 'progress'; readonly bytes: number }
  | { readonly kind: 'done'; readonly id: number; readonly facts: FileFacts };

const REPORT_BYTES = 16 * 1024 * 1024;

let unreported = 0;

parentPort?.on('message', (job: FileRequest) => {
  if (job === 'end') {
    parentPort?.close();
    return;
  }
  const facts = readFileFacts(job, (bytes) => {
    unreported += bytes;
    if (unreported < REPORT_BYTES) return;
    send({ kind: 'progress', bytes: unreported });
    unreported = 0;
  });
  if (unreported > 0) send({ kind: 'progress', bytes: unreported });
  unreported = 0;
  send({ kind: 'done', id: job.id, facts });
});

function send(message: FileMessage): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- the port of a thread has no origin
  parentPort?.postMessage(message);
}
