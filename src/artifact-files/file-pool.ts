// Threads that share the files of a run: the big ones first, so that no core waits for the last.

import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { FileFacts } from '../artifact/run.ts';
import { type FileJob, readFileFacts } from './file-reading.ts';
import type { FileMessage, FileRequest } from './file-worker.ts';

export type PoolJob = Omit<FileJob, 'id'> & { readonly bytes: number };

export interface PoolTerms {
  /** Told of bytes as they are hashed. */
  readonly onProgress: (bytes: number) => void;
}

/**
 * Facts of each job, in their order: read here where they are little, shared among threads where they are much. A thread
 * that dies takes the whole reading with it: what it held is unknown to us.
 */
export async function readFiles(jobs: readonly PoolJob[], { onProgress }: PoolTerms): Promise<readonly FileFacts[]> {
  const bytes = jobs.reduce((sum, job) => sum + job.bytes, 0);
  if (bytes < WORTH_A_THREAD_BYTES) return jobs.map((job, id) => readFileFacts({ ...job, id }, onProgress));
  const facts: FileFacts[] = jobs.map(() => ({ kind: 'unreadable', detail: 'it was not read' }));
  const queue = jobs.map((job, id) => ({ ...job, id })).sort((left, right) => left.bytes - right.bytes);
  const threads = Math.min(availableParallelism(), queue.length, Math.ceil(bytes / WORTH_A_THREAD_BYTES));
  const take = (): FileJob | undefined => queue.pop();
  const onMessage = (message: FileMessage): void => {
    if (message.kind === 'progress') onProgress(message.bytes);
    else facts[message.id] = message.facts;
  };
  await Promise.all(Array.from({ length: threads }, () => readInThread(take, onMessage)));
  return facts;
}

/** One thread that reads until nothing is left. It ends by itself: nothing of it is torn down while it runs. */
async function readInThread(take: () => FileJob | undefined, onMessage: (message: FileMessage) => void): Promise<void> {
  const worker = new Worker(WORKER);
  await new Promise<void>((resolve, reject) => {
    let isDone = false;
    const give = (): void => {
      const job = take();
      isDone = job === undefined;
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage((job ?? 'end') satisfies FileRequest);
    };
    worker.on('error', reject);
    worker.on('exit', (code) => {
      if (isDone && code === 0) resolve();
      else reject(new Error(`a reading thread ended with code ${code}`));
    });
    worker.on('message', (message: FileMessage) => {
      onMessage(message);
      if (message.kind === 'done') give();
    });
    give();
  });
}

/** To start one takes longer than to hash that. */
const WORTH_A_THREAD_BYTES = 32 * 1024 * 1024;

/** The bundle has its parts in a folder of their own, and JavaScript. */
const WORKER = new URL(import.meta.url.endsWith('.ts') ? './file-worker.ts' : '../file-worker.js', import.meta.url);
