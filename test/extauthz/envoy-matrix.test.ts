// The article's matrix as grpc-js in the part of Envoy meets it, beside what the policy says.

import { join } from 'node:path';
import { expect, it } from 'vitest';
import { GrpcService } from '../../src/extauthz/grpc-service.ts';
import { testAuthority, type TestSvid } from '../support/svid-fixtures.ts';
import { COMPONENTS, expectedStatus, PEERS, readMatrix, sampleCases } from './matrix.ts';
import { checkOf, EnvoyClient, openSetting, statusOf, temporaryDirectory } from './setting.ts';

const SAMPLE = 10_000;
const AT_ONCE = 50;

it(`answers ${SAMPLE} random checks as the proxy answers the requests`, async () => {
  const policy = await readMatrix();
  const setting = openSetting({ policy, served: { kind: 'named', components: new Set(COMPONENTS) } });
  const path = join(temporaryDirectory(), 'authz.sock');
  const service = new GrpcService(setting.context, { kind: 'unix', path, mode: 0o600 });
  await service.listen();
  const envoy = new EnvoyClient(`unix:${path}`);
  const svids = new Map<string, TestSvid>(PEERS.map((peer) => [peer, testAuthority().issue(peer)]));
  const cases = sampleCases(SAMPLE);
  const answered = new Map<number, number>();
  for (let at = 0; at < cases.length; at += AT_ONCE) {
    const some = cases.slice(at, at + AT_ONCE);
    const statuses = await Promise.all(
      some.map(async ({ from, to, method, target }) => {
        const extensions = { 'sallyport-component': to };
        const host = `${to}.example`;
        const svid = svids.get(from) ?? null;
        return statusOf(await envoy.check(checkOf({ svid, method, path: target, host, extensions })));
      }),
    );
    for (const [index, status] of statuses.entries()) {
      const asked = some[index];
      if (asked === undefined) throw new Error('more answers than questions');
      expect({ asked, status }).toEqual({ asked, status: expectedStatus(policy, asked) });
      answered.set(status, (answered.get(status) ?? 0) + 1);
    }
  }
  // A sample in which one answer hardly occurs proves little.
  for (const status of [200, 400, 403]) expect(answered.get(status)).toBeGreaterThan(SAMPLE / 50);
  envoy.close();
  service.close();
}, 120_000);
