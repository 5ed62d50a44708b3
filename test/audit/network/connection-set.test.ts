import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ALL_CONNECTIONS,
  type ConnectionSet,
  connectionsOf,
  connectionsTo,
  countPorts,
  formatConnections,
  includes,
  intersect,
  isAll,
  isNone,
  isSame,
  NO_CONNECTIONS,
  type Protocol,
  PROTOCOLS,
  subtract,
  unite,
} from '../../../src/audit/network/connection-set.ts';

const tcp = (first: number, last = first): ConnectionSet => connectionsTo('TCP', first, last);
const udp = (first: number, last = first): ConnectionSet => connectionsTo('UDP', first, last);

describe('connection sets as text', () => {
  it.each<[string, ConnectionSet, string]>([
    ['nothing', NO_CONNECTIONS, 'None'],
    ['everything', ALL_CONNECTIONS, 'All'],
    ['one port', tcp(80), 'TCP 80'],
    ['ports apart', unite(tcp(443), tcp(80)), 'TCP 80,443'],
    ['a range and another protocol', unite(udp(53), tcp(8000, 9000)), 'TCP 8000-9000, UDP 53'],
    ['neighbours, which join', unite(tcp(80), tcp(81)), 'TCP 80-81'],
    ['ranges that overlap', unite(tcp(80, 90), tcp(85, 100)), 'TCP 80-100'],
    ['a range within another', unite(tcp(80, 90), tcp(85, 86)), 'TCP 80-90'],
    ['a whole protocol', connectionsOf('TCP'), 'TCP 1-65535'],
    ['a hole', subtract(tcp(1, 65_535), tcp(80)), 'TCP 1-79,81-65535'],
    [
      'all three protocols in full',
      unite(unite(connectionsOf('TCP'), connectionsOf('UDP')), connectionsOf('SCTP')),
      'All',
    ],
    ['everything but one port', subtract(ALL_CONNECTIONS, tcp(22)), 'TCP 1-21,23-65535, UDP 1-65535, SCTP 1-65535'],
    ['a range the wrong way round', tcp(90, 80), 'None'],
  ])('writes %s', (_, set, text) => {
    expect(formatConnections(set)).toBe(text);
  });
});

const arbitrarySet = fc
  .array(
    fc.record({
      protocol: fc.constantFrom(...PROTOCOLS),
      first: fc.integer({ min: 1, max: 30 }),
      length: fc.integer({ min: 0, max: 8 }),
      isHigh: fc.boolean(),
    }),
    { maxLength: 6 },
  )
  .map((ranges) =>
    ranges.reduce<ConnectionSet>((set, { protocol, first, length, isHigh }) => {
      const start = isHigh ? 65_535 - first - length : first;
      return unite(set, connectionsTo(protocol, start, start + length));
    }, NO_CONNECTIONS),
  );

const POINTS: readonly (readonly [Protocol, number])[] = PROTOCOLS.flatMap((protocol) =>
  [
    ...Array.from({ length: 42 }, (_, index) => index + 1),
    40_000,
    ...Array.from({ length: 42 }, (_, index) => 65_535 - index),
  ].map((port) => [protocol, port] as const),
);

function pointsOf(set: ConnectionSet): readonly boolean[] {
  return POINTS.map(([protocol, port]) => includes(set, protocol, port));
}

describe('the algebra of connection sets', () => {
  it('unites, intersects and subtracts as sets of points do', () => {
    fc.assert(
      fc.property(arbitrarySet, arbitrarySet, (left, right) => {
        const [a, b] = [pointsOf(left), pointsOf(right)];
        expect(pointsOf(unite(left, right))).toEqual(a.map((has, index) => has || b[index]));
        expect(pointsOf(intersect(left, right))).toEqual(a.map((has, index) => has && b[index]));
        expect(pointsOf(subtract(left, right))).toEqual(a.map((has, index) => has && !b[index]));
      }),
    );
  });

  it('writes equal sets alike, however they were made', () => {
    fc.assert(
      fc.property(arbitrarySet, arbitrarySet, arbitrarySet, (a, b, c) => {
        expect(formatConnections(unite(unite(a, b), c))).toBe(formatConnections(unite(a, unite(c, b))));
        expect(formatConnections(subtract(a, unite(b, c)))).toBe(formatConnections(subtract(subtract(a, c), b)));
        expect(isSame(intersect(a, unite(b, c)), unite(intersect(a, b), intersect(a, c)))).toBe(true);
      }),
    );
  });

  it('knows the extremes, and keeps them one object each', () => {
    fc.assert(
      fc.property(arbitrarySet, (set) => {
        expect(subtract(set, set)).toBe(NO_CONNECTIONS);
        expect(unite(set, subtract(ALL_CONNECTIONS, set))).toBe(ALL_CONNECTIONS);
        expect(isNone(set)).toBe(formatConnections(set) === 'None');
        expect(isAll(set)).toBe(formatConnections(set) === 'All');
      }),
    );
  });

  it('counts ports', () => {
    expect(countPorts(unite(tcp(1, 10), tcp(5, 20)), 'TCP')).toBe(20);
    expect(countPorts(ALL_CONNECTIONS, 'SCTP')).toBe(65_535);
    expect(countPorts(tcp(80), 'UDP')).toBe(0);
  });
});
