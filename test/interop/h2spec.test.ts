// Our listener and a bare server of Node before the same judge: h2spec, which says request by request what RFC 9113 and RFC 7541 ask.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { startProxy } from '../support/proxy-fixture.ts';
import { testAuthority } from '../support/svid-fixtures.ts';
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

const { certificatePem, privateKeyPem } = testAuthority().issue('/front');
/** The same TLS for both, so that requests say `https` and are served. */
const FRONT = { cert: certificatePem, key: privateKeyPem, ALPNProtocols: ['h2'] };
const h2spec = useGoProgram('h2spec');

async function judge(port: number): Promise<Verdict> {
  const child = spawn(h2spec(), [
    '-h',
    '127.0.0.1',
    '-p',
    String(port),
    '-t',
    '-k',
    '-o',
    '2',
    'generic',
    'http2',
    'hpack',
  ]);
  let report = '';
  child.stdout.on('data', (bytes: Buffer) => {
    report += bytes.toString('utf8');
  });
  await once(child, 'close');
  const [, passed, failed] = /(\d+) passed, \d+ skipped, (\d+) failed/.exec(report) ?? [];
  const failures = report.slice(report.indexOf('Failures:')).match(/× .*/g) ?? [];
  return { passed: Number(passed), failed: Number(failed), failures };
}

/** `served`: requests that reached the upstream, so that it is not judged by refusals alone. */
async function judgeOurs(): Promise<Verdict & { readonly served: number }> {
  let served = 0;
  const upstream = createHttpServer((request, response) => {
    served += 1;
    request.resume();
    request.on('end', () => response.end(BODY));
  });
  await once(upstream.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void upstream.close());
  const proxy = await startProxy((upstream.address() as AddressInfo).port);
  onTestFinished(() => proxy.close());
  const { certificatePem: cert, privateKeyPem: key } = proxy.authority.issue('/training/job');
  const ca = proxy.authority.certificatePem;
  const shim = await startTlsShim({ host: '127.0.0.1', port: proxy.port, ca, cert, key, ALPNProtocols: ['h2'] }, FRONT);
  onTestFinished(() => shim.close());
  return { ...(await judge(shim.port)), served };
}

async function judgeBare(): Promise<Verdict> {
  const server = createSecureServer(FRONT);
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
  'h2spec finds nothing wrong with a listener, and enough with a bare server of Node to be believed',
  async ({ annotate }) => {
    const [{ served, ...ours }, bare] = await Promise.all([judgeOurs(), judgeBare()]);
    await annotate(
      `h2spec: a listener passes ${ours.passed} and fails ${ours.failed}, a bare node:http2 server passes ${bare.passed} and fails ${bare.failed}`,
    );
    expect(served).toBeGreaterThan(50);
    expect(bare.passed).toBeGreaterThan(100);
    expect(bare.failed).toBeGreaterThan(0);
    expect(ours.failures).toEqual([]);
    expect(ours.passed).toBeGreaterThanOrEqual(bare.passed + bare.failed);
  },
  JUDGES_WITHIN_MS,
);
