import { createServer, type Server, type ServerResponse } from 'node:http';
import { Agent, request } from 'node:https';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { OwnIdentity } from '../../src/spiffe/own-identity.ts';
import { type AgentSetting, openAgentSetting, Workload } from '../support/agent-setting.ts';

const SECONDS = Number(process.env['SALLYPORT_SOAK_SECONDS'] ?? 60);
const TTL_MS = 10_000;
const AGENT_UP_MS = 14_000;
const AGENT_DOWN_MS = 1_000;
const KEPT_CONNECTIONS = 16;
const STREAMS = 8;
const STREAM_PIECES = 20;
const PIECE_MS = 100;
const PIECE = 'x'.repeat(1_000);

const POLICY = `version: 1
trustDomain: ai.example
components: { training: {}, registry: {} }
access:
  training: { allow: [registry] }
`;

interface Outcome {
  readonly sentMs: number;
  /** 0 when there was no whole answer. */
  readonly status: number;
  readonly error: string;
  /** Wall time at which the SVID that it was sent with ends. */
  readonly notAfterMs: number;
}

let upstream: Server;
let setting: AgentSetting;

beforeAll(async () => {
  upstream = createServer((incoming, response) => {
    if (incoming.url === '/stream') stream(response);
    else response.end('ok');
  });
  upstream.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const address = upstream.address();
  setting = await openAgentSetting({
    upstreamPort: typeof address === 'object' && address !== null ? address.port : 0,
    policy: POLICY,
    ids: ['/training/job'],
    ttlMs: TTL_MS,
    extra: 'decisionLog: { allow: none }\nleases: { grace: 0s }\n',
  });
});

afterAll(async () => {
  await setting.close();
  upstream.close();
});

function stream(response: ServerResponse): void {
  let left = STREAM_PIECES;
  const timer = setInterval(() => {
    left -= 1;
    if (left > 0) response.write(PIECE);
    else {
      clearInterval(timer);
      response.end(PIECE);
    }
  }, PIECE_MS);
  response.on('close', () => clearInterval(timer));
}

function newAgent(identity: OwnIdentity): Agent {
  const { certificatePem, privateKeyPem } = identity;
  return new Agent({
    keepAlive: true,
    maxSockets: 1,
    cert: certificatePem,
    key: privateKeyPem,
    rejectUnauthorized: false,
  });
}

function ask(agent: Agent, path: string, notAfterMs: number): Promise<Outcome & { readonly bytes: number }> {
  const sentMs = Date.now();
  return new Promise((resolve) => {
    let bytes = 0;
    const done = (status: number, error: string): void => resolve({ sentMs, status, error, notAfterMs, bytes });
    const call = request({ host: '127.0.0.1', port: setting.sidecar.port, path, agent }, (response) => {
      response.on('data', (piece: Buffer) => {
        bytes += piece.length;
      });
      response.on('end', () => done(response.statusCode ?? 0, ''));
      response.on('error', (error) => done(0, error.message));
    });
    call.on('error', (error) => done(0, error.message));
    call.end();
  });
}

function identityOf({ identity }: Workload): OwnIdentity {
  if (identity === null) throw new Error('the agent has taken the SVID back');
  return identity;
}

/** One connection after another, each with the SVID that is current when it begins; a new SVID begins a new connection. */
async function keepAsking(
  workload: Workload,
  path: string,
  until: { readonly stop: AbortSignal; readonly pauseMs: number },
) {
  const outcomes: (Outcome & { readonly bytes: number })[] = [];
  let identity = identityOf(workload);
  let agent = newAgent(identity);
  while (!until.stop.aborted) {
    const current: OwnIdentity = identityOf(workload);
    if (current.svid.leafSha256 !== identity.svid.leafSha256) {
      agent.destroy();
      identity = current;
      agent = newAgent(identity);
    }
    outcomes.push(await ask(agent, path, identity.svid.notAfterMs));
    await new Promise((resolve) => setTimeout(resolve, until.pauseMs));
  }
  agent.destroy();
  return outcomes;
}

/** Never rotates: asks on with each SVID until well after its end, then begins with the next. */
async function lagBehind(workload: Workload, stop: AbortSignal): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  while (!stop.aborted) {
    const identity = identityOf(workload);
    const { notAfterMs } = identity.svid;
    const agent = newAgent(identity);
    while (!stop.aborted && Date.now() < notAfterMs + 500) {
      outcomes.push(await ask(agent, '/model', notAfterMs));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    agent.destroy();
  }
  return outcomes;
}

async function restartAgent(stop: AbortSignal): Promise<number> {
  let restarts = 0;
  const wait = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      stop.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  for (;;) {
    await wait(AGENT_UP_MS);
    if (stop.aborted) return restarts;
    await setting.agent.stop();
    await wait(AGENT_DOWN_MS);
    await setting.agent.start();
    restarts += 1;
  }
}

it('loses no request while SVIDs rotate every 5 s and the agent restarts every 15 s, and takes none with an SVID that has ended', async () => {
  const workload = await new Workload(setting.directory, '/training/job').ready();
  const stopping = new AbortController();
  const { signal: stop } = stopping;
  const asking = Array.from({ length: KEPT_CONNECTIONS }, () => keepAsking(workload, '/model', { stop, pauseMs: 2 }));
  const streaming = Array.from({ length: STREAMS }, () => keepAsking(workload, '/stream', { stop, pauseMs: 0 }));
  const lagging = lagBehind(workload, stop);
  const restarting = restartAgent(stop);
  const beganMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1_000));
  stopping.abort();
  const [requests, streams, late, restarts] = await Promise.all([
    Promise.all(asking).then((outcomes) => outcomes.flat()),
    Promise.all(streaming).then((outcomes) => outcomes.flat()),
    lagging,
    restarting,
  ]);
  const seconds = (performance.now() - beganMs) / 1_000;
  workload.close();
  const rotations = setting.sidecar.log.filter(({ msg }) => msg === 'own SVID received').length;
  const afterEnd = late.filter(({ sentMs, notAfterMs }) => sentMs >= notAfterMs);
  console.log(
    `${requests.length} requests (${Math.round(requests.length / seconds)}/s) and ${streams.length} streams of ` +
      `${(STREAM_PIECES * PIECE_MS) / 1_000} s in ${Math.round(seconds)} s; own SVID rotated ${rotations} times, agent restarted ` +
      `${restarts} times; ${late.length} requests of a peer that does not rotate, ${afterEnd.length} of them after the end of its SVID`,
  );
  expect(requests.filter(({ status }) => status !== 200)).toEqual([]);
  const broken = streams.filter(({ status, bytes }) => status !== 200 || bytes !== STREAM_PIECES * PIECE.length);
  expect(broken).toEqual([]);
  expect(afterEnd.length).toBeGreaterThan(0);
  expect(afterEnd.filter(({ status }) => status === 200)).toEqual([]);
  expect(rotations).toBeGreaterThanOrEqual(Math.floor(SECONDS / (TTL_MS / 2)) - 2);
  expect(restarts).toBeGreaterThanOrEqual(Math.floor((SECONDS * 1_000) / (AGENT_UP_MS + AGENT_DOWN_MS)) - 1);
});
