// How long Envoy waits for a decision: p50 and p99 of checks over a Unix socket, one after the other and many at once.

import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:http2';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHistogram, performance } from 'node:perf_hooks';
import { GrpcService } from '../src/extauthz/grpc-service.ts';
import { CHECK_PATH, CHECK_REQUEST } from '../src/extauthz/messages.ts';
import { checkOf, openSetting } from '../test/extauthz/setting.ts';
import { testAuthority } from '../test/support/svid-fixtures.ts';

const WARM_UP = 5_000;
const CHECKS = 30_000;

export interface CheckLatency {
  /** Checks under way at a time. */
  readonly concurrency: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly perSecond: number;
}

/** Service and client share a process, and thus a processor: what is told here is an upper bound. */
export async function measureChecks(): Promise<readonly CheckLatency[]> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
  const path = join(directory, 'authz.sock');
  const service = new GrpcService(openSetting().context, { kind: 'unix', path, mode: 0o600 });
  await service.listen();
  const session = connect('http://localhost', { createConnection: () => createConnection(path) });
  const check = CHECK_REQUEST.encode(checkOf({ svid: testAuthority().issue('/training/job') }));
  const message = Buffer.alloc(5 + check.length);
  message.writeUInt32BE(check.length, 1);
  check.copy(message, 5);
  const ask = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':method': 'POST', ':path': CHECK_PATH, 'content-type': 'application/grpc' });
      stream.on('error', reject);
      stream.on('trailers', (trailers) => {
        if (trailers['grpc-status'] !== '0') reject(new Error(`status ${String(trailers['grpc-status'])}`));
      });
      stream.on('close', resolve);
      stream.resume();
      stream.end(message);
    });
  const measure = async (concurrency: number, checks: number): Promise<CheckLatency> => {
    const histogram = createHistogram();
    const startMs = performance.now();
    let left = checks;
    const askInTurn = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const askedMs = performance.now();
        await ask();
        histogram.record(Math.max(1, Math.round((performance.now() - askedMs) * 1_000)));
      }
    };
    await Promise.all(Array.from({ length: concurrency }, askInTurn));
    return {
      concurrency,
      p50Us: histogram.percentile(50),
      p99Us: histogram.percentile(99),
      perSecond: Math.round((checks * 1_000) / (performance.now() - startMs)),
    };
  };
  await measure(16, WARM_UP);
  const results = [await measure(1, CHECKS), await measure(16, CHECKS)];
  session.close();
  service.close();
  rmSync(directory, { recursive: true });
  return results;
}

if (import.meta.main) {
  for (const { concurrency, p50Us, p99Us, perSecond } of await measureChecks()) {
    console.info(`${concurrency} at a time: p50 ${p50Us} µs, p99 ${p99Us} µs, ${perSecond} checks/s`);
  }
}
