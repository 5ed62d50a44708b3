import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  EndpointAddressError,
  formatEndpointAddress,
  parseEndpointAddress,
} from '../../src/workload-api/endpoint-address.ts';

const unix = (path: string): unknown => ({ kind: 'unix', path });
const tcp = (host: string, port: number): unknown => ({ kind: 'tcp', host, port });

function codeOf(text: string): string {
  try {
    parseEndpointAddress(text);
  } catch (error) {
    if (error instanceof EndpointAddressError) return error.code;
    throw error;
  }
  return 'none';
}

describe('endpoint address', () => {
  it.each<[string, string, unknown]>([
    ['a socket as the specification writes it', 'unix:///path/to/endpoint.sock', unix('/path/to/endpoint.sock')],
    ['a socket without the empty authority', 'unix:/run/agent.sock', unix('/run/agent.sock')],
    ['a scheme in upper case', 'UNIX:///run/agent.sock', unix('/run/agent.sock')],
    ['percent-encoding', 'unix:///run/my%20agent%23.sock', unix('/run/my agent#.sock')],
    ['a path of other letters, encoded', 'unix:///run/%C3%A9.sock', unix('/run/é.sock')],
    ['a path that begins with two slashes', 'unix:////run/agent.sock', unix('//run/agent.sock')],
    ['every other character of a path', "unix:///a/~!$&'()*+,;=:@-._", unix("/a/~!$&'()*+,;=:@-._")],
    ['107 bytes', `unix:///${'a'.repeat(106)}`, unix(`/${'a'.repeat(106)}`)],
    ['an IPv4 address', 'tcp://127.0.0.1:8000', tcp('127.0.0.1', 8000)],
    ['an IPv6 address', 'tcp://[::1]:8081', tcp('::1', 8081)],
    ['the highest port', 'tcp://169.254.0.1:65535', tcp('169.254.0.1', 65_535)],
  ])('takes %s', (_name, text, expected) => {
    expect(parseEndpointAddress(text)).toEqual(expected);
  });

  it.each<[string, string, string]>([
    ['a relative path', 'unix:relative', 'unix-path'],
    ['a relative path with a directory', 'unix:run/agent.sock', 'unix-path'],
    ['a host before the path', 'unix://host/p', 'unix-authority'],
    ['a path with two slashes only', 'unix://run', 'unix-authority'],
    ['a user before the path', 'unix://user@/p', 'unix-authority'],
    ['a port before the path', 'unix://:1/p', 'unix-authority'],
    ['no path', 'unix:', 'unix-path'],
    ['no path behind the authority', 'unix://', 'unix-path'],
    ['the root directory', 'unix:///', 'unix-path'],
    ['a directory', 'unix:///run/', 'unix-path'],
    ['a directory, its slash encoded', 'unix:///run%2F', 'unix-path'],
    ['a NUL in the path', 'unix:///run/a%00b', 'unix-path'],
    ['a path that is not UTF-8', 'unix:///run/%FF', 'unix-path'],
    ['a path of 108 bytes', `unix:///${'a'.repeat(107)}`, 'unix-path-too-long'],
    ['a query behind a path', 'unix:///run/agent.sock?a=b', 'query'],
    ['an empty query behind a path', 'unix:///run/agent.sock?', 'query'],
    ['a fragment behind a path', 'unix:///run/agent.sock#x', 'fragment'],
    ['an empty fragment', 'unix:///run/agent.sock#', 'fragment'],
    ['a host name', 'tcp://name:1', 'tcp-host'],
    ['localhost', 'tcp://localhost:8081', 'tcp-host'],
    ['no host', 'tcp://:8081', 'tcp-host'],
    ['no authority', 'tcp:127.0.0.1:8081', 'tcp-host'],
    ['nothing at all behind tcp', 'tcp:', 'tcp-host'],
    ['an IPv4 address with a leading zero', 'tcp://127.0.0.01:1', 'tcp-host'],
    ['an IPv4 address of three parts', 'tcp://127.0.1:1', 'tcp-host'],
    ['an IPv4 address as a number', 'tcp://2130706433:1', 'tcp-host'],
    ['an IPv4 address in brackets', 'tcp://[127.0.0.1]:1', 'tcp-host'],
    ['an IPv6 address without brackets', 'tcp://::1:8081', 'tcp-host'],
    ['an IPv6 address with a zone', 'tcp://[fe80::1%25eth0]:1', 'tcp-host'],
    ['an IP address of the future', 'tcp://[v1.x]:1', 'tcp-host'],
    ['user information', 'tcp://user@127.0.0.1:1', 'tcp-host'],
    ['user information with a password', 'tcp://user:word@127.0.0.1:1', 'tcp-host'],
    ['an encoded address', 'tcp://127%2E0.0.1:1', 'tcp-host'],
    ['no port', 'tcp://127.0.0.1', 'tcp-port'],
    ['an empty port', 'tcp://127.0.0.1:', 'tcp-port'],
    ['port zero', 'tcp://127.0.0.1:0', 'tcp-port'],
    ['a port with a leading zero', 'tcp://127.0.0.1:081', 'tcp-port'],
    ['a port too high', 'tcp://127.0.0.1:65536', 'tcp-port'],
    ['a port that is no number', 'tcp://127.0.0.1:http', 'tcp-port'],
    ['two ports', 'tcp://127.0.0.1:1:2', 'tcp-port'],
    ['a path behind the port', 'tcp://1.2.3.4:5/p', 'tcp-path'],
    ['a slash behind the port', 'tcp://1.2.3.4:5/', 'tcp-path'],
    ['a query behind the port', 'tcp://1.2.3.4:5?q', 'query'],
    ['a fragment behind the port', 'tcp://1.2.3.4:5#f', 'fragment'],
    ['another scheme', 'http://127.0.0.1:80', 'scheme'],
    ['the scheme of an abstract socket', 'unix-abstract:agent', 'scheme'],
    ['a file', 'file:///run/agent.sock', 'scheme'],
    ['a path alone', '/run/agent.sock', 'not-a-uri'],
    ['an address alone', '127.0.0.1:8081', 'not-a-uri'],
    ['nothing', '', 'not-a-uri'],
    ['a space in front', ' unix:///run/agent.sock', 'not-a-uri'],
    ['a space in the path', 'unix:///run/my agent.sock', 'not-a-uri'],
    ['a line break at the end', 'unix:///run/agent.sock\n', 'not-a-uri'],
    ['letters that are not ASCII', 'unix:///run/é.sock', 'not-a-uri'],
    ['a backslash', 'unix:\\run\\agent.sock', 'not-a-uri'],
    ['half a percent-encoding', 'unix:///run/%4', 'not-a-uri'],
  ])('WA-153 refuses %s', (_name, text, code) => {
    expect(codeOf(text)).toBe(code);
  });

  it('says what was wrong and what is expected', () => {
    expect(() => parseEndpointAddress('tcp://agent:8081')).toThrow(
      '`tcp://agent:8081` has `agent:8081` where an IP address is expected; names are not resolved; expected `unix:///absolute/path` or `tcp://IP:port`',
    );
  });

  it('formats what it parsed so that it parses to the same', () => {
    const path = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      .filter((name) => !name.includes('\0') && !name.endsWith('/'))
      .map((name) => ({ kind: 'unix' as const, path: `/${name}` }));
    const address = fc.record({
      kind: fc.constant('tcp' as const),
      host: fc.oneof(
        fc.ipV4(),
        fc.ipV6().filter((host) => !host.includes('.')),
      ),
      port: fc.integer({ min: 1, max: 65_535 }),
    });
    fc.assert(
      fc.property(fc.oneof(path, address), (expected) => {
        expect(parseEndpointAddress(formatEndpointAddress(expected))).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  it('throws nothing but an EndpointAddressError, whatever the text', () => {
    const rest = fc.string({
      unit: fc.constantFrom('a', '0', ':', '@', '%', '?', '#', '[', ']', '/', '.'),
      maxLength: 20,
    });
    const near = fc.tuple(fc.constantFrom('unix:', 'unix://', 'tcp:', 'tcp://'), rest).map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), near), (text) => {
        expect(codeOf(text)).toMatch(/^[a-z0-9-]+$/);
      }),
      { numRuns: 1000 },
    );
  });
});
