import { describe, expect, it } from 'vitest';
import { parsePkey, partitionOfInterface, vlanPartition } from '../../../src/audit/rdma/partition.ts';

describe('parsePkey', () => {
  it.each<[string, string | null, boolean]>([
    ['0x6', 'pkey 0x0006', false],
    ['0x8006', 'pkey 0x0006', false],
    ['0X223F', 'pkey 0x223f', false],
    ['6', 'pkey 0x0006', false],
    ['32767', 'pkey 0x7fff', true],
    ['0x7fff', 'pkey 0x7fff', true],
    ['0xFFFF', 'pkey 0x7fff', true],
    ['0x0', null, false],
    ['0x8000', null, false],
    ['0x10000', null, false],
    ['99999', null, false],
    ['six', null, false],
    ['', null, false],
    ['0x', null, false],
    ['-1', null, false],
  ])('%s', (text, key, isDefault) => {
    const partition = parsePkey(text);
    expect(partition?.key ?? null).toBe(key);
    expect(partition?.isDefault ?? false).toBe(isDefault);
  });
});

describe('partitionOfInterface', () => {
  it.each<[string, string | null]>([
    ['ib0.8006', 'pkey 0x0006'],
    ['ibs2f0.8007', 'pkey 0x0007'],
    ['ib0', 'pkey 0x7fff'],
    ['eth0', null],
    ['eth0.100', null],
    ['ib0.80', null],
  ])('%s', (name, key) => {
    expect(partitionOfInterface(name)?.key ?? null).toBe(key);
  });
});

describe('vlanPartition', () => {
  it.each<[number | null, boolean]>([
    [null, true],
    [0, true],
    [1, false],
    [4094, false],
  ])('%s', (vlan, isDefault) => {
    expect(vlanPartition(vlan).isDefault).toBe(isDefault);
  });
});
