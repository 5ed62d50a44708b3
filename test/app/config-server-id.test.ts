import { describe, expect, it } from 'vitest';
import { toConfigView } from '../../src/app/config-view.ts';
import { changed, EXAMPLE, parseText, problemsOf } from './config-example.ts';

const UPSTREAM = '    upstream: http://127.0.0.1:5000      # or unix:/run/registry.sock\n';

function serving(lines: string): string {
  return changed(UPSTREAM, lines);
}

describe('serverId', () => {
  it.each([
    ['an ID', 'spiffe://ai.example/registry/server', ['spiffe://ai.example/registry/server']],
    ['a pattern of the own trust domain', '/registry/**', ['/registry/**']],
    [
      'a list',
      '[/registry/blue, "spiffe://far.example/registry/*"]',
      ['/registry/blue', 'spiffe://far.example/registry/*'],
    ],
  ])('is %s', (_, written, patterns) => {
    const config = parseText(serving(`    upstream: https://10.0.0.5:8443\n    serverId: ${written}\n`));
    const [route] = config.listeners[0]?.routes ?? [];
    expect(route?.upstream).toEqual({ scheme: 'https', address: { kind: 'tcp', host: '10.0.0.5', port: 8443 } });
    expect(route?.serverIds.map(({ text }) => text)).toEqual(patterns);
    expect(route?.serverIds[0]?.trustDomain).toBe('ai.example');
    expect(toConfigView(config)).toMatchObject({ listeners: [{ routes: [{ serverId: patterns }] }] });
  });

  it('stands beside the upstream of a route as well', () => {
    const routes = (serverId: string): string =>
      EXAMPLE.replace('    component: registry\n', '').replace(
        UPSTREAM,
        `    routes:\n      - { component: a, upstream: "https://b.example:1"${serverId} }\n`,
      );
    expect(problemsOf(routes(', serverId: /a/b'))).toEqual([]);
    expect(problemsOf(routes(''))).toEqual([expect.stringMatching(/^12:9 missing-key: `serverId` is missing; /)]);
  });

  it.each([
    ['is missing', 'https://b.example:1', '', /^9:5 missing-key: `serverId` is missing; over TLS nothing is sent/],
    ['is missing for HTTP/2', 'h2://b.example:1', '', /^9:5 missing-key: `serverId` is missing; /],
    ['stands beside HTTP/2 in plaintext', 'h2c://127.0.0.1:1', '/a', /^13:15 conflict: a server proves who it is/],
    ['stands beside plaintext', 'http://127.0.0.1:1', '/a', /^13:15 conflict: a server proves who it is over TLS only/],
    ['stands beside a unix socket', 'unix:/run/a.sock', '/a', /^13:15 conflict: a server proves who it is over TLS/],
    ['is no pattern', 'https://b.example:1', 'registry', /^13:15 bad-id-pattern: /],
    ['names a trust domain alone', 'https://b.example:1', 'spiffe://ai.example', /^13:15 bad-id-pattern: /],
    ['is no pattern in its list', 'https://b.example:1', '[/a, b]', /^13:20 bad-id-pattern: /],
    ['is twice in its list', 'https://b.example:1', '[/a, /a]', /^13:20 repeated-entry: /],
    ['is an empty list', 'https://b.example:1', '[]', /^13:5 out-of-range: /],
    [
      'is a number',
      'https://b.example:1',
      '7',
      /^13:15 wrong-type: expected a SPIFFE ID, a pattern .* found the number/,
    ],
    ['is a list of numbers', 'https://b.example:1', '[7]', /^13:16 wrong-type: expected a SPIFFE ID or a pattern /],
  ])('is refused with its place where it %s', (_, upstream, serverId, problem) => {
    const line = serverId === '' ? '' : `    serverId: ${serverId}\n`;
    expect(problemsOf(serving(`    upstream: ${upstream}\n${line}`))).toEqual([expect.stringMatching(problem)]);
  });

  it('lets an upstream be off this machine', () => {
    expect(problemsOf(serving('    upstream: https://10.0.0.5:1\n    serverId: /a\n'))).toEqual([]);
    expect(problemsOf(serving('    upstream: h2://10.0.0.5:1\n    serverId: /a\n'))).toEqual([]);
  });
});
