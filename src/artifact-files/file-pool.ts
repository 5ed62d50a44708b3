// Threads that share the files of a run: the big ones first, so that no core waits for the last.

import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { FileFacts } from '../artifact/run.ts';
import type { FileJob } from './file-reading.ts';
import type { WorkerMessage } from './file-worker.ts';

export interface PoolTerms {
  /** Told of bytes as they are hashed. */
  readonly onProgress: (bytes: number) => void;
}

/** Facts of each job, in their order. A thread that dies takes the whole reading with it: what it held is unknown to us. */
export async function readFiles(
  jobs: readonly (Omit<FileJob, 'id'> & { readonly bytes: number })[],
  { onProgress }: PoolTerms,
): Promise<readonly FileFacts[]> {
  const facts: FileFacts[] = jobs.map(() => ({ kind: 'unreadable', detail: 'it was not read' }));
  const queue = jobs.map((job, id) => ({ ...job, id })).sort((left, right) => right.bytes - left.bytes);
  let next = 0;
  const bytes = jobs.reduce((sum, job) => sum + job.bytes, 0);
  const threads = Math.min(availableParallelism(), queue.length, Math.ceil((bytes + 1) / WORTH_A_THREAD_BYTES));
  await Promise.all(
    Array.from({ length: threads }, async () => {
      const worker = new Worker(WORKER);
      try {
        await new Promise<void>((resolve, reject) => {
          const give = (): void => {
            const job = queue[next];
            next += 1;
            if (job === undefined) {
              resolve();
              return;
            }
            // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
            worker.postMessage(job satisfies FileJob);
          };
          worker.on('error', reject);
          worker.on('exit', (code) => reject(new Error(`a reading thread ended with code ${code}`)));
          worker.on('message', (message: WorkerMessage) => {
            if (message.kind === 'progress') onProgress(message.bytes);
            else {
              facts[message.id] = message.facts;
              give();
            }
          });
          give();
        });
      } finally {
        await worker.terminate();
      }
    }),
  );
  return facts;
}

/** To start one takes longer than to hash that. */
const WORTH_A_THREAD_BYTES = 32 * 1024 * 1024;

/** The bundle has its parts in a folder of their own, and JavaScript. */
const WORKER = new URL(import.meta.url.endsWith('.ts') ? './file-worker.ts' : '../file-worker.js', import.meta.url);
