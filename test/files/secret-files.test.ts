// Passwords and authorities that a configuration keeps in files of their own.

import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseAuthorityFile } from '../../src/files/authority-file.ts';
import type { GroupFile } from '../../src/files/file-group.ts';
import { parsePasswordFile } from '../../src/files/password-file.ts';
import { judgeSecretFile } from '../../src/files/secret-file.ts';
import { formatPem } from '../../src/pki/pem.ts';
import { testAuthority } from '../support/svid-fixtures.ts';

function fileOf(contents: string | Buffer): GroupFile {
  return { path: '/etc/secret', bytes: Buffer.from(contents), mode: 0o600, isOurs: true };
}

describe('a password file', () => {
  it.each([
    ['hunter2', 'hunter2'],
    ['hunter2\n', 'hunter2'],
    ['hunter2\r\n', 'hunter2'],
    [' pass word ', ' pass word '],
    ['pässwörd\n', 'pässwörd'],
  ])('%j holds %j', (contents, password) => {
    expect(parsePasswordFile(fileOf(contents))).toBe(password);
  });

  it.each([
    ['nothing', ''],
    ['an empty line', '\n'],
    ['two lines', 'hunter2\nhunter3\n'],
    ['an empty line behind the first', 'hunter2\n\n'],
    ['a NUL', 'hunter2\0'],
    ['a tab', 'hunter2\t'],
    ['what is not UTF-8', Buffer.from([0x68, 0xff])],
  ])('does not hold %s, and the message does not tell it', (_, contents) => {
    expect(() => parsePasswordFile(fileOf(contents))).toThrow(
      expect.objectContaining({
        code: 'invalid-password',
        message: expect.stringMatching(/^`\/etc\/secret`: (?!.*hunter)/),
      }),
    );
  });
});

describe('a file of authorities', () => {
  const pem = testAuthority().certificatePem;

  it('is given as it is', () => {
    const several = `corporate\n${pem}${testAuthority('b.example').certificatePem}`;
    expect(parseAuthorityFile(fileOf(several)).toString()).toBe(several);
  });

  it.each([
    ['nothing', '', /^\/etc\/secret: the file has no certificate$/],
    ['text', 'corporate\n', /^\/etc\/secret: the file has no certificate$/],
    ['a key', `${pem}${testAuthority().privateKeyPem}`, /^\/etc\/secret:\d+: a block of kind `PRIVATE KEY`/],
    [
      'what is no certificate',
      '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n',
      /^\/etc\/secret:1: the certificate cannot be read$/,
    ],
    [
      'more than a certificate',
      formatPem('CERTIFICATE', Buffer.concat([new X509Certificate(pem).raw, Buffer.of(0)])),
      /^\/etc\/secret:1: there are bytes behind the certificate$/,
    ],
    ['half a certificate', pem.slice(0, 200), /^\/etc\/secret:1: .* has no end/],
  ])('does not hold %s', (_, contents, message) => {
    expect(() => parseAuthorityFile(fileOf(contents))).toThrow(message);
  });
});

describe('PF-130 who may read a secret', () => {
  it.each([
    [0o600, true, null],
    [0o400, true, null],
    [0o640, true, '0600'],
    [0o604, true, '0600'],
    [0o640, false, null],
    [0o644, false, '0640'],
  ])('%o, ours: %s → enough would be %s', (mode, isOurs, enough) => {
    const warnings = judgeSecretFile('password', { ...fileOf('a'), mode, isOurs });
    expect(warnings.map(({ code, message }) => [code, /(\d+) is enough$/.exec(message)?.[1]])).toEqual(
      enough === null ? [] : [['readable-password', enough]],
    );
  });

  it('tells a private key from a password', () => {
    expect(judgeSecretFile('private key', { ...fileOf('a'), mode: 0o666 })).toEqual([
      {
        code: 'readable-private-key',
        message:
          'the private key `/etc/secret` may be read by more than need to; its permissions are 0666, 0600 is enough',
      },
    ]);
  });
});
