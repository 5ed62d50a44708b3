import { describe, expect, it } from 'vitest';
import { changed, EXAMPLE, EXAMPLE_FILE, parseText, problemsOf } from './config-example.ts';

const place = (line: number, column: number): object => ({ file: EXAMPLE_FILE, line, column });
const FROM_AGENT = EXAMPLE.replace(/identity:[^]*?(?=policy:)/, '');

/** Two partners of the example, the second one's keys as given; `b.example` is on line 17. */
function federated(keys: string, head = EXAMPLE): string {
  return `${head}trust:
  bundles: { c.example: c.json }
  federation:
    b.example: { ${keys} }
`;
}

describe('bundles of other trust domains', () => {
  it('come from files and from bundle endpoints', () => {
    const text = `${EXAMPLE}trust:
  bundles: { c.example: c.json, __proto__: ../p.pem }
  federation:
    partner.example:
      url: https://bundles.partner.example/bundle.json
      profile: https_spiffe
      endpointSpiffeId: spiffe://partner.example/bundle
      bundle: partner.json
      maxAge: 24h
    web.example: { url: "https://web.example", profile: https_web, ca: ca.pem }
    constructor: { url: "https://web.example:8443/x?y", profile: https_web }
`;
    const { trust, positions } = parseText(text);
    expect(trust).toEqual({
      bundles: new Map([
        ['c.example', '/etc/sallyport/c.json'],
        ['__proto__', '/etc/p.pem'],
      ]),
      federation: [
        {
          trustDomain: 'partner.example',
          url: 'https://bundles.partner.example/bundle.json',
          profile: { kind: 'https_spiffe', endpointId: 'spiffe://partner.example/bundle' },
          bundle: '/etc/sallyport/partner.json',
          maxAgeMs: 86_400_000,
        },
        {
          trustDomain: 'web.example',
          url: 'https://web.example/',
          profile: { kind: 'https_web', ca: '/etc/sallyport/ca.pem' },
          bundle: null,
          maxAgeMs: null,
        },
        {
          trustDomain: 'constructor',
          url: 'https://web.example:8443/x?y',
          profile: { kind: 'https_web', ca: null },
          bundle: null,
          maxAgeMs: null,
        },
      ],
      endpoint: null,
    });
    expect([...positions.files].slice(3)).toEqual([
      ['/etc/sallyport/c.json', place(15, 25)],
      ['/etc/p.pem', place(15, 44)],
      ['/etc/sallyport/partner.json', place(21, 15)],
      ['/etc/sallyport/ca.pem', place(23, 72)],
    ]);
  });

  it.each<[string, string]>([
    ['url: "https://b.example"', '17:5 missing-key: `profile` is missing; expected one of `https_web`, `https_spiffe`'],
    [
      'url: "https://b.example", profile: web',
      '17:53 invalid-value: expected one of `https_web`, `https_spiffe`, found the text `web`',
    ],
    [
      'url: "https://b.example", profile: https-spiffe',
      '17:53 invalid-value: expected one of `https_web`, `https_spiffe`, found the text `https-spiffe`; did you mean `https_spiffe`?',
    ],
    [
      'profile: https_web',
      '17:5 missing-key: `url` is missing; expected a URL such as `https://bundles.partner.example/bundle.json`',
    ],
    [
      'profile: https_web, url: "http://b.example/"',
      '17:43 unsupported-scheme: `http://b.example/` does not use `https://`, as the URL of a bundle must',
    ],
    [
      'profile: https_web, url: "https://me:hunter2@b.example/"',
      '17:43 password-in-url: the URL of a bundle takes no user name or password; write an `@` of its path as `%40`',
    ],
    [
      'profile: https_web, url: "https://b.example/#a"',
      '17:43 invalid-url: `https://b.example/#a` has a fragment, which is never sent to a server; leave it out',
    ],
    [
      'profile: https_web, url: "https://b.example", endpointSpiffeId: "spiffe://b.example/a"',
      '17:64 unknown-key: `endpointSpiffeId` goes with `profile: https_spiffe` only',
    ],
    [
      'profile: https_spiffe, url: "https://b.example", endpointSpiffeId: "spiffe://c.example/a", ca: ca.pem',
      '17:109 unknown-key: `ca` goes with `profile: https_web` only',
    ],
    [
      'profile: https_spiffe, url: "https://b.example"',
      '17:5 missing-key: `endpointSpiffeId` is missing; expected the SPIFFE ID of the endpoint, such as `spiffe://partner.example/bundle`',
    ],
    [
      'profile: https_spiffe, url: "https://b.example", endpointSpiffeId: /bundle',
      '17:85 wrong-scheme: `/bundle` does not begin with `spiffe://` in lower case',
    ],
    [
      'profile: https_spiffe, url: "https://b.example", endpointSpiffeId: "spiffe://c.example"',
      '17:85 missing-path: `spiffe://c.example` has no path; the ID of a trust domain itself names no workload',
    ],
    [
      'profile: https_web, url: "https://b.example", maxAge: 59s',
      '17:72 out-of-range: `59s` is not between `1m` and `8760h`',
    ],
    [
      'profile: https_web, url: "https://b.example", bundel: b.json',
      '17:64 unknown-key: unknown key `bundel`; did you mean `bundle`?',
    ],
  ])('are not fetched as told by { %s }', (keys, problem) => {
    expect(problemsOf(federated(keys))).toEqual([problem]);
  });

  it.each<[string, string]>([
    ['trust: { bundles: [a] }', '14:10 wrong-type: expected a mapping of trust domains to files, found a list'],
    [
      'trust: { federation: "https://b.example" }',
      '14:22 wrong-type: expected a mapping of trust domains to where their bundles are fetched, found the text `https://b.example`',
    ],
    [
      'trust: { federation: { b.example: "https://b.example" } }',
      '14:35 wrong-type: expected a mapping, found the text `https://b.example`',
    ],
    ['trust: { bundles: { b.example: 5 } }', '14:32 wrong-type: expected the path of a file, found the number `5`'],
    ['trust: { bundels: {} }', '14:10 unknown-key: unknown key `bundels`; did you mean `bundles`?'],
    ['trust:', '14:7 wrong-type: expected a mapping, found nothing'],
  ])('are not told by %s', (text, problem) => {
    expect(problemsOf(`${EXAMPLE}${text}\n`)).toEqual([problem]);
  });

  it('tells what is wrong with a trust domain and what with its value', () => {
    const text = `${EXAMPLE}trust: { federation: { B.example: { url: "https://b.example", profile: https_web, maxAge: 1s } } }\n`;
    expect(problemsOf(text)).toEqual([
      expect.stringMatching(/^14:24 trust-domain-character: `B.example` has `B`/),
      '14:91 out-of-range: `1s` is not between `1m` and `8760h`',
    ]);
  });
});

describe('a trust domain', () => {
  const web = '{ url: "https://x.example", profile: https_web }';

  it.each<[string, string, string]>([
    [
      changed('{ ai.example: bundle.pem }', '{ ai.example: bundle.pem, b.example: b.pem }'),
      'trust: { bundles: { b.example: b.json } }',
      '14:32 rival-bundles: the bundle of `b.example` already comes from `identity.files.trustBundles` on line 6; take it out of one of the two',
    ],
    [
      changed('{ ai.example: bundle.pem }', '{ ai.example: bundle.pem, b.example: b.pem }'),
      `trust: { federation: { b.example: ${web} } }`,
      '14:24 rival-bundles: the bundle of `b.example` already comes from `identity.files.trustBundles` on line 6; take it out of one of the two',
    ],
    [
      EXAMPLE,
      `trust:\n  bundles: { b.example: b.json }\n  federation: { b.example: ${web} }`,
      '16:17 rival-bundles: the bundle of `b.example` already comes from `trust.bundles` on line 15; take it out of one of the two',
    ],
    [
      EXAMPLE,
      'trust: { bundles: { ai.example: b.json } }',
      '14:33 own-trust-domain: `ai.example` is our own trust domain, whose bundle comes with our identity; take it out',
    ],
    [
      FROM_AGENT,
      'trust: { bundles: { ai.example: b.json } }',
      '9:33 own-trust-domain: `ai.example` is our own trust domain, whose bundle comes with our identity; take it out',
    ],
    [
      FROM_AGENT,
      `trust: { federation: { ai.example: ${web} } }`,
      '9:24 own-trust-domain: `ai.example` is our own trust domain, whose bundle comes with our identity; take it out',
    ],
  ])('has its bundle from one place: %#', (head, text, problem) => {
    expect(problemsOf(`${head}${text}\n`)).toEqual([problem]);
  });

  it('has its bundle from one place, told also when another one is broken', () => {
    const text = `trust:\n  bundles: { b.example: b.json, c.example: 5 }\n  federation: { b.example: ${web}, d.example: 5 }\n`;
    expect(problemsOf(`${EXAMPLE}${text}`).map((problem) => problem.split(':', 2).join(':'))).toEqual([
      '15:44 wrong-type',
      '16:17 rival-bundles',
      '16:89 wrong-type',
    ]);
  });
});

describe('an endpoint of https_spiffe', () => {
  const at = (id: string, more = ''): string =>
    `url: "https://b.example", profile: https_spiffe, endpointSpiffeId: "${id}"${more}`;
  const SELF =
    'this endpoint is authenticated by the bundle that it serves, so the first one must come from elsewhere; add `bundle: FILE`';

  it.each<[string, string]>([
    ['by our own bundle', federated(at('spiffe://ai.example/bundle'))],
    ['by a bundle from a file', federated(at('spiffe://c.example/bundle'))],
    ['by its own, when the first one is there', federated(at('spiffe://b.example/bundle', ', bundle: b.json'))],
    [
      'by one that is fetched by Web PKI',
      `${federated(at('spiffe://d.example/bundle'))}    d.example: { url: "https://d.example", profile: https_web }\n`,
    ],
    [
      'by one that is fetched from where the first one is known',
      `${federated(at('spiffe://d.example/bundle'))}    d.example: { url: "https://d.example", profile: https_spiffe, endpointSpiffeId: "spiffe://c.example/a" }\n`,
    ],
    ['by one that our agent may deliver', federated(at('spiffe://x.example/bundle'), FROM_AGENT)],
  ])('is authenticated %s', (_, text) => {
    expect(problemsOf(text)).toEqual([]);
  });

  it('is not authenticated by the bundle it is the first to give, wherever our own comes from', () => {
    expect(problemsOf(federated(at('spiffe://b.example/bundle')))).toEqual([`17:85 missing-trust-bundle: ${SELF}`]);
    expect(problemsOf(federated(at('spiffe://b.example/bundle'), FROM_AGENT))).toEqual([
      `12:85 missing-trust-bundle: ${SELF}`,
    ]);
  });

  it('is not authenticated by a bundle that there is not', () => {
    expect(problemsOf(federated(at('spiffe://x.example/bundle')))).toEqual([
      '17:85 missing-trust-bundle: there is no bundle for `x.example`, the trust domain of this endpoint; give its file in `trust.bundles`, or where to fetch it in `trust.federation`',
    ]);
  });

  it('is not authenticated in a circle', () => {
    const circle = `${federated(at('spiffe://d.example/bundle'))}    d.example: { url: "https://d.example", profile: https_spiffe, endpointSpiffeId: "spiffe://b.example/a" }\n`;
    const help =
      'by which this endpoint is authenticated, cannot be fetched before this one; give one of them a `bundle: FILE`';
    expect(problemsOf(circle)).toEqual([
      `17:85 missing-trust-bundle: the bundle of \`d.example\`, ${help}`,
      `18:85 missing-trust-bundle: the bundle of \`b.example\`, ${help}`,
    ]);
    expect(problemsOf(circle.replace('"spiffe://b.example/a"', '"spiffe://b.example/a", bundle: d.json'))).toEqual([]);
  });

  it('is not judged while it is not known which bundles there are', () => {
    const text = federated(at('spiffe://x.example/bundle')).replace('{ c.example: c.json }', '{ X.example: x.json }');
    expect(problemsOf(text)).toEqual([expect.stringMatching(/^15:14 trust-domain-character: /)]);
    const own = federated(at('spiffe://x.example/bundle')).replace('{ ai.example: bundle.pem }', '{ X: x.pem }');
    expect(problemsOf(own)).toEqual([expect.stringMatching(/^6:21 trust-domain-character: /)]);
  });
});

describe('our own bundle endpoint', () => {
  const endpoint = (keys: string): string => `${EXAMPLE}trust: { endpoint: { ${keys} } }\n`;

  it('is served with our SVID or with a certificate of the Web', () => {
    expect(parseText(endpoint('bind: "0.0.0.0:8444", profile: https_spiffe')).trust.endpoint).toEqual({
      bind: { kind: 'tcp', host: '0.0.0.0', port: 8_444 },
      position: place(14, 28),
      profile: { kind: 'https_spiffe' },
      path: '/',
      refreshHintMs: 300_000,
    });
    const text = endpoint(
      'bind: "127.0.0.1:0", profile: https_web, certificate: web.pem, privateKey: web.key, path: /bundle.json, refreshHint: 1h',
    );
    const { trust, positions } = parseText(text);
    expect(trust.endpoint).toEqual({
      bind: { kind: 'tcp', host: '127.0.0.1', port: 0 },
      position: place(14, 28),
      profile: { kind: 'https_web', certificate: '/etc/sallyport/web.pem', privateKey: '/etc/sallyport/web.key' },
      path: '/bundle.json',
      refreshHintMs: 3_600_000,
    });
    expect(positions.files.get('/etc/sallyport/web.pem')).toEqual(place(14, 76));
    expect(positions.files.get('/etc/sallyport/web.key')).toEqual(place(14, 97));
  });

  it.each<[string, readonly string[]]>([
    ['profile: https_spiffe', ['14:10 missing-key: `bind` is missing; expected an address such as `0.0.0.0:8444`']],
    ['bind: "0.0.0.0:1"', ['14:10 missing-key: `profile` is missing; expected one of `https_web`, `https_spiffe`']],
    [
      'bind: "0.0.0.0:1", profile: https_web',
      [
        '14:10 missing-key: `certificate` is missing; expected the path of a file',
        '14:10 missing-key: `privateKey` is missing; expected the path of a file',
      ],
    ],
    [
      'bind: "0.0.0.0:1", profile: https_spiffe, certificate: a, privateKey: b',
      [
        '14:64 unknown-key: `certificate` goes with `profile: https_web` only',
        '14:80 unknown-key: `privateKey` goes with `profile: https_web` only',
      ],
    ],
    [
      'bind: "0.0.0.0:1", profile: https_spiffe, path: bundle',
      ['14:70 invalid-url-path: `bundle` does not begin with `/`'],
    ],
    [
      'bind: "0.0.0.0:1", profile: https_spiffe, refreshHint: 10500ms',
      ['14:77 out-of-range: `10500ms` is not a whole number of seconds'],
    ],
    [
      'bind: "127.0.0.1:8443", profile: https_spiffe',
      ['14:28 duplicate-bind: this address is already taken by `listeners[0].bind` on line 10'],
    ],
    [
      'bind: "0.0.0.0:9901", profile: https_spiffe',
      ['14:28 duplicate-bind: this address is already taken by `admin.bind` on line 13'],
    ],
  ])('is not { %s }', (keys, problems) => {
    expect(problemsOf(endpoint(keys))).toEqual(problems);
  });
});
