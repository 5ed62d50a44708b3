// How long Envoy waits for a decision: checks over a Unix socket, one after the other and many at once.

import { mkdtempSync, rmSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHistogram, performance } from 'node:perf_hooks';
import { GrpcService } from '../src/extauthz/grpc-service.ts';
import { CHECK_PATH, CHECK_REQUEST, CHECK_RESPONSE } from '../src/extauthz/messages.ts';
import { checkOf, openSetting, statusOf } from '../test/extauthz/setting.ts';
import { testAuthority } from '../test/support/svid-fixtures.ts';
import { type Summary, summarise } from './summary.ts';

export interface CheckEffort {
  readonly rounds: number;
  /** Of each figure; the first round is one more, to warm up. */
  readonly checksPerRound: number;
}

export interface CheckFigure {
  readonly name: string;
  readonly p50Micros: Summary;
  readonly p99Micros: Summary;
  readonly perSecond: Summary;
}

const CONCURRENCIES = [1, 16] as const;
const FRAME_HEAD_BYTES = 5;

/** Service and client share a process, and thus a processor: what is told here is an upper bound. */
export async function measureChecks({ rounds, checksPerRound }: CheckEffort): Promise<readonly CheckFigure[]> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-authz-'));
  const path = join(directory, 'authz.sock');
  const service = new GrpcService(openSetting().context, { kind: 'unix', path, mode: 0o600 });
  await service.listen();
  const session = connect('http://localhost', { createConnection: () => createConnection(path) });
  try {
    const runs = CONCURRENCIES.map((concurrency) => ({ concurrency, taken: [] as Taken[] }));
    for (let round = 0; round <= rounds; round += 1) {
      for (const { concurrency, taken } of runs) {
        const measured = await measureRound(session, concurrency, checksPerRound);
        if (round > 0) taken.push(measured);
      }
    }
    return runs.map(({ concurrency, taken }) => ({
      name: concurrency === 1 ? 'one after the other' : `${concurrency} at a time`,
      p50Micros: summarise(taken.map(({ p50Micros }) => p50Micros)),
      p99Micros: summarise(taken.map(({ p99Micros }) => p99Micros)),
      perSecond: summarise(taken.map(({ perSecond }) => perSecond)),
    }));
  } finally {
    session.close();
    service.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Taken {
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly perSecond: number;
}

async function measureRound(session: ClientHttp2Session, concurrency: number, checks: number): Promise<Taken> {
  const message = frame(CHECK_REQUEST.encode(checkOf({ svid: testAuthority().issue('/training/job') })));
  const histogram = createHistogram();
  const startMs = performance.now();
  let left = checks;
  const askInTurn = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const askedMs = performance.now();
      await ask(session, message);
      histogram.record(Math.max(1, Math.round((performance.now() - askedMs) * 1_000)));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, askInTurn));
  return {
    p50Micros: histogram.percentile(50),
    p99Micros: histogram.percentile(99),
    perSecond: (checks * 1_000) / (performance.now() - startMs),
  };
}

/** @throws {Error} for any answer but the one that lets the request through. */
async function ask(session: ClientHttp2Session, message: Buffer): Promise<void> {
  const answer = await new Promise<Buffer>((resolve, reject) => {
    const stream = session.request({ ':method': 'POST', ':path': CHECK_PATH, 'content-type': 'application/grpc' });
    const read: Buffer[] = [];
    stream.on('error', reject);
    stream.on('data', (bytes: Buffer) => read.push(bytes));
    stream.on('end', () => resolve(Buffer.concat(read)));
    stream.end(message);
  });
  const status = statusOf(CHECK_RESPONSE.decode(answer.subarray(FRAME_HEAD_BYTES)));
  if (status !== 200) throw new Error(`a check was answered with ${status}`);
}

function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
