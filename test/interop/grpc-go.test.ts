// grpc-go on both sides of a listener: calls in every shape, its statuses and metadata, and what it is told when policy says no.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type ProxyFixture, startProxy } from '../support/proxy-fixture.ts';
import { writeIdentity } from '../support/sidecar-process.ts';
import { createTestAuthority, type TestSvid } from '../support/svid-fixtures.ts';
import { ExternalProcess } from './external-process.ts';
import { useGoProgram } from './go-program.ts';

interface Outcome {
  readonly messages: number;
  readonly octets: number;
  readonly code: string;
  readonly message: string;
  readonly header: Readonly<Record<string, readonly string[]>> | null;
  readonly trailer: Readonly<Record<string, readonly string[]>>;
}

const program = useGoProgram('grpc-go');
const execute = promisify(execFile);
let proxy: ProxyFixture;
let directory: string;

beforeEach(async () => {
  const server = new ExternalProcess(program(), ['serve']);
  onTestFinished(() => server.end('SIGKILL'));
  const port = await server.find((line) => (/^\d+$/.test(line) ? Number(line) : null));
  proxy = await startProxy(port, { speaks: 'http/2' });
  onTestFinished(() => proxy.close());
  directory = mkdtempSync(join(tmpdir(), 'sallyport-grpc-go-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'bundle.pem'), proxy.authority.certificatePem);
});

async function call(from: string | TestSvid, method: string, { messages = 1, octets = 5 } = {}): Promise<Outcome> {
  writeIdentity(directory, 'peer', typeof from === 'string' ? proxy.authority.issue(from) : from);
  const files = ['peer.pem', 'peer.key', 'bundle.pem'].map((name) => join(directory, name));
  const parameters = ['call', String(proxy.port), ...files, method, String(messages), String(octets)];
  const { stdout } = await execute(program(), parameters, { encoding: 'utf8' });
  return JSON.parse(stdout) as Outcome;
}

describe('grpc-go (skipped where Go is missing)', () => {
  it.each([
    ['one message', 1, 5],
    ['an empty message', 1, 0],
    ['a thousand small ones', 1_000, 100],
    ['large ones, beyond every window', 8, 4_000_000],
  ])('has %s echoed', async (_name, messages, octets) => {
    const outcome = await call('/training/job', '/test.Echo/Chat', { messages, octets });
    expect(outcome).toMatchObject({ messages, octets: messages * octets, code: 'OK' });
    expect(outcome.header).toMatchObject({ 'x-served-by': ['grpc-go'] });
    expect(outcome.trailer).toMatchObject({ 'x-count': [String(messages)] });
    expect(proxy.recorder.requests.map(({ status }) => status)).toEqual([200]);
  });

  it('is told the status that the server gave', async () => {
    const outcome = await call('/training/job', '/test.Echo/Fail');
    expect(outcome).toMatchObject({ messages: 1, code: 'FailedPrecondition', message: 'not today: 100% ümlaut' });
  });

  it('is told PERMISSION_DENIED and the decision id when policy says no', async () => {
    const outcome = await call('/inference/model', '/test.Echo/Chat', { messages: 3 });
    expect(outcome).toMatchObject({ messages: 0, code: 'PermissionDenied' });
    const ids = { ...outcome.header, ...outcome.trailer }['x-sallyport-decision-id'];
    expect(ids).toEqual([proxy.recorder.requests[0]?.decisionId]);
  });

  it('is told UNAUTHENTICATED when nobody vouches for it', async () => {
    const stranger = createTestAuthority('ai.example').issue('/training/job');
    expect(await call(stranger, '/test.Echo/Chat')).toMatchObject({ messages: 0, code: 'Unauthenticated' });
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'no-identity', principal: null }]);
  });
});
