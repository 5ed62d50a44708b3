import { describe, expect, it } from 'vitest';
import { changed, EXAMPLE, parseText, problemsOf } from './config-example.ts';
import { portOf } from '../support/port-of.ts';

const PLAINTEXT =
  'is not on this machine, and what is forwarded there is neither encrypted nor tied to an identity; ' +
  'use `https://` with a `serverId`, loopback or a unix socket, or write `allowPlaintextUpstream: true`';

/** The example with this in place of its listener's `component` and `upstream`. */
function serving(text: string): string {
  return EXAMPLE.replace(/ {4}component: registry\n {4}upstream:.*\n/, () => text);
}

function withListener(text: string): string {
  return changed('admin:', `${text}admin:`);
}

describe('listeners', () => {
  const second = (name: string, bind: string): string =>
    withListener(`  - { name: ${name}, bind: "${bind}", component: b, upstream: "http://127.0.0.1:1" }\n`);

  it('have names of their own', () => {
    expect(problemsOf(second('registry', '127.0.0.1:1'))).toEqual([
      '13:13 duplicate-name: the name `registry` is already that of the listener on line 9',
    ]);
    expect(problemsOf(second('Registry', '127.0.0.1:1'))).toEqual([]);
  });

  it.each([
    ['127.0.0.1:8443', 'listeners[0].bind', 10],
    ['0.0.0.0:8443', 'listeners[0].bind', 10],
    ['[::]:8443', 'listeners[0].bind', 10],
    ['127.0.0.1:9901', 'admin.bind', 14],
    ['0.0.0.0:9901', 'admin.bind', 14],
  ])('cannot bind %s beside %s', (bind, owner, line) => {
    expect(problemsOf(second('b', bind))).toEqual([
      `13:22 duplicate-bind: this address is already taken by \`${owner}\` on line ${line}`,
    ]);
  });

  it.each(['127.0.0.1:8444', '127.0.0.2:8443', '[::1]:8443'])('can bind %s beside 127.0.0.1:8443', (bind) => {
    expect(problemsOf(second('b', bind))).toEqual([]);
  });

  it('can both ask for any free port', () => {
    const text = second('b', '127.0.0.1:0').replace('127.0.0.1:8443', '127.0.0.1:0');
    expect(parseText(text).listeners.map(({ bind }) => portOf(bind))).toEqual([0, 0]);
  });

  it('cannot take the address that admin has by default', () => {
    const text = changed('bind: 127.0.0.1:8443', 'bind: 127.0.0.1:9901').replace(/^admin:.*\n/m, '');
    expect(problemsOf(text)).toEqual([
      '10:11 duplicate-bind: this address is already taken by `admin.bind` by default',
    ]);
    expect(problemsOf(`${text}admin: { bind: none }\n`)).toEqual([]);
  });

  it.each<[string, string, readonly string[]]>([
    [
      'both a component and routes',
      '    component: a\n    routes: [{ component: a, upstream: "unix:/a" }]\n',
      ['11:16 conflict: a listener has either `component` and `upstream` or `routes`, not both'],
    ],
    [
      'both an upstream and routes',
      '    upstream: unix:/a\n    routes: [{ component: a, upstream: "unix:/a" }]\n',
      ['11:15 conflict: a listener has either `component` and `upstream` or `routes`, not both'],
    ],
    ['nothing', '', ['9:5 missing-key: the listener serves nothing; add `component` and `upstream`, or `routes`']],
    [
      'no routes in its list',
      '    routes: []\n',
      ['11:5 out-of-range: the list is empty; it needs at least one entry'],
    ],
    [
      'routes that are wrong, and then only these',
      '    routes: 5\n',
      ['11:13 wrong-type: expected a list of routes, found the number `5`'],
    ],
    [
      'a component that is wrong, and then only this',
      '    component: 5\n    upstream: unix:/a\n',
      ['11:16 wrong-type: expected the name of a component, found the number `5`'],
    ],
  ])('have %s', (_, text, problems) => {
    expect(problemsOf(serving(text))).toEqual(problems);
  });
});

describe('plaintext upstreams', () => {
  it.each([
    'http://10.0.0.1:5000',
    'http://registry:5000',
    'http://[2001:db8::1]:5000',
    'http://localhost.:5000',
    'http://127.0.0.1.example:5000',
    'h2c://10.0.0.1:5000',
  ])('are refused at %s', (upstream) => {
    const host = /^\w+:\/\/\[?(.*?)\]?:5000$/.exec(upstream)?.[1];
    expect(problemsOf(changed('http://127.0.0.1:5000', upstream))).toEqual([
      `12:15 plaintext-upstream: \`${host}\` ${PLAINTEXT}`,
    ]);
  });

  it.each([
    'http://127.0.0.2:5000',
    'http://[::1]:5000',
    'http://[::ffff:127.0.0.1]:5000',
    'http://localhost:5000',
    'unix:/run/a.sock',
    'h2c://127.0.0.1:5000',
    'h2c+unix:/run/a.sock',
  ])('are accepted at %s', (upstream) => {
    expect(problemsOf(changed('http://127.0.0.1:5000', upstream))).toEqual([]);
  });

  it('are accepted where the listener or the route says so', () => {
    const route = (extra: string, listener = ''): string =>
      serving(`${listener}    routes: [{ component: a, upstream: "http://10.0.0.1:1"${extra} }]\n`);
    const refused = [`11:40 plaintext-upstream: \`10.0.0.1\` ${PLAINTEXT}`];
    const allowed = '    allowPlaintextUpstream: true\n';
    expect(
      problemsOf(
        changed('component: registry', 'component: registry\n    allowPlaintextUpstream: true').replace(
          '127.0.0.1:5000',
          '10.0.0.1:5000',
        ),
      ),
    ).toEqual([]);
    expect(problemsOf(route(''))).toEqual(refused);
    expect(problemsOf(route(', allowPlaintextUpstream: true'))).toEqual([]);
    expect(problemsOf(route('', allowed))).toEqual([]);
    expect(problemsOf(route(', allowPlaintextUpstream: false', allowed))).toEqual([
      `12:40 plaintext-upstream: \`10.0.0.1\` ${PLAINTEXT}`,
    ]);
  });

  it('cannot have a socket path that the system would cut', () => {
    const path = `/run/${'x'.repeat(102)}`;
    expect(problemsOf(changed('http://127.0.0.1:5000', `unix:${path}`))).toEqual([]);
    expect(problemsOf(changed('http://127.0.0.1:5000', `unix:${path}x`))[0]).toMatch(/^12:15 socket-path-too-long: /);
    expect(problemsOf(changed('http://127.0.0.1:5000', `unix:${'x'.repeat(93)}`))[0]).toMatch(
      / socket-path-too-long: /,
    );
    expect(problemsOf(changed('127.0.0.1:9901', `unix:${path}x`))[0]).toMatch(/^13:16 socket-path-too-long: /);
  });
});

describe('routes', () => {
  const routes = (...lines: readonly string[]): string =>
    serving(`    routes:\n${lines.map((line) => `      - { ${line}, component: a, upstream: "unix:/a" }\n`).join('')}`);

  it.each<[string, string, string]>([
    ['the same host and prefix', 'host: a.b, pathPrefix: /x', 'host: A.B, pathPrefix: /x'],
    ['the same host', 'host: a.b', 'host: a.b, pathPrefix: /'],
    ['the same prefix', 'pathPrefix: /x', 'pathPrefix: /x'],
    ['one address in two spellings', 'host: "::1"', 'host: "[0::1]"'],
    ['a host after every host', 'pathPrefix: /', 'host: a.b'],
    ['a path after every path', 'host: a.b', 'host: a.b, pathPrefix: /x'],
    ['a host and a longer path after any host', 'pathPrefix: /x', 'host: a.b, pathPrefix: /x/y'],
  ])('are out of reach behind others: %s', (_, first, second) => {
    expect(problemsOf(routes('host: other, pathPrefix: /x', first, second))).toEqual([
      '14:9 unreachable-route: `routes[2]` is never reached: `routes[1]` on line 13 takes all of its requests first; move it up or take it out',
    ]);
  });

  it.each<[string, string, string]>([
    ['a longer path before a shorter one', 'pathPrefix: /x/y', 'pathPrefix: /x'],
    ['paths that only begin alike', 'pathPrefix: /x', 'pathPrefix: /xy'],
    ['a host before every host', 'host: a.b', 'pathPrefix: /x'],
    ['every host on one path before a host', 'pathPrefix: /x', 'host: a.b'],
    ['hosts that only end alike', 'host: b', 'host: a.b'],
    ['paths of other letter case', 'pathPrefix: /x', 'pathPrefix: /X'],
  ])('are within reach: %s', (_, first, second) => {
    expect(problemsOf(routes(first, second))).toEqual([]);
  });

  it('tell two routes apart although one of another listener is the same', () => {
    const text = withListener(
      '  - { name: b, bind: "127.0.0.1:1", routes: [{ component: b, upstream: "unix:/b" }] }\n  - { name: c, bind: "127.0.0.1:2", routes: [{ component: b, upstream: "unix:/b" }] }\n',
    );
    expect(problemsOf(text)).toEqual([]);
  });
});

describe('the admin listener', () => {
  it.each(['0.0.0.0:9901', '[::]:9901', '10.0.0.1:9901'])('is refused at %s', (bind) => {
    expect(problemsOf(changed('127.0.0.1:9901', `"${bind}"`))).toEqual([
      '13:16 exposed-admin: the admin endpoints show configuration and policy and ask for no identity, so they stay on loopback or a unix socket; let the kubelet and Prometheus use `probes`, or write `allowNonLoopback: true`',
    ]);
    expect(problemsOf(changed('127.0.0.1:9901', `"${bind}", allowNonLoopback: true`))).toEqual([]);
  });

  it('is accepted on loopback and on a unix socket', () => {
    for (const bind of ['127.0.0.1:1', '[::1]:1', 'unix:/run/admin.sock', 'none']) {
      expect(problemsOf(changed('127.0.0.1:9901', `"${bind}"`))).toEqual([]);
    }
  });
});

describe('parts', () => {
  it.each<[string, string]>([
    [
      'cache: { maxEntries: 5, maxEntriesPerPrincipal: 6 }',
      '14:49 part-above-whole: `6` is above `maxEntries`, which is `5`',
    ],
    [
      'cache: { maxEntriesPerPrincipal: 100001 }',
      '14:34 part-above-whole: `100001` is above `maxEntries`, which is `100000`',
    ],
    [
      'upstream: { maxIdleConnections: 257 }',
      '14:33 part-above-whole: `257` is above `maxConnections`, which is `256`',
    ],
    [
      'limits: { maxConnectionsPerPrincipal: 10001 }',
      '14:39 part-above-whole: `10001` is above `maxConnections`, which is `10000`',
    ],
  ])('cannot be more than their whole: %s', (line, problem) => {
    expect(problemsOf(`${EXAMPLE}${line}\n`)).toEqual([problem]);
  });

  it('cannot be more than the whole that a listener sets or takes over', () => {
    const listener = (limits: string): string =>
      changed('component: registry', `component: registry\n    limits: { ${limits} }`);
    expect(problemsOf(listener('maxConnections: 5, maxConnectionsPerPrincipal: 6'))).toEqual([
      '12:62 part-above-whole: `6` is above `maxConnections`, which is `5`',
    ]);
    expect(problemsOf(`${listener('maxConnectionsPerPrincipal: 6')}limits: { maxConnections: 5 }\n`)).toEqual([
      '12:43 part-above-whole: `6` is above `maxConnections`, which is `5`',
    ]);
    expect(
      problemsOf(`${listener('maxConnections: 9, maxConnectionsPerPrincipal: 6')}limits: { maxConnections: 5 }\n`),
    ).toEqual([]);
  });
});
