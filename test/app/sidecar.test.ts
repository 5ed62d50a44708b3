// The life of a sidecar inside a process: half-way starts, ends in any order, and what is left afterwards.

import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/app/config.ts';
import { createLocalPlane } from '../../src/app/plane.ts';
import { type Sidecar, startSidecar } from '../../src/app/sidecar.ts';
import { StartError } from '../../src/app/start-error.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { ARTICLE_POLICY, connectPeer, OK, type RawPeer, ScriptedUpstream } from '../support/proxy-fixture.ts';
import { type SidecarFiles, writeSidecarFiles } from '../support/sidecar-process.ts';
import { testAuthority } from '../support/svid-fixtures.ts';
import { portOf } from '../support/port-of.ts';

let upstream: ScriptedUpstream;
let taken: Server;
let takenAddress: string;
let files: SidecarFiles;
let lines: Record<string, unknown>[];

beforeAll(async () => {
  upstream = await ScriptedUpstream.start((head, socket) => {
    if (!head.includes('/slow')) socket.write(OK);
  });
  taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const address = taken.address();
  takenAddress = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
});
afterAll(() => {
  upstream.close();
  taken.close();
});
afterEach(() => files.remove());

/** Starts in this process, with the admin listener on a unix socket, as `edit` leaves the configuration. */
function start(edit: (config: string) => string, policy = ARTICLE_POLICY): Promise<Sidecar> {
  files = writeSidecarFiles({
    upstreamPort: upstream.port,
    policy,
    extra: 'drain: { timeout: 500ms }\n',
    admin: 'unix:admin.sock',
  });
  lines = [];
  const destination = {
    write: (text: string | Buffer): void => {
      for (const line of String(text).split('\n')) if (line !== '') lines.push(JSON.parse(line));
    },
  };
  const file = files.path('sallyport.yaml');
  return startSidecar({
    config: parseConfig(Buffer.from(edit(readFileSync(file, 'utf8'))), file),
    log: createLogger({ level: 'info', destination }),
    decisionLog: destination,
    logWriteFailures: () => 0,
    createPlane: createLocalPlane,
    onRequest: null,
    endpointSocket: null,
    signal: new AbortController().signal,
  });
}

const asWritten = (config: string): string => config;

/** How many of each there are of what keeps a process from ending. */
const countResources = (): readonly number[] =>
  ['Timeout', 'TCPServerWrap', 'PipeServerWrap', 'TLSWrap'].map(
    (kind) => process.getActiveResourcesInfo().filter((name) => name === kind).length,
  );

/** Handles close in later turns of the event loop; ten seconds of them, and something is left. */
async function untilAsBefore(before: readonly number[]): Promise<void> {
  const beganMs = performance.now();
  while (countResources().some((count, at) => count > (before[at] ?? 0))) {
    if (performance.now() - beganMs > 10_000)
      throw new Error(`left: ${countResources().join()}, before: ${before.join()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A peer whose request the upstream has, and does not answer. */
async function askSlowly(sidecar: Sidecar, path: string): Promise<RawPeer> {
  const peer = await connect(sidecar);
  peer.request('GET', path);
  await upstream.until(({ received }) => received.includes(path));
  return peer;
}

const connect = (sidecar: Sidecar): Promise<RawPeer> =>
  connectPeer(portOf(sidecar.listeners.get('registry')), testAuthority().issue('/training/job'), {
    ca: testAuthority().certificatePem,
  });

describe('a start that fails half-way', () => {
  it.each<[string, (config: string) => string]>([
    [
      'the second listener',
      (config) =>
        config.replace(
          'admin:',
          `  - { name: second, bind: "${takenAddress}", component: registry, upstream: "http://127.0.0.1:1" }\nadmin:`,
        ),
    ],
    ['the probe listener', (config) => `${config}probes: { bind: "${takenAddress}" }\n`],
    ['the admin listener', (config) => config.replace('unix:admin.sock', takenAddress)],
  ])('at %s leaves nothing behind', async (_name, edit) => {
    const before = countResources();
    await expect(start(edit)).rejects.toThrow(StartError);
    await untilAsBefore(before);
    expect(existsSync(files.path('admin.sock'))).toBe(false);
    expect(lines.filter(({ msg }) => msg === 'ready')).toEqual([]);
  });
});

describe('a sidecar that ends', () => {
  it('may be drained and closed as often and in any order, and leaves nothing behind', async () => {
    const before = countResources();
    const sidecar = await start(asWritten);
    const peer = await askSlowly(sidecar, '/slow/twice');
    await Promise.all([sidecar.drain(), sidecar.drain()]);
    await sidecar.close();
    await sidecar.drain();
    expect(await peer.closed()).toBe('');
    await untilAsBefore(before);
    expect(lines.filter(({ msg }) => msg === 'draining')).toHaveLength(1);
    expect(lines.filter(({ path }) => path === '/slow/twice')).toEqual([
      expect.objectContaining({ refusal: 'drain-deadline' }),
    ]);
  });

  it('does not wait for requests when it is closed, also while it drains', async () => {
    const before = countResources();
    const sidecar = await start((config) => config.replace('500ms', '1h'));
    const peer = await askSlowly(sidecar, '/slow/closed');
    const drained = sidecar.drain();
    await sidecar.close();
    await drained;
    await peer.closed();
    await untilAsBefore(before);
  });

  it('follows policy while it drains', async () => {
    const sidecar = await start((config) => config.replace('500ms', '1h'));
    const peer = await askSlowly(sidecar, '/slow/policy');
    const drained = sidecar.drain();
    files.write('policy.yaml', ARTICLE_POLICY.replace('allow: [registry, feature-store]', 'deny: [registry]'));
    expect((await peer.response()).status).toBe(403);
    await drained;
  });
});

describe('a sidecar that starts', () => {
  it('logs what the policy says and hardly means, and serves', async () => {
    const contradiction = 'allow: [registry, feature-store]\n    deny: [{ target: registry, verbs: [write] }]';
    const sidecar = await start(asWritten, ARTICLE_POLICY.replace('allow: [registry, feature-store]', contradiction));
    expect(lines).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        code: 'allow-deny-overlap',
        place: expect.stringContaining('policy.yaml:'),
      }),
    );
    await sidecar.close();
  });

  it('tells of twenty warnings about the policy, and how many there are besides', async () => {
    const idle = Array.from({ length: 25 }, (_, index) => `  idle-${index}: {}\n`).join('');
    const sidecar = await start(asWritten, ARTICLE_POLICY.replace('components:\n', `components:\n${idle}`));
    expect(lines.filter(({ code }) => code === 'component-unused')).toHaveLength(20);
    expect(lines).toContainEqual(expect.objectContaining({ level: 'warn', left: 5 }));
    await sidecar.close();
  });

  it('does not let whoever may not come in fill the log', async () => {
    const sidecar = await start(asWritten);
    const port = portOf(sidecar.listeners.get('registry'));
    const peers = Array.from({ length: 120 }, () => connectPeer(port, null, { rejectUnauthorized: false }));
    for (const { socket } of await Promise.all(peers)) socket.destroy();
    await sidecar.close();
    const told = lines.filter(({ msg }) => msg === 'peer not authenticated').length;
    expect(told).toBeGreaterThan(0);
    // Fifty a second for one reason, and at most two seconds are begun.
    expect(told).toBeLessThanOrEqual(100);
  });
});
