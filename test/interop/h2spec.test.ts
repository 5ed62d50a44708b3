// Our listener and a bare server of Node before the same judge: h2spec, which says request by request what RFC 9113 and RFC 7541 ask.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { startProxy } from '../support/proxy-fixture.ts';
import { startTlsShim } from '../support/tls-shim.ts';
import { useGoProgram } from './go-program.ts';

const JUDGES_WITHIN_MS = 120_000;
/** Long enough for what h2spec does with windows of a few octets. */
const BODY = 'x'.repeat(100);

interface Verdict {
  readonly passed: number;
  readonly failed: number;
  /** What failed, by its number and sentence. */
  readonly failures: readonly string[];
}

const h2spec = useGoProgram('h2spec');

async function judge(port: number): Promise<Verdict> {
  const child = spawn(h2spec(), ['-h', '127.0.0.1', '-p', String(port), '-o', '2', 'generic', 'http2', 'hpack']);
  let report = '';
  child.stdout.on('data', (bytes: Buffer) => {
    report += bytes.toString('utf8');
  });
  await once(child, 'close');
  const [, passed, failed] = /(\d+) passed, \d+ skipped, (\d+) failed/.exec(report) ?? [];
  const failures = report.slice(report.indexOf('Failures:')).match(/× .*/g) ?? [];
  return { passed: Number(passed), failed: Number(failed), failures };
}

async function judgeOurs(): Promise<Verdict> {
  const upstream = createHttpServer((request, response) => {
    request.resume();
    request.on('end', () => response.end(BODY));
  });
  await once(upstream.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void upstream.close());
  const proxy = await startProxy((upstream.address() as AddressInfo).port);
  onTestFinished(() => proxy.close());
  const { certificatePem: cert, privateKeyPem: key } = proxy.authority.issue('/training/job');
  const shim = await startTlsShim({
    host: '127.0.0.1',
    port: proxy.port,
    ca: proxy.authority.certificatePem,
    cert,
    key,
    ALPNProtocols: ['h2'],
  });
  onTestFinished(() => shim.close());
  return judge(shim.port);
}

async function judgeBare(): Promise<Verdict> {
  const server = createHttp2Server();
  server.on('sessionError', () => undefined);
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    stream.resume();
    stream.on('end', () => {
      if (stream.closed || stream.destroyed) return;
      stream.respond({ ':status': 200 });
      stream.end(BODY);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  return judge((server.address() as AddressInfo).port);
}

it(
  'h2spec finds nothing wrong with a listener that is not wrong with Node itself',
  async ({ annotate }) => {
    const [ours, bare] = await Promise.all([judgeOurs(), judgeBare()]);
    await annotate(
      `h2spec: a listener passes ${ours.passed} and fails ${ours.failed}, a bare node:http2 server passes ${bare.passed} and fails ${bare.failed}`,
    );
    expect(bare.passed).toBeGreaterThan(100);
    expect(ours.failures.filter((failure) => !bare.failures.includes(failure))).toEqual([]);
    expect(ours.passed).toBeGreaterThanOrEqual(bare.passed);
    expect(ours.failed).toBeLessThanOrEqual(bare.failed);
  },
  JUDGES_WITHIN_MS,
);
