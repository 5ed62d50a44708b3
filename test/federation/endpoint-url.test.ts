import { describe, expect, it } from 'vitest';
import * as fc from 'fast-check';
import { hostOf, parseEndpointUrl, parseRedirect } from '../../src/federation/endpoint-url.ts';
import { FederationError } from '../../src/federation/federation-error.ts';

const CONFIGURED = new URL('https://bundles.partner.example/one/bundle.json');

function codeOf(attempt: () => unknown): string {
  try {
    attempt();
    return 'none';
  } catch (error) {
    if (error instanceof FederationError) return error.code;
    throw error;
  }
}

describe('the URL of a bundle endpoint (Federation §5.2.1.1, §5.2.2.1)', () => {
  it.each([
    ['https://partner.example', 'https://partner.example/'],
    ['https://partner.example:8443/a/b?x=1', 'https://partner.example:8443/a/b?x=1'],
    ['https://10.0.0.1/', 'https://10.0.0.1/'],
    ['https://127.0.0.1:8443/', 'https://127.0.0.1:8443/'],
    ['https://[::1]:8443/', 'https://[::1]:8443/'],
    ['https://partner.example/alice@home', 'https://partner.example/alice@home'],
    ['HTTPS://PARTNER.EXAMPLE/', 'https://partner.example/'],
  ])('may be %s', (text, expected) => {
    expect(parseEndpointUrl(text).href).toBe(expected);
  });

  it.each([
    ['empty', ''],
    ['not a URL', 'partner.example/bundle'],
    ['relative', '/bundle'],
    ['http', 'http://partner.example/'],
    ['another scheme', 'ftp://partner.example/'],
    ['a file', 'file:///etc/passwd'],
    ['SPIFFE', 'spiffe://partner.example/bundle'],
    ['with a user', 'https://user@partner.example/'],
    ['with a user and a password', 'https://user:secret@partner.example/'],
    ['with a password alone', 'https://:secret@partner.example/'],
    ['with empty userinfo', 'https://@partner.example/'],
    ['with backslashes and userinfo', 'https:\\\\user@partner.example/'],
    ['without slashes and with userinfo', 'https:user@partner.example/'],
  ])('is refused when it is %s', (_name, text) => {
    expect(codeOf(() => parseEndpointUrl(text))).toBe('endpoint-url');
  });

  it('has no brackets around the host', () => {
    expect(hostOf(new URL('https://[2001:db8::1]:8443/'))).toBe('2001:db8::1');
    expect(hostOf(CONFIGURED)).toBe('bundles.partner.example');
  });
});

describe('WA-163 a redirect (Federation §5.2.1.4, §7.5.1)', () => {
  it.each([
    ['/two', 'https://bundles.partner.example/two'],
    ['two', 'https://bundles.partner.example/one/two'],
    ['?page=2', 'https://bundles.partner.example/one/bundle.json?page=2'],
    ['//cdn.partner.example/x', 'https://cdn.partner.example/x'],
    ['https://cdn.partner.example:8443/x', 'https://cdn.partner.example:8443/x'],
    ['/a@b', 'https://bundles.partner.example/a@b'],
  ])('to %s is followed', (location, expected) => {
    expect(parseRedirect(location, CONFIGURED, CONFIGURED).href).toBe(expected);
  });

  it.each([
    ['http', 'http://bundles.partner.example/one/bundle.json'],
    ['a file', 'file:///etc/passwd'],
    ['data', 'data:application/json,{}'],
    ['another scheme', 'gopher://bundles.partner.example/'],
    ['userinfo', 'https://user@cdn.partner.example/'],
    ['userinfo of a relative reference', '//user@cdn.partner.example/'],
    ['empty userinfo', '//@cdn.partner.example/'],
    ['what is no URL', 'https://[::1/'],
    ['the metadata of a cloud', 'https://169.254.169.254/latest/meta-data/'],
    ['loopback', 'https://127.0.0.1/'],
    ['loopback in decimal', 'https://2130706433/'],
    ['loopback in hexadecimal', 'https://0x7f.1/'],
    ['loopback in full width', 'https://①②⑦.0.0.1/'],
    ['loopback with a dot behind it', 'https://127.0.0.1./'],
    ['IPv6 loopback', 'https://[::1]/'],
    ['IPv4-mapped loopback', 'https://[::ffff:127.0.0.1]/'],
    ['a private address', 'https://10.0.0.1/'],
    ['a public address', '//93.184.216.34/'],
  ])('to %s is refused', (_name, location) => {
    expect(codeOf(() => parseRedirect(location, CONFIGURED, CONFIGURED))).toBe('redirect');
  });

  it('stays where the operator pointed, also on an address', () => {
    const configured = new URL('https://127.0.0.1:8443/bundle');
    expect(parseRedirect('/moved', configured, configured).href).toBe('https://127.0.0.1:8443/moved');
    const elsewhere = new URL('https://cdn.partner.example/');
    expect(parseRedirect('https://127.0.0.1:8443/back', elsewhere, configured).pathname).toBe('/back');
    // Another port of the same address is another service.
    expect(codeOf(() => parseRedirect('https://127.0.0.1:8444/', configured, configured))).toBe('redirect');
  });

  it('never leads anywhere but to https, without userinfo, whatever the server writes', () => {
    const part = fc.constantFrom('https:', 'http:', '//', '/', '\\', '@', 'user', ':', 'h.example', '[::1]', '\t', '?');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(part, { maxLength: 8 }).map((parts) => parts.join('')),
          fc.webUrl(),
        ),
        (location) => {
          try {
            const { protocol, username, password } = parseRedirect(location, CONFIGURED, CONFIGURED);
            expect({ protocol, username, password }).toEqual({ protocol: 'https:', username: '', password: '' });
          } catch (error) {
            if (!(error instanceof FederationError)) throw error;
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
