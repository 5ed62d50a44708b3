import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request, type Server } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type SidecarProcess, startSidecarProcess, writeIdentity } from '../support/sidecar-process.ts';
import { createTestAuthority, testAuthority, type TestSvid } from '../support/svid-fixtures.ts';

const SECONDS = Number(process.env['SALLYPORT_SOAK_SECONDS'] ?? 30);
const CONNECTIONS_PER_PEER = 8;

// `steady` is allowed by every version, `stranger` by none, `toggled` only by the odd ones.
const policyVersion = (version: number): string => `version: 1
trustDomain: ai.example
components: { steady: {}, stranger: {}, toggled: {}, registry: {} }
access:
  steady: { allow: [registry] }
  toggled: { ${version % 2 === 1 ? 'allow' : 'deny'}: [registry] }
# version ${version}
`;

interface Outcome {
  readonly sentMs: number;
  readonly doneMs: number;
  /** 0 when there was no answer. */
  readonly status: number;
  readonly error: string;
}

let upstream: Server;
let sidecar: SidecarProcess;
let forwardedStrangers = 0;

beforeAll(async () => {
  upstream = createServer((incoming, response) => {
    if (String(incoming.headers['x-spiffe-id']).includes('/stranger/')) forwardedStrangers += 1;
    response.end('ok');
  });
  upstream.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const address = upstream.address();
  const upstreamPort = typeof address === 'object' && address !== null ? address.port : 0;
  sidecar = await startSidecarProcess({
    upstreamPort,
    policy: policyVersion(1),
    extra: 'decisionLog: { allow: none }\n',
  });
});

afterAll(async () => {
  await sidecar.stop();
  upstream.close();
});

/** Asks without a pause on several kept connections, each renewed now and then, until told to stop. */
function startPeer(svid: TestSvid, outcomes: Outcome[]): () => Promise<void> {
  const stop = new AbortController();
  const work = async (): Promise<void> => {
    let agent = newAgent(svid);
    for (let asked = 1; !stop.signal.aborted; asked += 1) {
      if (asked % 500 === 0) {
        agent.destroy();
        agent = newAgent(svid);
      }
      outcomes.push(await ask(agent));
      // Pace: a few thousand a second over all connections leave the machine room for the sidecar.
      await new Promise((resolve) => setTimeout(resolve, 4));
    }
    agent.destroy();
  };
  const workers = Array.from({ length: CONNECTIONS_PER_PEER }, work);
  return async () => {
    stop.abort();
    await Promise.all(workers);
  };
}

function newAgent(svid: TestSvid): TlsAgent {
  return new TlsAgent({
    keepAlive: true,
    maxSockets: 1,
    cert: svid.certificatePem,
    key: svid.privateKeyPem,
    ca: [testAuthority().certificatePem],
    checkServerIdentity: () => undefined,
  });
}

function ask(agent: TlsAgent): Promise<Outcome> {
  const sentMs = performance.now();
  return new Promise((resolve) => {
    const done = (status: number, error: string): void => resolve({ sentMs, doneMs: performance.now(), status, error });
    const call = tlsRequest({ host: '127.0.0.1', port: sidecar.port, path: '/model', agent }, (response) => {
      response.resume();
      response.on('end', () => done(response.statusCode ?? 0, ''));
      response.on('error', (error) => done(0, error.message));
    });
    call.on('error', (error) => done(0, error.message));
    call.end();
  });
}

async function policyDigest(agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port: sidecar.adminPort, path: '/policy', agent }, (response) => {
      let body = '';
      response.on('data', (bytes: Buffer) => {
        body += bytes.toString();
      });
      response.on('end', () => resolve(/"digest":"([0-9a-f]+)"/.exec(body)?.[1] ?? ''));
    });
    call.on('error', reject);
    call.end();
  });
}

/** Replaces files the way different writers do. */
function swapFiles(round: number): void {
  const { directory } = sidecar;
  const policy = join(directory, 'policy.yaml');
  if (round % 3 === 0) {
    // In place, in two writes: what is there in between is half a policy.
    const text = policyVersion(round);
    writeFileSync(policy, text.slice(0, text.length / 2));
    writeFileSync(policy, text);
  } else {
    writeFileSync(`${policy}.new`, policyVersion(round));
    renameSync(`${policy}.new`, policy);
  }
  const own = testAuthority().issue('/registry/proxy', { ips: ['127.0.0.1'] });
  if (round % 2 === 0) {
    writeIdentity(directory, 'registry', own);
  } else {
    // As a volume of Kubernetes: one link is switched, and everything behind it with it.
    const generation = join(directory, `..gen${round}`);
    mkdirSync(generation);
    writeIdentity(generation, 'registry', own);
    for (const name of ['registry.pem', 'registry.key']) {
      symlinkSync(join(generation, name), join(directory, `${name}.new`));
      renameSync(join(directory, `${name}.new`), join(directory, name));
    }
  }
  const bundle = [testAuthority(), ...(round % 2 === 0 ? [createTestAuthority('ai.example')] : [])];
  writeFileSync(join(directory, 'bundle.pem'), bundle.map(({ certificatePem }) => certificatePem).join(''));
}

it(`loses nothing allowed and lets nothing denied through in ${SECONDS} s of reloads under load`, async () => {
  const steady: Outcome[] = [];
  const stranger: Outcome[] = [];
  const toggled: Outcome[] = [];
  const stops = [
    startPeer(testAuthority().issue('/steady/a'), steady),
    startPeer(testAuthority().issue('/stranger/a'), stranger),
    startPeer(testAuthority().issue('/toggled/a'), toggled),
  ];
  const agent = new Agent({ keepAlive: true });
  const lagsMs: number[] = [];
  const settled: { version: number; fromMs: number; toMs: number }[] = [];
  for (let round = 2; round < SECONDS + 2; round += 1) {
    const before = await policyDigest(agent);
    const startMs = performance.now();
    swapFiles(round);
    while ((await policyDigest(agent)) === before && performance.now() - startMs < 1000) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const fromMs = performance.now();
    lagsMs.push(fromMs - startMs);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, 1000 - (fromMs - startMs))));
    settled.push({ version: round, fromMs, toMs: performance.now() });
  }
  await Promise.all(stops.map((stop) => stop()));
  agent.destroy();

  expect(steady.filter(({ status }) => status !== 200)).toEqual([]);
  expect(stranger.filter(({ status }) => status !== 403)).toEqual([]);
  expect(forwardedStrangers).toBe(0);
  expect(toggled.filter(({ status }) => status !== 200 && status !== 403)).toEqual([]);
  // Between the moment a version is seen to be in force and the next swap, only that version answers.
  for (const { version, fromMs, toMs } of settled) {
    const expected = version % 2 === 1 ? 200 : 403;
    const within = toggled.filter(({ sentMs, doneMs }) => sentMs >= fromMs && doneMs <= toMs);
    expect(within.filter(({ status }) => status !== expected)).toEqual([]);
  }
  expect(Math.max(...lagsMs)).toBeLessThan(1000);
  const total = steady.length + stranger.length + toggled.length;
  lagsMs.sort((a, b) => a - b);
  console.info(
    `${total} requests (${(total / SECONDS).toFixed(0)}/s), ${settled.length} swaps of policy, SVID and bundle; ` +
      `a swap was in force after ${lagsMs[lagsMs.length >> 1]?.toFixed(0)} ms (median), ${lagsMs.at(-1)?.toFixed(0)} ms (most)`,
  );
  const { body: metrics } = await sidecar.get('/metrics');
  for (const what of ['policy', 'identity', 'trust-bundle']) {
    const reloads = new RegExp(`sallyport_reload_total\\{what="${what}",result="success"\\} (\\d+)`).exec(metrics)?.[1];
    expect(Number(reloads)).toBe(settled.length);
  }
  const failures = sidecar.log.filter(({ msg }) => String(msg).startsWith('reload failed'));
  expect(failures).toEqual([]);
});
