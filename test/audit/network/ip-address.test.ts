import { BlockList, isIP } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressesIn,
  ALL_ADDRESSES,
  containsRange,
  countAddresses,
  formatAddresses,
  intersectAddresses,
  isEveryAddress,
  isWholeFamily,
  withoutAddresses,
} from '../../../src/audit/network/address-set.ts';
import {
  type AddressRange,
  formatAddress,
  formatRange,
  parseAddress,
  parseBlock,
  parseBlockOrAddress,
} from '../../../src/audit/network/ip-address.ts';

describe('addresses', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['fd00:ec2::254', 'fd00:ec2::254'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ])('reads %s and writes it as %s', (text, canonical) => {
    const address = parseAddress(text);
    expect(address === null ? null : formatAddress(address)).toBe(canonical);
  });

  it.each([
    '',
    '10.0.0',
    '10.0.0.0.1',
    '10.0.0.256',
    '010.0.0.1',
    '10.0.0.1 ',
    '0x0a.0.0.1',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '12345::',
    '::10.0.0',
    '10.0.0.1::',
    'fe80::1%eth0',
    'example',
  ])('does not read %j', (text) => {
    expect(parseAddress(text)).toBeNull();
  });

  it('reads what the platform reads, zones and zeros aside', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ maxLength: 20 })), (text) => {
        const address = parseAddress(text);
        if (address !== null) expect(isIP(text)).toBe(address.family);
        else if (isIP(text) !== 0) expect(text).toMatch(/%/);
      }),
      { numRuns: 500 },
    );
  });

  it('reads back what it writes', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), (value) => {
        const text = formatAddress({ family: 6, value });
        expect(isIP(text)).toBe(6);
        expect(parseAddress(text)?.value).toBe(value);
      }),
    );
  });
});

describe('blocks', () => {
  it.each([
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['169.254.169.254/32', '169.254.169.254/32'],
    ['::/0', '::/0'],
    ['fd00::/8', 'fd00::/8'],
  ])('reads %s as %s', (text, canonical) => {
    const block = parseBlock(text);
    expect(block === null ? null : formatRange(block)).toBe(canonical);
  });

  it.each(['10.0.0.0', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/08', '10.0.0.0/', '/8', '::/129', '10.0.0.0/8/8', '*'])(
    'does not read %j',
    (text) => {
      expect(parseBlock(text)).toBeNull();
    },
  );

  it('takes an address for the block of itself where that is allowed', () => {
    expect(parseBlockOrAddress('10.0.0.1')).toEqual(parseBlock('10.0.0.1/32'));
    expect(parseBlockOrAddress('::1')).toEqual(parseBlock('::1/128'));
  });

  it('holds the addresses that the platform says it holds', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.ipV4(), (network, prefix, asked) => {
        const list = new BlockList();
        list.addSubnet(network, prefix, 'ipv4');
        const block = parseBlock(`${network}/${prefix}`);
        const address = parseAddress(asked);
        if (block === null || address === null) throw new Error('both are addresses');
        expect(block.first <= address.value && address.value <= block.last).toBe(list.check(asked, 'ipv4'));
      }),
      { numRuns: 300 },
    );
  });
});

const range = (family: 4 | 6, first: number, last: number): AddressRange => ({
  family,
  first: BigInt(first),
  last: BigInt(last),
});
const arbitraryRanges = fc.array(
  fc
    .tuple(fc.constantFrom(4 as const, 6 as const), fc.nat(40), fc.nat(10))
    .map(([family, first, length]) => range(family, first, first + length)),
  { maxLength: 6 },
);
const POINTS = ([4, 6] as const).flatMap((family) =>
  Array.from({ length: 55 }, (_, value) => range(family, value, value)),
);
const pointsOf = (set: readonly AddressRange[]): readonly boolean[] => POINTS.map((point) => containsRange(set, point));

describe('sets of addresses', () => {
  it('are united, cut and intersected as sets of points are', () => {
    fc.assert(
      fc.property(arbitraryRanges, arbitraryRanges, (left, right) => {
        const [a, b] = [addressesIn(left), addressesIn(right)];
        const has = POINTS.map((point) => left.some((one) => containsRange([one], point)));
        expect(pointsOf(a)).toEqual(has);
        expect(pointsOf(withoutAddresses(a, b))).toEqual(has.map((is, index) => is && !pointsOf(b)[index]));
        expect(pointsOf(intersectAddresses(a, b))).toEqual(has.map((is, index) => is && pointsOf(b)[index]));
        expect(addressesIn(a)).toEqual(a);
      }),
    );
  });

  it('know when they are everything', () => {
    const blocks = (...texts: string[]): readonly AddressRange[] =>
      addressesIn(texts.map((text) => parseBlock(text)).filter((block) => block !== null));
    expect(isEveryAddress(ALL_ADDRESSES)).toBe(true);
    expect(isEveryAddress(blocks('0.0.0.0/0'))).toBe(false);
    expect(isWholeFamily(blocks('0.0.0.0/0'), 4)).toBe(true);
    expect(isEveryAddress(blocks('0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1'))).toBe(true);
    expect(isEveryAddress(withoutAddresses(ALL_ADDRESSES, blocks('169.254.169.254/32')))).toBe(false);
    expect(countAddresses(blocks('10.0.0.0/8', '10.0.0.0/16', '::/0'), 4)).toBe(1n << 24n);
    expect(formatAddresses(withoutAddresses(blocks('10.0.0.0/30'), blocks('10.0.0.1/32')))).toBe(
      '10.0.0.0/32, 10.0.0.2/31',
    );
    expect(formatAddresses(withoutAddresses(blocks('10.0.0.0/29'), blocks('10.0.0.7/32')))).toBe('10.0.0.0-10.0.0.6');
  });
});
