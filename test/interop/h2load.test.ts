// h2load, which is nghttp2's own client, in front of a listener: many streams at a time, each answered and each recorded once.

import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { startProxy } from '../support/proxy-fixture.ts';
import { startTlsShim } from '../support/tls-shim.ts';

const REQUESTS = 5_000;
const execute = promisify(execFile);
const missing = !isInstalled();

function isInstalled(): boolean {
  try {
    execFileSync('h2load', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

it.skipIf(missing).each([
  ['/training/job', [], '2xx'],
  ['/training/job', ['-d', import.meta.filename], '2xx'],
  ['/inference/model', ['-d', import.meta.filename], '4xx'],
])(
  `has every request of %s with %j answered with %s${missing ? ' (skipped: h2load is not installed)' : ''}`,
  async (from, options, expected) => {
    const upstream = createServer((request, response) => {
      request.resume();
      request.on('end', () => response.end('done'));
    });
    await once(upstream.listen(0, '127.0.0.1'), 'listening');
    onTestFinished(() => void upstream.close());
    const proxy = await startProxy((upstream.address() as AddressInfo).port, { limits: { maxConcurrentStreams: 100 } });
    onTestFinished(() => proxy.close());
    const { certificatePem: cert, privateKeyPem: key } = proxy.authority.issue(from);
    const ca = proxy.authority.certificatePem;
    const shim = await startTlsShim({ host: '127.0.0.1', port: proxy.port, ca, cert, key, ALPNProtocols: ['h2'] });
    onTestFinished(() => shim.close());
    const load = [
      '-n',
      String(REQUESTS),
      '-c',
      '4',
      '-m',
      '32',
      '-H',
      ':scheme: https',
      ...options,
      `http://127.0.0.1:${shim.port}/x`,
    ];
    const { stdout } = await execute('h2load', load, { encoding: 'utf8' });
    expect(stdout).toContain(`${REQUESTS} ${expected}`);
    expect(stdout).toContain(`${REQUESTS} done`);
    expect(proxy.recorder.requests).toHaveLength(REQUESTS);
    await proxy.untilClosed();
  },
  60_000,
);
