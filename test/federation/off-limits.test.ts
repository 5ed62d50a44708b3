import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { describe, expect, it } from 'vitest';
import { guardLookup, isOffLimits } from '../../src/federation/off-limits.ts';

describe('WA-163 addresses where no redirect leads', () => {
  it.each([
    '0.0.0.0',
    '0.1.2.3',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '169.254.170.2',
    '224.0.0.1',
    '239.255.255.255',
    '255.255.255.255',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    '::',
    '::1',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    '64:ff9b::169.254.169.254',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'fe80::1',
    'febf::1',
    'fe80::1%eth0',
    'ff02::1',
    'fd00:ec2::254',
    'fd20:ce::254',
    'fd00:c1::a9fe:a9fe',
  ])('include %s', (address) => {
    expect(isOffLimits(address)).toBe(true);
  });

  it.each([
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '126.255.255.255',
    '128.0.0.1',
    '169.253.255.255',
    '169.255.0.0',
    '223.255.255.255',
    '93.184.216.34',
    '2001:db8::1',
    'fc00::1',
    'fd00::1',
    'fec0::1',
    '::ffff:93.184.216.34',
    '64:ff9b::93.184.216.34',
  ])('do not include %s', (address) => {
    expect(isOffLimits(address)).toBe(false);
  });
});

const PUBLIC: LookupAddress = { address: '93.184.216.34', family: 4 };
const PUBLIC6: LookupAddress = { address: '2001:db8::1', family: 6 };
const LOOPBACK: LookupAddress = { address: '127.0.0.1', family: 4 };

function resolving(addresses: readonly LookupAddress[], error: NodeJS.ErrnoException | null = null): LookupFunction {
  return (_hostname, options, callback) => {
    expect(options.all).toBe(true);
    callback(error, [...addresses]);
  };
}

function ask(lookup: LookupFunction, options: { readonly all: boolean }): readonly unknown[] {
  let answer: readonly unknown[] = ['no answer'];
  lookup('cdn.partner.example', options, (error, address, family) => {
    answer = error === null ? [address, family] : [error.code];
  });
  return answer;
}

describe('a guarded lookup', () => {
  it('gives what it was asked for: one address, or all', () => {
    const guarded = guardLookup(resolving([PUBLIC, PUBLIC6]), isOffLimits);
    expect(ask(guarded, { all: true })).toEqual([[PUBLIC, PUBLIC6], undefined]);
    expect(ask(guarded, { all: false })).toEqual(['93.184.216.34', 4]);
  });

  it.each([
    ['the only one', [LOOPBACK]],
    ['the last of several', [PUBLIC, PUBLIC6, LOOPBACK]],
    ['the first of several', [LOOPBACK, PUBLIC]],
  ])('fails when an address off limits is %s', (_name, addresses) => {
    for (const all of [true, false]) {
      expect(ask(guardLookup(resolving(addresses), isOffLimits), { all })).toEqual(['redirect']);
    }
  });

  it('fails as the system does', () => {
    const error = Object.assign(new Error('no such host'), { code: 'ENOTFOUND' });
    expect(ask(guardLookup(resolving([], error), isOffLimits), { all: true })).toEqual(['ENOTFOUND']);
  });

  it('looks at every answer, so that a name that turns to loopback later gains nothing', () => {
    const answers = [[PUBLIC], [LOOPBACK]];
    const rebinding: LookupFunction = (_hostname, _options, callback) => callback(null, answers.shift() ?? []);
    const guarded = guardLookup(rebinding, isOffLimits);
    expect(ask(guarded, { all: true })).toEqual([[PUBLIC], undefined]);
    expect(ask(guarded, { all: true })).toEqual(['redirect']);
  });
});
