import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/app/config.ts';
import type { SourcePosition } from '../../src/core/source-position.ts';
import { changed, EXAMPLE, EXAMPLE_FILE, parseText, problemsOf } from './config-example.ts';

const LIMITS = {
  maxConnections: 10_000,
  maxConnectionsPerPrincipal: 1_000,
  handshakeTimeoutMs: 10_000,
  maxHeadBytes: 16_384,
  maxFieldCount: 100,
  headTimeoutMs: 10_000,
  idleTimeoutMs: 75_000,
  tunnelIdleTimeoutMs: 3_600_000,
  minBodyBytesPerSecond: 240,
  bodyGraceMs: 5_000,
  maxBodyBytes: 0,
  maxPipelinedRequests: 16,
  maxConcurrentStreams: 100,
  maxConnectionAgeMs: 3_600_000,
};

const LEASES = {
  graceMs: 5_000,
  onLapse: {
    'svid-expired': 'drain',
    'token-expired': 'drain',
    'trust-changed': 'reset',
    revoked: 'reset',
    'policy-changed': 'reset',
    'maximum-age': 'drain',
    'own-svid-withdrawn': 'reset',
  },
};

/** In the example. */
function place(line: number, column: number): SourcePosition {
  return { file: EXAMPLE_FILE, line, column };
}

describe('parseConfig', () => {
  it('accepts the shortest file and gives every default', () => {
    expect(parseText(EXAMPLE)).toEqual({
      trustDomain: 'ai.example',
      identity: {
        kind: 'files',
        certificate: '/etc/sallyport/registry.pem',
        privateKey: '/etc/sallyport/registry.key',
        trustBundles: new Map([['ai.example', '/etc/sallyport/bundle.pem']]),
      },
      trust: { bundles: new Map(), federation: [], endpoint: null },
      revocation: { file: null, redis: null },
      policy: { path: '/etc/policies', mode: 'enforce' },
      workers: 1,
      authorization: [],
      listeners: [
        {
          name: 'registry',
          bind: { kind: 'tcp', host: '127.0.0.1', port: 8443 },
          position: place(10, 11),
          mode: 'http',
          openTo: 'owner',
          component: 'registry',
          routes: [
            {
              host: null,
              port: null,
              pathPrefix: null,
              component: 'registry',
              upstream: { scheme: 'http', address: { kind: 'tcp', host: '127.0.0.1', port: 5000 } },
              serverIds: [],
              position: place(11, 16),
            },
          ],
          authenticate: { x509: true, jwt: null },
          proxyProtocol: null,
          http2: true,
          limits: LIMITS,
          leases: LEASES,
        },
      ],
      admin: { bind: { kind: 'tcp', host: '127.0.0.1', port: 9901 }, position: place(13, 16) },
      probes: null,
      decisionLog: { allow: 0.01, queueEntries: 8_192 },
      log: { level: 'info' },
      cache: { maxEntries: 100_000, maxEntriesPerPrincipal: 10_000, verifyEvery: 1_000 },
      drain: { timeoutMs: 30_000 },
      upstream: {
        connectTimeoutMs: 5_000,
        responseHeadTimeoutMs: 300_000,
        idleTimeoutMs: 60_000,
        bodyIdleTimeoutMs: 60_000,
        maxConnections: 256,
        maxIdleConnections: 64,
        maxPending: 1_024,
        failuresToEject: 5,
        ejectMs: 1_000,
      },
      limits: LIMITS,
      leases: LEASES,
      positions: {
        identity: place(4, 18),
        trustBundles: place(6, 5),
        policy: place(7, 17),
        files: new Map([
          ['/etc/sallyport/registry.pem', place(4, 18)],
          ['/etc/sallyport/registry.key', place(5, 17)],
          ['/etc/sallyport/bundle.pem', place(6, 33)],
        ]),
      },
    });
  });

  it('takes the mode and the admin address for granted when the file does not name them', () => {
    const config = parseText(changed(', mode: enforce', '').replace('admin: { bind: 127.0.0.1:9901 }\n', ''));
    expect(config.policy.mode).toBe('enforce');
    expect(config.admin).toEqual({ bind: { kind: 'tcp', host: '127.0.0.1', port: 9901 }, position: place(1, 1) });
  });

  it('offers HTTP/2 unless it is told not to', () => {
    const told = (http2: string): boolean | undefined =>
      parseText(changed('    component: registry\n', `    component: registry\n    http2: ${http2}\n`)).listeners[0]
        ?.http2;
    expect([told('true'), told('false')]).toEqual([true, false]);
  });

  it('reads every key', () => {
    const text = `${changed('{ bind: 127.0.0.1:9901 }', '{ bind: "unix:run/admin.sock" }')}
probes: { bind: "0.0.0.0:9902" }
decisionLog: { allow: all, queueEntries: 100 }
log: { level: debug }
cache: { maxEntries: 10, maxEntriesPerPrincipal: 5, verifyEvery: 0 }
drain: { timeout: 0s }
upstream:
  connectTimeout: 1s
  responseHeadTimeout: 2s
  idleTimeout: 3s
  bodyIdleTimeout: 4s
  maxConnections: 5
  maxIdleConnections: 0
  maxPending: 7
  failuresToEject: 8
  eject: 9s
limits:
  maxConnections: 10
  maxConnectionsPerPrincipal: 9
  handshakeTimeout: 8s
  maxHeadBytes: 7KiB
  maxFieldCount: 8
  headTimeout: 5m
  idleTimeout: 4h
  minBodyBytesPerSecond: 0
  bodyGrace: 3s
  maxBodyBytes: 20GiB
  maxPipelinedRequests: 2
  maxConcurrentStreams: 3
  maxConnectionAge: 1500ms
`;
    expect(parseText(text)).toMatchObject({
      admin: { bind: { kind: 'unix', path: '/etc/sallyport/run/admin.sock' } },
      probes: { bind: { kind: 'tcp', host: '0.0.0.0', port: 9902 } },
      decisionLog: { allow: 'all', queueEntries: 100 },
      log: { level: 'debug' },
      cache: { maxEntries: 10, maxEntriesPerPrincipal: 5, verifyEvery: 0 },
      drain: { timeoutMs: 0 },
      upstream: {
        connectTimeoutMs: 1_000,
        responseHeadTimeoutMs: 2_000,
        idleTimeoutMs: 3_000,
        bodyIdleTimeoutMs: 4_000,
        maxConnections: 5,
        maxIdleConnections: 0,
        maxPending: 7,
        failuresToEject: 8,
        ejectMs: 9_000,
      },
      limits: {
        maxConnections: 10,
        maxConnectionsPerPrincipal: 9,
        handshakeTimeoutMs: 8_000,
        maxHeadBytes: 7_168,
        maxFieldCount: 8,
        headTimeoutMs: 300_000,
        idleTimeoutMs: 14_400_000,
        minBodyBytesPerSecond: 0,
        bodyGraceMs: 3_000,
        maxBodyBytes: 21_474_836_480,
        maxPipelinedRequests: 2,
        maxConcurrentStreams: 3,
        maxConnectionAgeMs: 1_500,
      },
    });
  });

  it('lets a listener overrule single limits of the file', () => {
    const text = `${changed('component: registry', 'component: registry\n    limits: { idleTimeout: 1s }')}limits: { headTimeout: 2s, idleTimeout: 3s }\n`;
    const config = parseText(text);
    expect(config.limits).toEqual({ ...LIMITS, headTimeoutMs: 2_000, idleTimeoutMs: 3_000 });
    expect(config.listeners[0]?.limits).toEqual({ ...LIMITS, headTimeoutMs: 2_000, idleTimeoutMs: 1_000 });
  });

  it('keeps the default of a part at its whole when only the whole is set lower', () => {
    const config = parseText(
      `${EXAMPLE}cache: { maxEntries: 50 }\nupstream: { maxConnections: 3 }\nlimits: { maxConnections: 7 }\n`,
    );
    expect(config.cache.maxEntriesPerPrincipal).toBe(50);
    expect(config.upstream.maxIdleConnections).toBe(3);
    expect(config.limits.maxConnectionsPerPrincipal).toBe(7);
    expect(config.listeners[0]?.limits.maxConnectionsPerPrincipal).toBe(7);
  });

  it('gives a file that is named twice its first place', () => {
    const { positions } = parseText(changed('privateKey: registry.key', 'privateKey: ./registry.pem'));
    expect(positions.files.get('/etc/sallyport/registry.pem')).toEqual(place(4, 18));
  });

  it('has no admin listener when its address is `none`', () => {
    expect(parseText(changed('bind: 127.0.0.1:9901', 'bind: none')).admin).toBeNull();
  });

  it('gives the routes of a listener in file order with the place of each', () => {
    const routes = `routes:
      - { host: Models.AI.example, component: registry, upstream: "unix:registry.sock" }
      - { pathPrefix: /v2, component: inference, upstream: "http://[::1]:8000" }
      - { pathPrefix: /, component: feature-store, upstream: "http://localhost:6566" }`;
    const config = parseText(
      EXAMPLE.replace('component: registry\n', `${routes}\n`).replace(/ {4}upstream: http:.*\n/, ''),
    );
    const position = (line: number, column: number): object => ({ file: EXAMPLE_FILE, line, column });
    expect(config.listeners[0]).toMatchObject({
      component: null,
      routes: [
        {
          host: 'models.ai.example',
          pathPrefix: null,
          component: 'registry',
          upstream: { scheme: 'http', address: { kind: 'unix', path: '/etc/sallyport/registry.sock' } },
          position: position(12, 47),
        },
        {
          host: null,
          pathPrefix: '/v2',
          component: 'inference',
          upstream: { scheme: 'http', address: { kind: 'tcp', host: '::1', port: 8000 } },
          position: position(13, 39),
        },
        {
          host: null,
          pathPrefix: null,
          component: 'feature-store',
          upstream: { scheme: 'http', address: { kind: 'tcp', host: 'localhost', port: 6566 } },
          position: position(14, 37),
        },
      ],
    });
  });

  it('ID-20 keeps a trust domain named `__proto__` and answers for it alone', () => {
    const text = changed('{ ai.example: bundle.pem }', '{ ai.example: bundle.pem, __proto__: other.pem }');
    expect(parseText(text).identity).toMatchObject({
      trustBundles: new Map([
        ['ai.example', '/etc/sallyport/bundle.pem'],
        ['__proto__', '/etc/sallyport/other.pem'],
      ]),
    });
    expect(problemsOf(text.replace('trustDomain: ai.example', 'trustDomain: constructor'))).toEqual([
      '6:5 missing-trust-bundle: there is no bundle for the own trust domain `constructor`; add `constructor: FILE`',
    ]);
  });
});

describe('parseConfig refuses, with the place', () => {
  const path = 'expected the path of a file';
  it.each<[string, string, string]>([
    ['trustDomain: ai.example', 'trustDomain: AI.example', '1:14 trust-domain-character: '],
    [
      'trustDomain: ai.example',
      'trustDomain: 5',
      '1:14 wrong-type: expected a trust domain such as `ai.example`, found the number `5`',
    ],
    ['registry.pem ', '[registry.pem] ', `4:5 wrong-type: ${path}, found a list`],
    ['registry.pem ', '{ file: registry.pem } ', `4:5 wrong-type: ${path}, found a mapping`],
    ['registry.pem ', 'true ', `4:18 wrong-type: ${path}, found \`true\``],
    ['registry.key', '', `5:17 wrong-type: ${path}, found nothing`],
    ['registry.key', '""', '5:17 invalid-path: the path is empty'],
    ['registry.key', '"a\\0b"', '5:17 invalid-path: `a\\u{0}b` holds control characters'],
    [
      '{ ai.example: bundle.pem }',
      '{ b.example: bundle.pem }',
      '6:5 missing-trust-bundle: there is no bundle for the own trust domain `ai.example`; add `ai.example: FILE`',
    ],
    [
      '{ ai.example: bundle.pem }',
      'bundle.pem',
      '6:19 wrong-type: expected a mapping of trust domains to files, found the text `bundle.pem`',
    ],
    ['{ ai.example: bundle.pem }', '{ ai.example: 7 }', `6:33 wrong-type: ${path}, found the number \`7\``],
    ['{ ai.example: bundle.pem }', '{ ai.example: b.pem, B: b.pem }', '6:40 trust-domain-character: '],
    [
      'mode: enforce',
      'mode: enforced',
      '7:36 invalid-value: expected one of `enforce`, `shadow`, found the text `enforced`; did you mean `enforce`?',
    ],
    ['mode: enforce', 'mod: enforce', '7:30 unknown-key: unknown key `mod`; did you mean `mode`?'],
    [
      'name: registry',
      'name: the registry',
      '9:11 invalid-name: `the registry` is not a name; use 1 to 63 letters, digits, `.`, `_` and `-`',
    ],
    [
      'bind: 127.0.0.1:8443',
      'bind: :8443',
      '10:11 invalid-bind: `:8443` names no address; write `127.0.0.1:8443` for this machine alone or `0.0.0.0:8443` for every interface',
    ],
    [
      'bind: 127.0.0.1:8443',
      'bind: unix:/run/a.sock',
      '10:11 invalid-bind: only `mode: egress`, `tcp-egress`, `admin` and `authorization` can bind a unix socket; write an address such as `127.0.0.1:8443`',
    ],
    [
      'bind: 127.0.0.1:8443',
      'bind: 8443',
      '10:11 wrong-type: expected an address such as `127.0.0.1:8443`, found the number `8443`',
    ],
    ['component: registry', 'component: ..', '11:16 invalid-name: '],
    ['upstream: http://127.0.0.1:5000', 'upstream: ftp://127.0.0.1:5000', '12:15 unsupported-upstream: '],
    ['upstream: http://127.0.0.1:5000', 'upstream: http://127.0.0.1:5000/v1', '12:15 invalid-upstream: '],
    [
      '    component: registry\n',
      '',
      '9:5 missing-key: `component` is missing; expected the name of the component that `upstream` is',
    ],
    [
      '    upstream: http://127.0.0.1:5000      # or unix:/run/registry.sock\n',
      '',
      '9:5 missing-key: `upstream` is missing; expected an upstream such as `http://127.0.0.1:5000`',
    ],
    ['admin: { bind: 127.0.0.1:9901 }', 'admin:', '13:7 wrong-type: expected a mapping, found nothing'],
    ['admin: { bind: 127.0.0.1:9901 }', 'admin: none', '13:8 wrong-type: expected a mapping, found the text `none`'],
    [
      'admin: { bind: 127.0.0.1:9901 }',
      'amdin: { bind: 127.0.0.1:9901 }',
      '13:1 unknown-key: unknown key `amdin`; did you mean `admin`?',
    ],
    [
      'admin: { bind: 127.0.0.1:9901 }',
      'log: { level: loud }',
      '13:15 invalid-value: expected one of `trace`, `debug`, `info`, `warn`, `error`, `fatal`, found the text `loud`',
    ],
    [
      'admin: { bind: 127.0.0.1:9901 }',
      'decisionLog: { allow: 1.5 }',
      '13:23 wrong-type: expected `all`, `none` or a share from 0 to 1 such as `0.01`, found the number `1.5`',
    ],
    ['admin: { bind: 127.0.0.1:9901 }', 'decisionLog: { allow: .nan }', '13:23 wrong-type: '],
    ['admin: { bind: 127.0.0.1:9901 }', 'decisionLog: { allow: -0.1 }', '13:23 wrong-type: '],
    [
      'admin: { bind: 127.0.0.1:9901 }',
      'limits: { maxFieldCount: 7 }',
      '13:26 out-of-range: expected a whole number from 8 to 10000, found the number `7`',
    ],
    ['admin: { bind: 127.0.0.1:9901 }', 'limits: { maxFieldCount: 9.5 }', '13:26 out-of-range: '],
    ['admin: { bind: 127.0.0.1:9901 }', 'limits: { maxFieldCount: .inf }', '13:26 wrong-type: '],
    ['admin: { bind: 127.0.0.1:9901 }', 'limits: { maxFieldCount: "9" }', '13:26 wrong-type: '],
    [
      'admin: { bind: 127.0.0.1:9901 }',
      'limits: { maxFieldCount: }',
      '13:26 wrong-type: expected a whole number from 8 to 10000, found nothing',
    ],
    [
      'admin: { bind: 127.0.0.1:9901 }',
      'limits: { headTimeout: 10 }',
      '13:24 wrong-type: expected a duration such as `10s`, found the number `10`',
    ],
    [
      'admin: { bind: 127.0.0.1:9901 }',
      'limits: { headTimeout: 1ms }',
      '13:24 out-of-range: `1ms` is not between `10ms` and `5m`',
    ],
    [
      'admin: { bind: 127.0.0.1:9901 }',
      'limits: { headTimeout: 6m }',
      '13:24 out-of-range: `6m` is not between `10ms` and `5m`',
    ],
    ['admin: { bind: 127.0.0.1:9901 }', 'limits: { maxHeadBytes: 1KB }', '13:25 invalid-size: '],
    [
      'admin: { bind: 127.0.0.1:9901 }',
      'limits: { maxHeadBytes: 2MiB }',
      '13:25 out-of-range: `2MiB` is not between `1KiB` and `1MiB`',
    ],
    [
      'admin: { bind: 127.0.0.1:9901 }',
      'limits: { headTimeoutMs: 5 }',
      '13:11 unknown-key: unknown key `headTimeoutMs`; did you mean `headTimeout`?',
    ],
    [
      'admin: { bind: 127.0.0.1:9901 }',
      'probes: {}',
      '13:1 missing-key: `bind` is missing; expected an address such as `0.0.0.0:9902`',
    ],
    ['admin: { bind: 127.0.0.1:9901 }', 'probes: { bind: none }', '13:17 invalid-bind: '],
  ])('%s → %s', (from, to, expected) => {
    const problems = problemsOf(changed(from, to));
    expect(problems).toHaveLength(1);
    // Where another folder words the message, only its place and code are ours.
    expect(expected.endsWith(': ') ? problems[0]?.slice(0, expected.length) : problems[0]).toBe(expected);
  });

  it('a file that is not a mapping', () => {
    expect(problemsOf('- a\n')).toEqual(['1:1 wrong-type: expected a mapping, found a list']);
    expect(problemsOf('a\n')).toEqual(['1:1 wrong-type: expected a mapping, found the text `a`']);
  });

  it('every key that must be there, together', () => {
    expect(problemsOf('log: { level: info }\n')).toEqual([
      '1:1 missing-key: `trustDomain` is missing; expected a trust domain such as `ai.example`',
      '1:1 missing-key: `policy` is missing; expected a mapping',
      '1:1 missing-key: `listeners` is missing; expected a list of listeners',
    ]);
    expect(problemsOf(EXAMPLE.replaceAll(/(?: {4}[cpt].*\n){3}(?=policy)/g, '    x: 1\n'))).toEqual([
      '3:3 missing-key: `certificate` is missing; expected the path of a file',
      '3:3 missing-key: `privateKey` is missing; expected the path of a file',
      '3:3 missing-key: `trustBundles` is missing; expected a mapping of trust domains to files',
      '4:5 unknown-key: unknown key `x`; expected one of `certificate`, `privateKey`, `trustBundles`',
    ]);
  });

  it('everything at once, in the order of the file', () => {
    const text = `trustDomian: ai.example
identity:
  files:
    certificate: 5
    trustBundles: { AI.example: bundle.pem }
policy: { path: "" }
listeners:
  - name: registry
    bind: 127.0.0.1:8443
    upstream: http://10.0.0.1:5000
    limits: { headTimeout: 0s }
  - name: registry
    bind: 0.0.0.0:8443
    component: 5
    routes: []
  - three
`;
    expect(problemsOf(text).map((problem) => problem.split(':', 2).join(':'))).toEqual([
      '1:1 missing-key',
      '1:1 unknown-key',
      '3:3 missing-key',
      '4:18 wrong-type',
      '5:21 trust-domain-character',
      '6:17 invalid-path',
      '8:5 missing-key',
      '10:15 plaintext-upstream',
      '11:28 out-of-range',
      '12:11 duplicate-name',
      '13:11 duplicate-bind',
      '14:16 wrong-type',
      '14:16 conflict',
      '15:5 out-of-range',
      '16:5 wrong-type',
    ]);
  });

  it('does not repeat secrets that ended up in it by mistake', () => {
    const pasted = problemsOf(changed('registry.key', '"-----BEGIN PRIVATE KEY-----MIIEvQ"'));
    expect(pasted).toEqual([
      '5:17 invalid-path: expected the path of a file, found PEM text; keep it in a file of its own',
    ]);
    const password = problemsOf(changed('http://127.0.0.1:5000', 'http://root:hunter2@127.0.0.1:5000'));
    expect(password).toEqual([
      '12:15 invalid-upstream: an upstream takes no user name or password; write `http://host:port`',
    ]);
    expect(problemsOf(changed('mode: enforce', 'mode: "-----BEGIN PRIVATE KEY-----MIIEvQ"')).join('')).not.toContain(
      'MII',
    );
  });
});

describe('PF-123 and PF-124: files that are no sound configuration', () => {
  it.each<[string, Buffer, string]>([
    ['PF-123 refuses an empty file', Buffer.alloc(0), 'yaml-empty'],
    ['PF-123 refuses a file of comments', Buffer.from('# nothing\n'), 'yaml-empty'],
    ['PF-123 refuses a byte order mark', Buffer.from(`\ufeff${EXAMPLE}`), 'yaml-byte-order-mark'],
    ['PF-123 refuses a NUL byte', Buffer.from(`${EXAMPLE}\0`), 'yaml-nul'],
    [
      'PF-123 refuses bytes that are not UTF-8',
      Buffer.concat([Buffer.from(EXAMPLE), Buffer.of(0xff)]),
      'yaml-not-utf8',
    ],
    [
      'PF-123 refuses a file cut in the middle',
      Buffer.from(EXAMPLE.slice(0, EXAMPLE.indexOf('listeners'))),
      'missing-key',
    ],
    [
      'PF-124 refuses an anchor and its aliases',
      Buffer.from(changed('registry.pem', '&a registry.pem').replace('registry.key', '*a')),
      'yaml-anchor',
    ],
    ['PF-124 refuses a repeated key', Buffer.from(`${EXAMPLE}admin: { bind: 127.0.0.1:1 }\n`), 'yaml-duplicate-key'],
    [
      'PF-124 refuses a word that only some readers take for false',
      Buffer.from(changed('component: registry', 'component: registry\n    allowPlaintextUpstream: no')),
      'yaml-ambiguous-scalar',
    ],
    ['PF-124 refuses an octal number', Buffer.from(`${EXAMPLE}cache: { maxEntries: 0100 }\n`), 'yaml-ambiguous-scalar'],
    [
      'PF-124 refuses an unknown key named __proto__',
      Buffer.from(`${EXAMPLE}__proto__: { admin: null }\n`),
      'unknown-key',
    ],
  ])('%s', (_, bytes, code) => {
    expect(() => parseConfig(bytes, EXAMPLE_FILE)).toThrow(
      expect.objectContaining({ code: 'invalid-document', message: expect.stringContaining(`[${code}]`) }),
    );
  });
});
