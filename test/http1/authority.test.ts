// Which Host fields are `host[:port]` in the one spelling that is let through.

import { isIPv6 } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findHostEnd } from '../../src/http1/authority.ts';

describe('authorities', () => {
  it.each([
    ['a name', 'registry', 'registry'],
    ['a domain name', 'registry.ai.example', 'registry.ai.example'],
    ['a name in any case', 'Registry', 'Registry'],
    ['a name with an underscore', 'model_registry-1', 'model_registry-1'],
    ['a port', 'registry:8443', 'registry'],
    ['the first port', 'registry:1', 'registry'],
    ['the last port', 'registry:65535', 'registry'],
    ['an IPv4 address', '127.0.0.1:80', '127.0.0.1'],
    ['an IPv6 address', '[::1]', '[::1]'],
    ['an IPv6 address and a port', '[2001:db8::1]:443', '[2001:db8::1]'],
    ['an IPv6 address that ends in IPv4', '[::ffff:127.0.0.1]:443', '[::ffff:127.0.0.1]'],
    ['the longest name', 'a'.repeat(255), 'a'.repeat(255)],
  ])('accepts %s', (_name, authority, host) => {
    expect(findHostEnd(authority)).toBe(host.length);
  });

  it.each([
    ['nothing', ''],
    ['a port alone', ':80'],
    ['an empty port', 'a:'],
    ['port 0', 'a:0'],
    ['a port above 65535', 'a:65536'],
    ['a port of six digits', 'a:000080'],
    ['a port with a leading zero', 'a:080'],
    ['a port with a sign', 'a:+80'],
    ['a port of letters', 'a:http'],
    ['two ports', 'a:80:80'],
    ['user information', 'u@a'],
    ['user information that looks like a host', 'a:80@b'],
    ['a path', 'a/b'],
    ['a backslash', 'a\\b'],
    ['a query', 'a?b'],
    ['a fragment', 'a#b'],
    ['two hosts', 'a,b'],
    ['a space', 'a b'],
    ['a tab', 'a\tb'],
    ['an escape', 'a%2eb'],
    ['a semicolon', 'a;b'],
    ['an octet above ASCII', 'caf\xe9'],
    ['a character beyond latin1', '\u0161'],
    ['an IPv6 address without brackets', '::1'],
    ['an empty literal', '[]'],
    ['an open literal', '[::1'],
    ['a literal that is a name', '[a]'],
    ['a zone', '[fe80::1%25eth0]'],
    ['a future address', '[v1.x]'],
    ['text after a literal', '[::1]a'],
    ['an empty port after a literal', '[::1]:'],
    ['seven groups', '[1:2:3:4:5:6:7]'],
    ['nine groups', '[1:2:3:4:5:6:7:8:9]'],
    ['eight groups and an elision', '[1:2:3:4::5:6:7:8]'],
    ['two elisions', '[1::2::3]'],
    ['three colons', '[1:::2]'],
    ['a group of five digits', '[12345::]'],
    ['IPv4 in the middle', '[::1.2.3.4:5]'],
    ['IPv4 before an elision', '[1.2.3.4::]'],
    ['IPv4 of three parts', '[::1.2.3]'],
    ['IPv4 above 255', '[::1.2.3.256]'],
    ['a name of 256 octets', 'a'.repeat(256)],
  ])('refuses %s', (_name, authority) => {
    expect(findHostEnd(authority)).toBeNull();
  });

  it('agrees with Node about what an IPv6 address is, zones apart', () => {
    const group = fc.constantFrom('0', 'a', 'F00', '12ab', '12345', '', 'g', '1.2.3.4', '255.0.0.256', '01.2.3.4');
    const text = fc.array(group, { minLength: 1, maxLength: 10 }).map((groups) => groups.join(':'));
    const address = fc.oneof(
      fc.ipV6(),
      text,
      fc.tuple(text, text).map(([head, tail]) => `${head}::${tail}`),
    );
    fc.assert(
      fc.property(address, (candidate) => {
        expect(findHostEnd(`[${candidate}]`) !== null).toBe(isIPv6(candidate));
      }),
      { numRuns: 1000 },
    );
  });
});
