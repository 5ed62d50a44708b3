import { describe, expect, it } from 'vitest';
import { toConfigView } from '../../src/app/config-view.ts';
import { EXAMPLE, parseText, problemsOf } from './config-example.ts';

/** The example with this in place of its listener's `component` and `upstream`. */
function serving(text: string): string {
  return EXAMPLE.replace(/ {4}component: registry\n {4}upstream:.*\n/, () => text);
}

describe('a listener of mode `tcp`', () => {
  const TCP = '    mode: tcp\n    component: cache\n    upstream: tcp://127.0.0.1:6379\n';

  it('serves one component at one address', () => {
    const [listener] = parseText(serving(TCP)).listeners;
    expect(listener).toMatchObject({ mode: 'tcp', component: 'cache', proxyProtocol: null, http2: false });
    expect(listener?.routes).toMatchObject([
      { component: 'cache', upstream: { scheme: 'tcp', address: { kind: 'tcp', host: '127.0.0.1', port: 6379 } } },
    ]);
    expect(listener?.limits.tunnelIdleTimeoutMs).toBe(3_600_000);
  });

  it.each([
    ['a unix socket', TCP.replace('tcp://127.0.0.1:6379', 'unix:/run/redis.sock')],
    ['a PROXY header', `${TCP}    proxyProtocol: v2\n`],
    [
      'an upstream elsewhere, if that is meant',
      `${TCP.replace('127.0.0.1', '10.0.0.7')}    allowPlaintextUpstream: true\n`,
    ],
    [
      'an upstream that proves itself',
      TCP.replace('tcp://127.0.0.1:6379', 'tls://10.0.0.7:6380\n    serverId: /cache/main'),
    ],
    ['a week to stand still', `${TCP}    limits: { tunnelIdleTimeout: 168h }\n`],
  ])('may have %s', (_, text) => {
    expect(problemsOf(serving(text))).toEqual([]);
  });

  it.each<[string, string, readonly string[]]>([
    [
      'routes',
      '    mode: tcp\n    routes: [{ host: a, component: b, upstream: "tcp://127.0.0.1:1" }]\n',
      ['12:5 conflict: a TCP connection has no host and no path to be routed by; write `component` and `upstream`'],
    ],
    [
      'an upstream of HTTP over TLS',
      TCP.replace('tcp://127.0.0.1:6379', 'https://10.0.0.7:1\n    serverId: /cache/main'),
      [
        '13:15 conflict: what goes over a TCP connection is not looked at, so it need not be HTTP; write `tls://10.0.0.7:1`',
      ],
    ],
    [
      'TLS to nobody in particular',
      TCP.replace('tcp://', 'tls://'),
      [expect.stringMatching(/^\d+:\d+ missing-key: `serverId` is missing/) as string],
    ],
    [
      'tokens',
      `${TCP}    authenticate: [x509, jwt]\n    jwt: { audiences: [a] }\n`,
      [
        '15:5 conflict: a TCP connection carries no token that could be read; its peer proves itself by certificate alone',
      ],
    ],
    [
      'an upstream of HTTP',
      TCP.replace('tcp://', 'http://'),
      [
        '13:15 conflict: what goes over a TCP connection is not looked at, so it need not be HTTP; write `tcp://127.0.0.1:6379`',
      ],
    ],
    [
      'an upstream elsewhere',
      TCP.replace('127.0.0.1', '10.0.0.7'),
      [expect.stringContaining('plaintext-upstream') as string],
    ],
    ['another version of the header', `${TCP}    proxyProtocol: v1\n`, [expect.stringContaining('14:20') as string]],
    ['a mode that is none', TCP.replace('mode: tcp', 'mode: udp'), [expect.stringContaining('11:11') as string]],
  ])('has no %s', (_, text, problems) => {
    expect(problemsOf(serving(text))).toEqual(problems);
  });

  it('is shown as it is', () => {
    const view = JSON.stringify(toConfigView(parseText(serving(`${TCP}    proxyProtocol: v2\n`))));
    expect(view).toContain('"mode":"tcp"');
    expect(view).toContain('"upstream":"tcp://127.0.0.1:6379"');
    expect(view).toContain('"proxyProtocol":"v2"');
  });
});

describe('a listener of mode `tcp-egress`', () => {
  const OUT =
    '    mode: tcp-egress\n    component: cache\n    upstream: tls://10.0.0.7:6380\n    serverId: /cache/main\n';

  it('leads to one server that proves itself', () => {
    const [listener] = parseText(serving(OUT)).listeners;
    expect(listener).toMatchObject({ mode: 'tcp-egress', component: 'cache', openTo: 'owner' });
    expect(listener?.routes).toMatchObject([
      { upstream: { scheme: 'tls' }, serverIds: [{ segments: ['cache', 'main'] }] },
    ]);
    expect(problemsOf(serving(OUT).replace('bind: 127.0.0.1:8443', 'bind: unix:/run/out.sock'))).toEqual([]);
  });

  it.each<[string, string, readonly string[]]>([
    [
      'plain upstream',
      OUT.replace('tls://10.0.0.7', 'tcp://127.0.0.1').replace(/ {4}serverId.*\n/, ''),
      ['13:15 conflict'],
    ],
    ['plain socket', OUT.replace('tls://10.0.0.7:6380', 'unix:/a').replace(/ {4}serverId.*\n/, ''), ['13:15 conflict']],
    ['PROXY header', `${OUT}    proxyProtocol: v2\n`, ['15:20 conflict']],
    ['HTTP/2', `${OUT}    http2: true\n`, ['15:12 conflict']],
    ['authentication', `${OUT}    authenticate: [x509]\n`, ['15:5 conflict']],
    ['upstream of HTTP', OUT.replace('tls://', 'https://'), ['13:15 conflict']],
  ])('has no %s', (_, text, problems) => {
    expect(problemsOf(serving(text)).map((problem) => problem.split(': ')[0])).toEqual(problems);
  });

  it('stays on this machine', () => {
    const [problem] = problemsOf(serving(OUT).replace('bind: 127.0.0.1:8443', 'bind: 0.0.0.0:8443'));
    expect(problem).toContain('exposed-egress');
  });
});

describe('a listener of HTTP', () => {
  it.each<[string, string, string]>([
    ['an upstream of TCP', '    component: a\n    upstream: tcp://127.0.0.1:1\n', '12:15 conflict'],
    ['an upstream of TLS', '    component: a\n    upstream: tls://127.0.0.1:1\n    serverId: /a\n', '12:15 conflict'],
    ['a route to TCP', '    routes: [{ component: a, upstream: "tcp://127.0.0.1:1" }]\n', '11:40 conflict'],
    ['a PROXY header', '    component: a\n    upstream: unix:/a\n    proxyProtocol: v2\n', '13:20 conflict'],
  ])('has no %s', (_, text, problem) => {
    expect(problemsOf(serving(text)).map((each) => each.slice(0, problem.length))).toEqual([problem]);
  });
});
