import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SallyportError } from '../../src/core/error.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import {
  readJwtBundles,
  readX509Svids,
  type Reading,
  type SvidSelection,
  type X509Materials,
} from '../../src/workload-api/message-content.ts';
import type { X509SvidMessage } from '../../src/workload-api/messages.ts';
import { makeCrl } from '../revocation/crl-builder.ts';
import { issueAuthority, issueSvid, selfSigned } from '../support/certificate-builder.ts';
import { jwks, jwtResponse, partnerRoot, pkcs8, root, svidMessage, x509Response } from './agent-messages.ts';

const own = parseTrustDomain('ai.example');
const ID = 'spiffe://ai.example/registry';
const OTHER_ID = 'spiffe://ai.example/registry/blue';
const first: SvidSelection = { spiffeId: null, hint: null };

function read(message: Uint8Array, select = first): Reading<X509Materials> {
  return readX509Svids(message, own, { ...select, knownCrls: [] });
}

function materialsIn<Materials>(reading: Reading<Materials>): Materials {
  if (reading.kind === 'redacted') throw new Error(reading.reason);
  return reading.materials;
}

function rejectedIn(reading: Reading<unknown>): readonly string[] {
  return reading.kind === 'materials' ? reading.rejected.map(({ key, error }) => `${key}: ${error.message}`) : [];
}

function errorOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof SallyportError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'none';
}

describe('X.509 message', () => {
  it('gives identity, hint, own bundle, federated bundles and revocation lists', () => {
    const intermediate = issueAuthority(root);
    const leaf = issueSvid(intermediate, ID);
    const svid = svidMessage(ID, {
      chain: Buffer.concat([leaf.der, intermediate.der]),
      privateKey: pkcs8(leaf),
      bundle: Buffer.concat([root.der, partnerRoot.der]),
      hint: 'internal',
    });
    const crl = makeCrl(root, { entries: [{ serial: Buffer.of(7) }] });
    const reading = read(
      x509Response([svid], { crls: [crl], federated: { 'spiffe://partner.example': partnerRoot.der } }),
    );
    const { identity, hint, bundles, crls } = materialsIn(reading);
    expect(identity.svid).toMatchObject({ id: ID, trustDomain: own, leafSha256: leaf.sha256 });
    expect(identity.certificatePem).toBe(leaf.pem + intermediate.pem);
    expect(hint).toBe('internal');
    expect([...bundles].map(([name, { authorities }]) => [name, authorities.map(({ sha256 }) => sha256)])).toEqual([
      ['ai.example', [root.sha256, partnerRoot.sha256]],
      ['partner.example', [partnerRoot.sha256]],
    ]);
    expect(crls.map(({ revokedSerials }) => [...revokedSerials.keys()])).toEqual([['07']]);
    expect(rejectedIn(reading)).toEqual([]);
  });

  it('WA-162 gives an SVID that has expired, with its validity', () => {
    const notAfter = new Date('2020-01-02T00:00:00Z');
    const svid = svidMessage(ID, {}, { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter });
    expect(materialsIn(read(x509Response([svid]))).identity.svid.notAfterMs).toBe(notAfter.getTime());
  });

  it('keeps nothing of the message alive, and is not changed with it', () => {
    const message = x509Response([svidMessage(ID)], { federated: { 'spiffe://partner.example': partnerRoot.der } });
    const { bundles } = materialsIn(read(message));
    message.fill(0);
    expect(bundles.get(parseTrustDomain('partner.example'))?.authorities[0]?.der).toEqual(partnerRoot.der);
  });
});

describe('X.509 message: which SVID', () => {
  const svids = [
    svidMessage(ID, { hint: 'internal' }),
    svidMessage(OTHER_ID, { hint: 'external' }),
    svidMessage('spiffe://ai.example/third', { hint: 'internal' }),
    svidMessage('spiffe://ai.example/fourth'),
    svidMessage(OTHER_ID, { hint: 'again' }),
  ];
  const select = (spiffeId: string | null, hint: string | null): SvidSelection => ({
    spiffeId: spiffeId === null ? null : parseSpiffeId(spiffeId),
    hint,
  });

  it.each<[string, SvidSelection, string, string]>([
    ['WA-160 the first of all by default', first, ID, 'internal'],
    ['WA-160 the first of two with the same hint', select(null, 'internal'), ID, 'internal'],
    ['the one with the hint', select(null, 'external'), OTHER_ID, 'external'],
    ['the first without a hint', select(null, ''), 'spiffe://ai.example/fourth', ''],
    ['the one with the ID', select('spiffe://ai.example/third', null), 'spiffe://ai.example/third', 'internal'],
    ['the first of two with the same ID', select(OTHER_ID, null), OTHER_ID, 'external'],
    ['the one with both', select(OTHER_ID, 'again'), OTHER_ID, 'again'],
  ])('%s', (_name, selection, id, hint) => {
    const materials = materialsIn(read(x509Response(svids), selection));
    expect([materials.identity.svid.id, materials.hint]).toEqual([id, hint]);
  });

  it.each<[string, Buffer, SvidSelection, string]>([
    [
      'an ID that nobody has',
      x509Response(svids.slice(0, 2)),
      select('spiffe://ai.example/gone', null),
      `the agent gives no SVID for \`spiffe://ai.example/gone\`; it gives \`${ID}\` (hint \`internal\`), \`${OTHER_ID}\` (hint \`external\`)`,
    ],
    [
      'a hint that none has, and only some of many are shown',
      x509Response([...svids, svidMessage(ID), svidMessage(ID)]),
      select(null, 'no\nne'),
      `the agent gives no SVID with the hint \`no\\u{a}ne\`; it gives \`${ID}\` (hint \`internal\`), \`${OTHER_ID}\` (hint \`external\`), \`spiffe://ai.example/third\` (hint \`internal\`), \`spiffe://ai.example/fourth\`, \`${OTHER_ID}\` (hint \`again\`) and 2 more`,
    ],
    [
      'an ID with another hint',
      x509Response(svids.slice(0, 1)),
      select(ID, 'external'),
      `the agent gives no SVID for \`${ID}\` with the hint \`external\`; it gives \`${ID}\` (hint \`internal\`)`,
    ],
    [
      'a default SVID of another trust domain, though ours is there too',
      x509Response([svidMessage('spiffe://other.example/x'), ...svids]),
      first,
      'the SVID that the agent gives, `spiffe://other.example/x`, is not of our trust domain `ai.example`',
    ],
  ])('takes as withdrawn %s', (_name, message, selection, reason) => {
    expect(read(message, selection)).toEqual({ kind: 'redacted', reason });
  });

  it('does not look at certificates and keys of SVIDs that are not ours', () => {
    const broken = svidMessage(OTHER_ID, { chain: Buffer.from('x'), privateKey: Buffer.from('x') });
    expect(materialsIn(read(x509Response([svidMessage(ID), broken]))).identity.svid.id).toBe(ID);
  });
});

describe('X.509 message: broken', () => {
  const leaf = issueSvid(root, ID);
  const good = svidMessage(ID);
  const key = leaf.keys.privateKey;
  const encrypted = key.export({ type: 'pkcs8', format: 'der', cipher: 'aes-256-cbc', passphrase: 'x' });
  const with_ = (changes: Partial<X509SvidMessage>): Buffer => x509Response([svidMessage(ID, changes)]);
  const crl = makeCrl(root, {});

  it.each<[string, Buffer, RegExp]>([
    ['no SVIDs', x509Response([]), /^missing-field: the message has no SVID$/],
    ['nothing at all', Buffer.alloc(0), /^missing-field/],
    ['no ID', with_({ spiffeId: '' }), /^missing-field: SVID 1 of 1 has no `spiffe_id`$/],
    ['no certificate', with_({ chain: Buffer.alloc(0) }), /has no `x509_svid`$/],
    ['no key', with_({ privateKey: Buffer.alloc(0) }), /has no `x509_svid_key`$/],
    ['no bundle', with_({ bundle: Buffer.alloc(0) }), /has no `bundle`$/],
    [
      'an SVID that is not ours without a key',
      x509Response([good, svidMessage(OTHER_ID, { privateKey: Buffer.alloc(0) })]),
      /^missing-field: SVID 2 of 2 has no `x509_svid_key`$/,
    ],
    ['the key of another certificate', with_({ privateKey: pkcs8(leaf) }), /^identity-key-mismatch/],
    ['a key in PEM', with_({ chain: leaf.der, privateKey: Buffer.from(leaf.privateKeyPem) }), /^identity-private-key/],
    ['an encrypted key', with_({ chain: leaf.der, privateKey: encrypted }), /^identity-private-key/],
    ['a key cut short', with_({ chain: leaf.der, privateKey: pkcs8(leaf).subarray(0, -1) }), /^identity-private-key/],
    ['a certificate in PEM', with_({ chain: Buffer.from(leaf.pem) }), /^identity-certificate/],
    ['a certificate cut short', with_({ chain: good.chain.subarray(0, -1) }), /^identity-certificate/],
    [
      'a certificate with a byte behind it',
      with_({ chain: Buffer.concat([good.chain, Buffer.of(0)]) }),
      /^identity-cert/,
    ],
    ['a chain out of order', with_({ chain: Buffer.concat([good.chain, partnerRoot.der]) }), /^identity-chain/],
    [
      'the ID of another workload than the certificate',
      with_({ spiffeId: OTHER_ID }),
      /^id-mismatch: the SVID that is said/,
    ],
    [
      'our trust domain for a certificate of another',
      x509Response([{ ...svidMessage('spiffe://other.example/x'), spiffeId: ID }]),
      /^identity-trust-domain/,
    ],
    ['an ID that is none', with_({ spiffeId: 'spiffe://ai.example/a//b' }), /^empty-segment/],
    ['a CA certificate for a leaf', with_({ chain: root.der, privateKey: pkcs8(root) }), /^identity-not-svid/],
    ['a bundle cut short', with_({ bundle: root.der.subarray(0, -1) }), /^not-der: the bundle of `ai\.example`/],
    ['a bundle in PEM', with_({ bundle: Buffer.from(root.pem) }), /^not-der/],
    ['a bundle of a leaf', with_({ bundle: leaf.der }), /^not-an-authority/],
    ['a revocation list cut short', x509Response([good], { crls: [crl.subarray(0, -1)] }), /^not-der/],
    ['an empty revocation list entry', x509Response([good], { crls: [Buffer.alloc(0)] }), /^not-der/],
    ['a field cut short', x509Response([good]).subarray(0, -1), /^truncated-message/],
  ])('WA-157 discards a message with %s', (_name, message, expected) => {
    expect(errorOf(() => read(message))).toMatch(expected);
  });

  it('throws nothing but typed errors, whichever byte is another', () => {
    const message = x509Response([good], { crls: [crl], federated: { 'spiffe://partner.example': partnerRoot.der } });
    fc.assert(
      fc.property(fc.nat(message.length - 1), fc.nat(255), (at, octet) => {
        const changed = Buffer.from(message);
        changed[at] = octet;
        expect(errorOf(() => read(changed))).toMatch(/^[a-z0-9-]+/);
      }),
      { numRuns: 400 },
    );
  });
});

describe('X.509 message: bundles of others', () => {
  const message = (federated: Readonly<Record<string, Uint8Array>>): Buffer =>
    x509Response([svidMessage(ID)], { federated });
  const impostor = selfSigned();

  it.each<[string, Readonly<Record<string, Uint8Array>>, RegExp]>([
    ['our own trust domain', { 'spiffe://ai.example': impostor.der }, /is of our own trust domain$/],
    ['the name of our own trust domain', { 'ai.example': impostor.der }, /is of our own trust domain$/],
    ['the ID of a workload', { 'spiffe://partner.example/x': impostor.der }, /is keyed by the ID of a workload$/],
    ['the ID of a workload of ours', { 'spiffe://ai.example/x': impostor.der }, /is keyed by the ID of a workload$/],
    ['a trust domain with a slash behind it', { 'spiffe://partner.example/': impostor.der }, /ends with `\/`$/],
    ['a trust domain in upper case', { 'spiffe://Partner.example': impostor.der }, /a trust domain name has only/],
    ['a URL', { 'https://partner.example': impostor.der }, /does not begin with `spiffe:\/\/`/],
    ['nothing', { '': impostor.der }, /has no trust domain$/],
  ])('WA-159 rejects a bundle keyed by %s, and takes the rest', (_name, federated, expected) => {
    const reading = read(message({ ...federated, 'spiffe://second.example': partnerRoot.der }));
    const { bundles } = materialsIn(reading);
    expect([...bundles].map(([name, bundle]) => [name, bundle.authorities.map(({ sha256 }) => sha256)])).toEqual([
      ['ai.example', [root.sha256]],
      ['second.example', [partnerRoot.sha256]],
    ]);
    const rejected = rejectedIn(reading);
    expect(rejected).toHaveLength(1);
    expect(rejected[0]).toMatch(expected);
  });

  it('takes the name of a trust domain for its ID', () => {
    const { bundles } = materialsIn(read(message({ 'partner.example': partnerRoot.der, __proto__x: partnerRoot.der })));
    expect([...bundles.keys()]).toEqual(['ai.example', 'partner.example', '__proto__x']);
  });

  it('rejects a second bundle of one trust domain, and merges nothing', () => {
    const reading = read(message({ 'spiffe://partner.example': partnerRoot.der, 'partner.example': impostor.der }));
    const bundle = materialsIn(reading).bundles.get(parseTrustDomain('partner.example'));
    expect(bundle?.authorities.map(({ sha256 }) => sha256)).toEqual([partnerRoot.sha256]);
    expect(rejectedIn(reading)).toEqual([
      'partner.example: the bundle keyed by `partner.example` is a second one of its trust domain',
    ]);
  });

  it.each<[string, Uint8Array]>([
    ['cut short', partnerRoot.der.subarray(0, -1)],
    ['empty', Buffer.alloc(0)],
    ['in PEM', Buffer.from(partnerRoot.pem)],
    ['of a leaf', issueSvid(partnerRoot, 'spiffe://partner.example/x').der],
  ])('goes on without the bundle of a partner that is %s: it is not ours to fail by', (_name, bundle) => {
    const reading = read(message({ 'spiffe://partner.example': bundle }));
    expect([...materialsIn(reading).bundles.keys()]).toEqual(['ai.example']);
    expect(rejectedIn(reading)).toHaveLength(1);
  });

  it('WA-161 reads a thousand bundles', () => {
    const federated = Object.fromEntries(
      Array.from({ length: 1000 }, (_, index) => [`spiffe://td-${index}.example`, partnerRoot.der]),
    );
    expect(materialsIn(read(message(federated))).bundles.size).toBe(1001);
  });
});

describe('JWT bundles message', () => {
  const readJwt = (bundles: Readonly<Record<string, string>>): ReturnType<typeof readJwtBundles> =>
    readJwtBundles(jwtResponse(bundles), own);
  const keyIds = (bundles: Readonly<Record<string, string>>): unknown =>
    [...materialsIn(readJwt(bundles))].map(([name, authorities]) => [name, [...authorities.keys()]]);

  it('gives the authorities of each trust domain', () => {
    expect(
      keyIds({ 'spiffe://ai.example': jwks('a', 'b'), 'spiffe://partner.example': jwks('c'), 'third.example': jwks() }),
    ).toEqual([
      ['ai.example', ['a', 'b']],
      ['partner.example', ['c']],
      ['third.example', []],
    ]);
  });

  it('WA-158 has none of our own when the message has none of our own', () => {
    expect(keyIds({ 'spiffe://partner.example': jwks('c') })).toEqual([['partner.example', ['c']]]);
  });

  it.each<[string, Readonly<Record<string, string>>]>([
    ['no bundle', {}],
    ['a bundle of our own that is not JSON', { 'spiffe://ai.example': '{' }],
    ['a bundle of our own without keys', { 'spiffe://ai.example': '{}' }],
    ['two of our own', { 'spiffe://ai.example': jwks('a'), 'ai.example': jwks('b') }],
  ])('WA-157 discards a message with %s', (_name, bundles) => {
    expect(errorOf(() => readJwt(bundles))).not.toBe('none');
  });

  it('WA-159 goes on without a bundle of others that it cannot use', () => {
    const reading = readJwt({
      'spiffe://ai.example': jwks('a'),
      'spiffe://partner.example': '{',
      'spiffe://ai.example/x': jwks('b'),
    });
    expect([...materialsIn(reading).keys()]).toEqual(['ai.example']);
    expect(rejectedIn(reading)).toHaveLength(2);
  });

  it('throws nothing but typed errors, whichever byte is another', () => {
    const message = jwtResponse({ 'spiffe://ai.example': jwks('a'), 'spiffe://partner.example': jwks('b') });
    fc.assert(
      fc.property(fc.nat(message.length - 1), fc.nat(255), (at, octet) => {
        const changed = Buffer.from(message);
        changed[at] = octet;
        expect(errorOf(() => readJwtBundles(changed, own))).toMatch(/^[a-z0-9-]+/);
      }),
      { numRuns: 400 },
    );
  });
});
