// Two processes of ours federate with each other over real sockets, bootstrap from one initial bundle each, and roll their keys over.

import { X509Certificate } from 'node:crypto';
import { afterEach, expect, it } from 'vitest';
import { createTestAuthority, type TestAuthority } from '../support/svid-fixtures.ts';
import { type OwnSide, Partner } from './partner.ts';

const partners: Partner[] = [];
afterEach(async () => {
  const codes = await Promise.all(partners.splice(0).map((partner) => partner.end()));
  expect(codes.every((code) => code === 0)).toBe(true);
});

async function start(trustDomain: string, side: OwnSide, port = 0): Promise<Partner> {
  const partner = await Partner.start(trustDomain, side, port);
  partners.push(partner);
  return partner;
}

/** Who signs our SVID, and whom partners are told to trust. */
function side(signer: TestAuthority, published: readonly TestAuthority[] = [signer]): OwnSide {
  const { certificatePem, privateKeyPem } = signer.issue('/bundle');
  return { certificatePem, privateKeyPem, bundlePem: published.map((authority) => authority.certificatePem).join('') };
}

const hashOf = ({ certificatePem }: TestAuthority): string =>
  new X509Certificate(certificatePem).fingerprint256.replaceAll(':', '').toLowerCase();

it('both get the bundle of the other (Federation §6.1)', async () => {
  const [ai, data] = [createTestAuthority('ai.example'), createTestAuthority('data.example')];
  const newData = createTestAuthority('data.example');
  const one = await start('ai.example', side(ai));
  const other = await start('data.example', side(data, [data, newData]));
  const [theirs, ours] = await Promise.all([
    one.federate({
      trustDomain: 'data.example',
      url: other.url,
      endpointId: 'spiffe://data.example/bundle',
      initialPem: data.certificatePem,
    }),
    other.federate({
      trustDomain: 'ai.example',
      url: one.url,
      endpointId: 'spiffe://ai.example/bundle',
      initialPem: ai.certificatePem,
    }),
  ]);
  expect(theirs).toMatchObject({
    trustDomain: 'data.example',
    authorities: [hashOf(data), hashOf(newData)],
    failure: null,
  });
  expect(ours).toMatchObject({ trustDomain: 'ai.example', authorities: [hashOf(ai)], failure: null });
});

it('a partner rolls its keys over and is followed as long as it announces what it does (Federation §4.1, §5.2.2.4)', async () => {
  const [first, second, third] = [1, 2, 3].map(() => createTestAuthority('data.example'));
  if (first === undefined || second === undefined || third === undefined) throw new Error('three are needed');
  const one = await start('ai.example', side(createTestAuthority('ai.example')));
  const other = await start('data.example', side(first));
  const begun = await one.federate({
    trustDomain: 'data.example',
    url: other.url,
    endpointId: 'spiffe://data.example/bundle',
    initialPem: first.certificatePem,
  });
  expect(begun).toMatchObject({ authorities: [hashOf(first)], failure: null });

  // Announced, then used, then the only one.
  const announced = await other.become(side(first, [first, second]));
  expect(announced).toBeGreaterThan(BigInt(begun.sequence));
  expect(await one.refresh()).toMatchObject({ authorities: [hashOf(first), hashOf(second)], failure: null });
  await other.become(side(second, [first, second]));
  expect(await one.refresh()).toMatchObject({ failure: null, sequence: String(announced) });
  const alone = await other.become(side(second));
  expect(alone).toBeGreaterThan(announced);
  expect(await one.refresh()).toMatchObject({ authorities: [hashOf(second)], failure: null });

  // Used without having been announced: whoever serves that may be anybody, and what is known stays.
  await other.become(side(third, [second, third]));
  expect(await one.refresh()).toMatchObject({ authorities: [hashOf(second)], failure: 'untrusted-endpoint' });
  // Nor does the key that was withdrawn still count.
  await other.become(side(first, [first, second]));
  expect(await one.refresh()).toMatchObject({ authorities: [hashOf(second)], failure: 'untrusted-endpoint' });
  await other.become(side(second, [second, third]));
  expect(await one.refresh()).toMatchObject({ authorities: [hashOf(second), hashOf(third)], failure: null });
});

it('a partner that was away and restarted is followed on, and not taken for one that went back', async () => {
  const [data, newData] = [createTestAuthority('data.example'), createTestAuthority('data.example')];
  const one = await start('ai.example', side(createTestAuthority('ai.example')));
  const before = await Partner.start('data.example', side(data), 0);
  const fetched = await one.federate({
    trustDomain: 'data.example',
    url: before.url,
    endpointId: 'spiffe://data.example/bundle',
    initialPem: data.certificatePem,
  });
  expect(await before.end()).toBe(0);
  expect(await one.refresh()).toEqual({ ...fetched, failure: 'unreachable' });
  const after = await start('data.example', side(data), before.port);
  const again = await one.refresh();
  expect(again).toMatchObject({ failure: null, authorities: fetched.authorities });
  expect(BigInt(again.sequence)).toBeGreaterThanOrEqual(BigInt(fetched.sequence));
  await after.become(side(data, [data, newData]));
  expect(await one.refresh()).toMatchObject({ failure: null, authorities: [hashOf(data), hashOf(newData)] });
});
