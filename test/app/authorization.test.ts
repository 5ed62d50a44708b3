// Authorization services in the program as its users run it: wired to files, metrics and the log, and ended with everything else.

import { existsSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { checkOf, EnvoyClient, statusOf } from '../extauthz/setting.ts';
import { ARTICLE_POLICY } from '../support/proxy-fixture.ts';
import { runSidecar, type SidecarFiles, type SidecarProcess, writeSidecarFiles } from '../support/sidecar-process.ts';
import { testAuthority } from '../support/svid-fixtures.ts';

const asked = checkOf({ svid: testAuthority().issue('/training/job') });

let files: SidecarFiles;
let sidecar: SidecarProcess;
let envoy: EnvoyClient;
afterEach(async () => {
  envoy.close();
  await sidecar.stop();
});

async function start(extra: string): Promise<void> {
  files = writeSidecarFiles({
    upstreamPort: 1,
    policy: ARTICLE_POLICY,
    extra: `authorization:\n  - { name: checks, protocol: envoy, bind: "unix:authz.sock", component: registry }\ndecisionLog: { allow: all }\n${extra}`,
  });
  sidecar = await runSidecar(files, []);
  envoy = new EnvoyClient(`unix:${files.path('authz.sock')}`);
}

it.each(['', 'workers: 2\n'])('decides, records, follows the policy file and ends (%j)', async (extra) => {
  await start(extra);
  expect(statusOf(await envoy.check(asked))).toBe(200);
  expect(await sidecar.logged({ listener: 'checks', path: '/models/1' })).toMatchObject({
    principal: 'spiffe://ai.example/training/job',
  });
  expect((await sidecar.get('/metrics')).body).toMatch(/listener="checks"/);
  expect((await sidecar.get('/config')).body).toContain('authz.sock');
  files.write('policy.yaml', ARTICLE_POLICY.replace('allow: [registry, feature-store]', 'deny: [registry]'));
  await sidecar.logged({ what: 'policy', msg: 'reloaded' });
  expect(statusOf(await envoy.check(asked))).toBe(403);
  sidecar.signal('SIGTERM');
  expect(await sidecar.exited).toBe(0);
  expect(existsSync(files.path('authz.sock'))).toBe(false);
});
