import { describe, expect, it } from 'vitest';
import { toConfigView } from '../../src/app/config-view.ts';
import { EXAMPLE, parseText, problemsOf } from './config-example.ts';

const INGRESS = EXAMPLE.slice(EXAMPLE.indexOf('  - name: registry'), EXAMPLE.indexOf('admin:'));

/** The example with this listener, of eight lines at most, in place of its own, on line 9. */
function listening(lines: string): string {
  return EXAMPLE.replace(INGRESS, lines);
}

const egress = (more = '', bind = '127.0.0.1:15001'): string =>
  listening(`  - name: out
    bind: ${bind}
    mode: egress
    component: registry
    upstream: https://registry.ai.example:8443
    serverId: /registry/*
${more}`);

const ROUTES = listening(`  - name: out
    bind: unix:egress.sock
    mode: egress
    openTo: group
    routes:
      - { host: registry.ai, port: 80, component: registry, upstream: "https://10.0.0.5:8443", serverId: /registry/* }
      - { port: 6566, component: store, upstream: "https://10.0.0.6:8443", serverId: /store/* }
`);

describe('an egress listener', () => {
  it('is one for the own program', () => {
    const config = parseText(egress());
    expect(config.listeners).toMatchObject([
      {
        mode: 'egress',
        bind: { kind: 'tcp', host: '127.0.0.1', port: 15_001 },
        routes: [{ host: null, port: null, component: 'registry', serverIds: [{ text: '/registry/*' }] }],
      },
    ]);
    expect(toConfigView(config)).toMatchObject({ listeners: [{ mode: 'egress', authenticate: [], openTo: null }] });
  });

  it('may be a unix socket, and has routes by port', () => {
    const config = parseText(ROUTES);
    expect(config.listeners).toMatchObject([
      {
        bind: { kind: 'unix', path: '/etc/sallyport/egress.sock' },
        openTo: 'group',
        routes: [
          { host: 'registry.ai', port: 80 },
          { host: null, port: 6566 },
        ],
      },
    ]);
    expect(toConfigView(config)).toMatchObject({
      listeners: [{ bind: 'unix:/etc/sallyport/egress.sock', openTo: 'group', routes: [{ port: 80 }, { port: 6566 }] }],
    });
  });

  it.each([
    [
      'off this machine',
      egress('', '0.0.0.0:15001'),
      /^10:11 exposed-egress: whoever reaches `0\.0\.0\.0` could go out/,
    ],
    ['off this machine by IPv6', egress('', '"[2001:db8::1]:15001"'), /^10:11 exposed-egress: /],
    ['that authenticates', egress('    authenticate: [x509]\n'), /^15:5 conflict: an egress listener asks nobody/],
    [
      'that opens a TCP address to a group',
      egress('    openTo: group\n'),
      /^15:13 conflict: only a unix socket has an/,
    ],
    ['at a long socket', egress('', `unix:/${'x'.repeat(107)}`), /^10:11 socket-path-too-long: /],
    ['at a socket of several workers', `${ROUTES}workers: 2\n`, /^10:11 conflict: a unix socket is of one process/],
    ['with port 0', ROUTES.replace('port: 80', 'port: 0'), /^14:36 out-of-range|^14:\d+ wrong-type/],
    [
      'with a route that an earlier one has taken',
      ROUTES.replace('host: registry.ai, port: 80', 'port: 6566'),
      /^15:9 unreachable-route: /,
    ],
  ])('is refused %s', (_, text, problem) => {
    expect(problemsOf(text)).toEqual([expect.stringMatching(problem)]);
  });

  it('takes no tokens', () => {
    const text = egress('    authenticate: [jwt]\n    jwt: { audiences: [spiffe://ai.example/a] }\n');
    expect(problemsOf(text)).toEqual([
      expect.stringMatching(/^15:5 conflict: an egress listener asks nobody/),
      expect.stringMatching(/^16:5 conflict: an egress listener asks nobody/),
    ]);
  });

  it('may be off this machine where that is said', () => {
    expect(problemsOf(egress('    allowNonLoopback: true\n', '0.0.0.0:15001'))).toEqual([]);
  });

  it.each([
    [
      'bind a unix socket',
      INGRESS.replace('127.0.0.1:8443', 'unix:/run/a.sock'),
      /^10:11 invalid-bind: only `mode: egress`/,
    ],
    [
      'be allowed off loopback',
      `${INGRESS}    allowNonLoopback: true\n`,
      /^13:23 conflict: `allowNonLoopback` goes with/,
    ],
    [
      'be open to a group',
      `${INGRESS}    openTo: group\n`,
      /^13:13 conflict: `openTo` goes with `mode: egress` and `tcp-egress` only/,
    ],
    [
      'route by port',
      INGRESS.replace(
        / {4}component.*\n.*\n/,
        '    routes: [{ port: 80, component: a, upstream: "http://[::1]:1" }]\n',
      ),
      /^11:22 conflict: only requests of an egress listener are routed by port/,
    ],
  ])('is what another cannot be: it cannot %s', (_, lines, problem) => {
    expect(problemsOf(listening(lines))).toEqual([expect.stringMatching(problem)]);
  });

  it('takes its address like any other', () => {
    const twice = egress().replace('admin: { bind: 127.0.0.1:9901 }', 'admin: { bind: 127.0.0.1:15001 }');
    expect(problemsOf(twice)).toEqual([expect.stringMatching(/^10:11 duplicate-bind: /)]);
  });
});
