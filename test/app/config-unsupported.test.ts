import { describe, expect, it } from 'vitest';
import { findUnsupported } from '../../src/app/config-unsupported.ts';
import { changed, EXAMPLE, parseText } from './config-example.ts';

describe('findUnsupported', () => {
  it('has nothing against what works', () => {
    expect(findUnsupported(parseText(EXAMPLE))).toEqual([]);
  });

  it.each<[string, string, string]>([
    [EXAMPLE.replace(/identity:[^]*?(?=policy)/, ''), '1:1', 'an identity from a Workload API'],
    [`${EXAMPLE}trust: { bundles: { b.example: b.pem } }\n`, '14:32', '`trust.bundles`'],
    [
      `${EXAMPLE}trust: { federation: { b.example: { url: "https://b.example/", profile: https_web } } }\n`,
      '14:42',
      '`trust.federation`',
    ],
    [`${EXAMPLE}trust: { endpoint: { bind: "127.0.0.1:8444", profile: https_spiffe } }\n`, '14:28', '`trust.endpoint`'],
    [`${EXAMPLE}revocation: { file: list.yaml }\n`, '14:21', '`revocation.file`'],
    [`${EXAMPLE}revocation: { redis: { url: "redis://127.0.0.1" } }\n`, '14:29', '`revocation.redis`'],
    [
      changed('component: registry', 'component: registry\n    authenticate: [jwt]\n    jwt: { audiences: [a] }'),
      '13:12',
      '`authenticate: [jwt]`',
    ],
    [`${EXAMPLE}leases: { revoked: drain }\n`, '10:11', '`leases`'],
  ])('names what a file asks for in vain: %s', (text, place, what) => {
    expect(
      findUnsupported(parseText(text)).map(({ code, message, position: { line, column } }) => [
        code,
        message,
        `${line}:${column}`,
      ]),
    ).toEqual([['not-supported-yet', `${what} is not supported yet`, place]]);
  });
});
