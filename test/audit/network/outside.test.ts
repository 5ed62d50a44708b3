import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressesIn,
  type AddressSet,
  ALL_ADDRESSES,
  containsRange,
  formatAddresses,
  intersectAddresses,
  withoutAddresses,
} from '../../../src/audit/network/address-set.ts';
import { formatAddress, parseAddress, parseBlock } from '../../../src/audit/network/ip-address.ts';
import { mayNameMetadata, METADATA } from '../../../src/audit/network/metadata-address.ts';
import { cutOutside, largestPart, type Outside } from '../../../src/audit/network/outside.ts';

const blocks = (...texts: readonly string[]): AddressSet =>
  addressesIn(texts.map((text) => parseBlock(text)).filter((block) => block !== null));

describe('the outside', () => {
  it('is two families and the metadata when no policy names a block', () => {
    const { parts } = cutOutside([]);
    expect(parts.map(({ isMetadata }) => isMetadata)).toEqual([false, true, false, true]);
    expect(formatAddresses(parts[1]?.addresses ?? [])).toBe('169.254.169.254/32');
    expect(formatAddresses(parts[3]?.addresses ?? [])).toBe('fd00:ec2::254/128');
  });

  it('is cut where blocks begin and end, and not where nothing changes', () => {
    const { parts, partsIn, partAt } = cutOutside([blocks('10.0.0.0/8', '192.168.0.0/16'), blocks('10.1.0.0/16')]);
    const [ten, private_] = [blocks('10.1.0.0/16'), blocks('10.0.0.0/8', '192.168.0.0/16')];
    expect(parts).toHaveLength(6);
    expect(partsIn(ten).map(({ addresses }) => formatAddresses(addresses))).toEqual(['10.1.0.0/16']);
    expect(
      partsIn(private_)
        .map(({ addresses }) => formatAddresses(addresses))
        .sort(),
    ).toEqual(['10.0.0.0/16, 10.2.0.0-10.255.255.255, 192.168.0.0/16', '10.1.0.0/16']);
    const address = parseAddress('192.168.7.7');
    expect(address === null ? null : partAt(address)).toBe(
      partsIn(private_).find(({ addresses }) => addresses.length > 1),
    );
  });

  it('is cut into parts that are apart, that are all there is, and that no set cuts again', () => {
    const arbitraryBlocks = fc
      .array(
        fc.tuple(
          fc.constantFrom('10.0.0.0', '10.0.0.64', '10.0.1.0', '169.254.169.254', '::', 'fd00:ec2::'),
          fc.integer({ min: 0, max: 32 }),
        ),
        { maxLength: 3 },
      )
      .map((list) =>
        blocks(...list.map(([address, prefix]) => `${address}/${address.includes(':') ? prefix * 4 : prefix}`)),
      );
    fc.assert(
      fc.property(fc.array(arbitraryBlocks, { maxLength: 4 }), (sets) => {
        const { parts, partsIn } = cutOutside(sets);
        expect(addressesIn(parts.flatMap(({ addresses }) => addresses))).toEqual(addressesIn(ALL_ADDRESSES));
        for (const [index, part] of parts.entries()) {
          for (const other of parts.slice(index + 1))
            expect(intersectAddresses(part.addresses, other.addresses)).toEqual([]);
          for (const set of [...sets, METADATA]) {
            const inside = intersectAddresses(part.addresses, set);
            expect([[], part.addresses]).toContainEqual(inside);
          }
        }
        for (const set of sets) {
          expect(addressesIn(partsIn(set).flatMap(({ addresses }) => addresses))).toEqual(set);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('has a largest part for each family', () => {
    const { parts } = cutOutside([withoutAddresses(ALL_ADDRESSES, blocks('0.0.0.0/2'))]);
    const first = (part: Outside | null): string => {
      const range = part?.addresses[0];
      return range === undefined ? '' : formatAddress({ family: range.family, value: range.first });
    };
    expect(first(largestPart(parts, 4))).toBe('64.0.0.0');
    expect(first(largestPart(parts, 6))).toBe('::');
    expect(largestPart([], 4)).toBeNull();
    expect(parts.every(({ addresses }) => addresses.every((range) => containsRange(addresses, range)))).toBe(true);
  });
});

describe('names of the metadata service', () => {
  it.each<[string, boolean]>([
    ['metadata.google.internal', true],
    ['Metadata.Google.Internal.', true],
    ['metadata', true],
    ['instance-data.ec2.internal', true],
    ['*', true],
    ['**', true],
    ['*.internal', true],
    ['metadata.*', true],
    ['*.google.*', true],
    ['m*a*.g*e.i*l', true],
    ['google.internal', false],
    ['*.googleapis.com', false],
    ['api.openai.com', false],
    ['metadata.google.internal.example.com', false],
    ['*metadata', true],
    ['x*', false],
    ['', false],
  ])('%j may be one: %s', (pattern, expected) => {
    expect(mayNameMetadata(pattern)).toBe(expected);
  });

  it('are compared in steps that do not grow with every star', () => {
    expect(mayNameMetadata(`${'*a'.repeat(5000)}*`)).toBe(false);
  });
});
