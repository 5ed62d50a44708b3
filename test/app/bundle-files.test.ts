import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { parseConfig } from '../../src/app/config.ts';
import { type MaterialEvents, openMaterials } from '../../src/app/materials/materials.ts';
import { systemClock, systemSchedule } from '../../src/core/clock.ts';
import { systemWatchPort } from '../../src/files/watch-file-group.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { ARTICLE_POLICY } from '../support/proxy-fixture.ts';
import { createTestAuthority, testAuthority, writeSvidFiles } from '../support/svid-fixtures.ts';

const BUILTIN_PROTOCOLS = new URL('../../policies/protocols', import.meta.url).pathname;

it('a broken bundle file of one trust domain holds up no other: who was taken out there is out', async () => {
  const own = testAuthority().issue('/registry/proxy');
  const files = writeSvidFiles(testAuthority(), { registry: own });
  onTestFinished(() => files.remove());
  const path = (name: string): string => join(files.directory, name);
  writeFileSync(path('partner.pem'), createTestAuthority('partner.example').certificatePem);
  writeFileSync(path('policy.yaml'), ARTICLE_POLICY);
  const text = `trustDomain: ai.example
identity: { files: { certificate: registry.pem, privateKey: registry.key, trustBundles: { ai.example: bundle.pem } } }
trust: { bundles: { partner.example: partner.pem } }
policy: { path: policy.yaml }
listeners: [{ name: registry, bind: "127.0.0.1:0", component: registry, upstream: "http://127.0.0.1:1" }]
`;
  const materials = await openMaterials(parseConfig(Buffer.from(text), path('sallyport.yaml')), {
    builtinProtocols: BUILTIN_PROTOCOLS,
    port: systemWatchPort,
    clock: systemClock,
    schedule: systemSchedule,
    random: () => 0,
    endpointSocket: null,
  });
  onTestFinished(() => materials.close());
  const failed = Promise.withResolvers<void>();
  const reloaded = Promise.withResolvers<void>();
  const ignore = (): undefined => undefined;
  const events: MaterialEvents = {
    warned: ignore,
    recovered: ignore,
    agent: ignore,
    agentReport: ignore,
    federation: ignore,
    redis: ignore,
    failed: () => failed.resolve(),
    reloaded: () => reloaded.resolve(),
  };
  materials.follow(events);
  writeFileSync(path('partner.pem'), 'broken');
  await failed.promise;
  const successor = createTestAuthority('ai.example');
  writeFileSync(path('bundle.pem'), successor.certificatePem);
  await reloaded.promise;
  const bundles = materials.trust.view.current.value;
  const ai = parseTrustDomain('ai.example');
  const partner = parseTrustDomain('partner.example');
  expect(bundles.get(ai)?.authorities.map(({ der }) => der.toString('base64'))).toEqual([
    successor.certificatePem.replaceAll(/-----[A-Z ]+-----|\s/g, ''),
  ]);
  expect(bundles.get(partner)?.authorities).toHaveLength(1);
  expect(materials.bundleFile(ai)?.failure).toBeNull();
  expect(materials.bundleFile(partner)?.failure).not.toBeNull();
});
