// Several workers of the program as it is shipped: bundled, away from its sources, started from the bundle again.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ARTICLE_POLICY, connectPeer, OK, type RawPeer, ScriptedUpstream } from '../support/proxy-fixture.ts';
import { runSidecar, writeSidecarFiles } from '../support/sidecar-process.ts';
import { testAuthority } from '../support/svid-fixtures.ts';
import { isRunning, peerOnEach, workerPids } from '../support/workers.ts';

/** Of the repository, in the stage of the image that builds. */
function copiedToBuild(): readonly string[] {
  const [stage = ''] = readFileSync(join(ROOT, 'deploy/Dockerfile'), 'utf8').split('RUN npm run build');
  return [...stage.matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, names = '']) => names.split(' '));
}

const ROOT = resolve(import.meta.dirname, '../..');
const canBuild = existsSync(join(ROOT, 'node_modules/esbuild'));
const skipped = canBuild ? '' : ' (skipped: without its devDependencies, `npm ci`, it cannot be built)';

describe.skipIf(!canBuild)(`the bundle with several workers${skipped}`, () => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bundle-'));
  let upstream: ScriptedUpstream;

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start((_head, socket) => void socket.write(OK));
    // As in the image: what is not copied there is not here either.
    for (const name of ['node_modules', ...copiedToBuild()]) symlinkSync(join(ROOT, name), join(directory, name));
    const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'build.ts')], {
      cwd: directory,
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
    // What it needs of these is in it.
    for (const name of ['src', 'node_modules']) rmSync(join(directory, name));
    cpSync(join(directory, 'dist'), join(directory, 'moved/dist'), { recursive: true });
    for (const name of ['package.json', 'policies']) symlinkSync(join(ROOT, name), join(directory, 'moved', name));
  }, 120_000);
  afterAll(() => {
    upstream.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it('has whatever the sidecar may load, and loads what it always needs from one file', () => {
    const serving = join(directory, 'dist/serving');
    const files = readdirSync(serving).filter((file) => file.endsWith('.js'));
    const load = files.map((file) => `await import(${JSON.stringify(join(serving, file))});`).join('\n');
    const { status, stderr } = spawnSync(
      process.execPath,
      ['--input-type=module', '--eval', `${load}\nprocess.exit(0);`],
      {
        encoding: 'utf8',
      },
    );
    expect(status, stderr).toBe(0);
    expect(readFileSync(join(directory, 'dist/sallyport.js'), 'utf8')).toMatch(/import\("\.\/serving\/run-\w+\.js"\)/);
    expect(readFileSync(join(serving, files.find((file) => file.startsWith('run-')) ?? ''), 'utf8')).toMatch(
      /^export \{.*registerRunCommand \} from '\.\/core\.js';\n$/,
    );
  });

  it('has with it what V8 made of that file, and V8 takes it, also elsewhere', () => {
    const program = join(directory, 'moved/dist/sallyport.js');
    const { stderr } = spawnSync(
      process.execPath,
      ['--max-semi-space-size=4', program, 'run', '--config', join(directory, 'none')],
      { env: { ...process.env, NODE_DEBUG_NATIVE: 'COMPILE_CACHE' }, encoding: 'utf8' },
    );
    expect(stderr).toMatch(/V8 code cache for ESM \S+\/serving\/core\.js was accepted/);
  });

  it('serves, takes a new policy in each, drains, and ends with 0', { timeout: 120_000 }, async ({
    onTestFinished,
  }) => {
    const files = writeSidecarFiles({
      upstreamPort: upstream.port,
      policy: ARTICLE_POLICY,
      extra: 'workers: 2\ndecisionLog: { allow: all }\n',
    });
    const sidecar = await runSidecar(files, [], join(directory, 'dist/sallyport.js'));
    onTestFinished(() => sidecar.stop());
    const pids = workerPids(sidecar);
    const peers = await peerOnEach(sidecar, pids, () =>
      connectPeer(sidecar.port, testAuthority().issue('/training/job'), { ca: testAuthority().certificatePem }),
    );
    expect(peers.size).toBe(2);
    const statusOf = async (peer: RawPeer, path: string): Promise<number> => {
      peer.request('GET', path);
      return (await peer.response()).status;
    };
    for (const [pid, peer] of peers) expect(await statusOf(peer, `/of/${pid}`)).toBe(200);
    for (const pid of pids) await sidecar.logged({ log: 'decision', path: `/of/${pid}` });
    expect((await sidecar.get('/readyz')).status).toBe(200);
    expect((await sidecar.get('/metrics')).body).toContain('\nsallyport_workers 2\n');
    files.write('policy.yaml', ARTICLE_POLICY.replace('allow: [registry, feature-store]', 'allow: [feature-store]'));
    for (const peer of peers.values()) while ((await statusOf(peer, '/after')) !== 403) await delay(20);
    sidecar.signal('SIGTERM');
    expect(await sidecar.exited).toBe(0);
    expect(sidecar.errors).toBe('');
    expect(pids.filter(isRunning)).toEqual([]);
  });
});
