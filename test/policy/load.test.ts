import { describe, expect, it } from 'vitest';
import { loadPolicy } from '../../src/policy/load.ts';
import {
  ask,
  LAB_PROTOCOL,
  load,
  policySource,
  problemMessagesOf,
  problemsOf,
  protocolSource,
  shippedMatrix,
  shippedProtocol,
  SHIPPED_PROTOCOLS,
} from './policies.ts';

const HEAD = 'version: 1\ntrustDomain: ai.example\ncomponents:\n  peer: {}\n  service: { protocol: lab }\n';

/** Problems of a policy whose `peer` has these access lines; the first of them is line 8. */
function problemsOfAccess(...lines: readonly string[]): readonly string[] {
  return problemsOf(policySource(`${HEAD}access:\n  peer:\n${lines.map((line) => `    ${line}\n`).join('')}`));
}

describe('a file that cannot be read', () => {
  it.each([
    ['PF-123 is empty', Buffer.alloc(0), '1:1 yaml-empty'],
    ['PF-123 holds nothing but a comment', Buffer.from('# nothing\n'), '1:1 yaml-empty'],
    ['PF-123 begins with a byte order mark', Buffer.from(`\uFEFF${shippedMatrix()}`), '1:1 yaml-byte-order-mark'],
    ['PF-123 holds a NUL', Buffer.from(`${HEAD}\0`), '1:1 yaml-nul'],
    ['PF-123 is not UTF-8', Buffer.from([0x61, 0x3a, 0x20, 0xff]), '1:1 yaml-not-utf8'],
    ['PF-124 has an alias bomb', Buffer.from('a: &a [x]\nb: [*a, *a]\n'), '1:7 yaml-anchor'],
    ['PF-124 has a key twice', Buffer.from('version: 1\nversion: 1\n'), '2:1 yaml-duplicate-key'],
    ['PF-124 says no for false', Buffer.from('version: no\n'), '1:10 yaml-ambiguous-scalar'],
    ['PF-124 writes octal', Buffer.from('version: 01\n'), '1:10 yaml-ambiguous-scalar'],
  ])('%s', (_, bytes, expected) => {
    expect(problemsOf({ file: 'policy.yaml', kind: 'policy', bytes })).toContain(expected);
  });

  it('does not hide what else is wrong with it', () => {
    const text =
      'version: 1\ntrustDomain: ai.example\ncomponents: { a: {} }\naccess: { a: { allow: [zzz], deny: [no] } }\n';
    expect(problemsOf({ file: 'policy.yaml', kind: 'policy', bytes: Buffer.from(text) })).toEqual([
      '4:24 unknown-component',
      '4:37 yaml-ambiguous-scalar',
    ]);
  });

  // Whole lines that are missing cannot be noticed here: writers rename complete files into place, and readers wait for quiet.
  it('PF-123 is refused wherever it was cut off, unless what is left names no target that the whole does not', () => {
    const matrix = shippedMatrix();
    const whole = load(matrix);
    let refused = 0;
    for (let length = 0; length < matrix.length; length += 23) {
      const source = policySource(matrix.slice(0, length));
      if (problemsOf(source).length > 0) {
        refused += 1;
        continue;
      }
      for (const [name, { rules }] of load(matrix.slice(0, length)).declarations) {
        const known = whole.declarations.get(name)?.rules.map(({ effect, target }) => `${effect} ${target.text}`);
        for (const { effect, target } of rules) expect(known).toContain(`${effect} ${target.text}`);
      }
    }
    expect(refused).toBeGreaterThan(20);
  });

  it('hides no other problem, and invents none in files that refer to it', () => {
    const broken = policySource('components: [', 'a.yaml');
    const other = policySource(
      'version: 1\ntrustDomain: ai.example\ntypo: 1\naccess: { peer: { allow: [service] } }\n',
      'b.yaml',
    );
    const codes = problemMessagesOf(broken, other).map((message) => message.replace(/^([^:]*):.*\[(.*)\]$/s, '$1 $2'));
    expect(codes.filter((code) => code.startsWith('b.yaml'))).toEqual(['b.yaml unknown-key']);
    expect(codes.some((code) => code.startsWith('a.yaml yaml-'))).toBe(true);
  });
});

describe('the document', () => {
  it.each([
    ['PF-124 an unknown key', 'versoin: 1\n', ['1:1 unknown-key', '1:1 missing-key', '1:1 missing-key']],
    ['no version', HEAD.replace('version: 1\n', ''), ['1:1 missing-key']],
    ['another version', HEAD.replace('version: 1', 'version: 2'), ['1:10 unsupported-version']],
    ['a version that is text', HEAD.replace('version: 1', 'version: "1"'), ['1:10 unsupported-version']],
    ['no trust domain', HEAD.replace('trustDomain: ai.example\n', ''), ['1:1 missing-key']],
    ['a trust domain as URI', HEAD.replace('ai.example', 'spiffe://ai.example'), ['2:14 bad-trust-domain']],
    ['a trust domain in capitals', HEAD.replace('ai.example', 'AI.example'), ['2:14 bad-trust-domain']],
    ['a trust domain that is a number', HEAD.replace('ai.example', '7'), ['2:14 wrong-type']],
    ['components as a list', 'version: 1\ntrustDomain: a\ncomponents: [peer]\n', ['3:13 wrong-type']],
    ['a component without braces', 'version: 1\ntrustDomain: a\ncomponents:\n  peer:\n', ['4:8 wrong-type']],
    ['a component named ..', 'version: 1\ntrustDomain: a\ncomponents:\n  "..": {}\n', ['4:3 bad-component-name']],
    ['a component with a slash', 'version: 1\ntrustDomain: a\ncomponents:\n  a/b: {}\n', ['4:3 bad-component-name']],
    [
      'an unknown key of a component',
      'version: 1\ntrustDomain: a\ncomponents:\n  a: { proto: lab }\n',
      ['4:8 unknown-key'],
    ],
    [
      'an unknown protocol',
      'version: 1\ntrustDomain: a\ncomponents:\n  a: { protocol: mlfow }\n',
      ['4:18 unknown-protocol'],
    ],
    ['PF-125 access of nobody', `${HEAD}access: { pear: { allow: [service] } }\n`, ['6:11 unknown-component']],
    ['PF-125 access to nothing', `${HEAD}access: { peer: { allow: [servcie] } }\n`, ['6:27 unknown-component']],
    ['PF-124 an unknown effect', `${HEAD}access: { peer: { denyed: [service] } }\n`, ['6:19 unknown-key']],
    ['PF-124 an effect without list', `${HEAD}access: { peer: { allow: service } }\n`, ['6:26 wrong-type']],
    ['PF-124 an effect without anything', `${HEAD}access: { peer: { deny: } }\n`, ['6:25 wrong-type']],
    ['a component listed twice in one file', `${HEAD}  peer: {}\n`, ['6:3 yaml-duplicate-key']],
    ['a file that is a list', '[]\n', ['1:1 wrong-type', '1:1 missing-key']],
  ])('refuses %s', (_, text, expected) => {
    expect(problemsOf(policySource(text))).toEqual(expected);
  });

  it('says what was probably meant', () => {
    const messages = problemMessagesOf(
      policySource(`${HEAD}access: { peer: { denyed: [service], allow: [servcie] } }\n`),
    );
    expect(messages).toEqual([
      'policy.yaml:6:19: unknown key `denyed`; did you mean `deny`? [unknown-key]',
      'policy.yaml:6:46: component `servcie` is not defined; did you mean `service`? [unknown-component]',
    ]);
  });

  it('reports everything at once', () => {
    const text = `version: 3
trustDomain: Bad
components: { a: { ids: [x] }, b: { protocol: nope } }
access: { a: { allow: [{ c: [raed] }, { target: b, paths: [x], methods: [get] }], dney: [] } }
`;
    expect(problemsOf(policySource(text))).toEqual([
      '1:10 unsupported-version',
      '2:14 bad-trust-domain',
      '3:26 bad-id-pattern',
      '3:47 unknown-protocol',
      '4:26 unknown-component',
      '4:30 unknown-verb',
      '4:60 bad-path-pattern',
      '4:74 bad-method',
      '4:83 unknown-key',
    ]);
  });
});

describe('rules', () => {
  it.each([
    ['a number', 'allow: [7]', '8:13 wrong-type'],
    ['nothing', 'allow: [null]', '8:13 wrong-type'],
    ['a list', 'allow: [[service]]', '8:13 wrong-type'],
    ['verbs that are no list', 'allow: [{ service: read }]', '8:24 bad-rule'],
    ['conditions below the target', 'allow: [{ service: { paths: [/x] } }]', '8:24 bad-rule'],
    ['two targets', 'allow: [{ service: [read], peer: [read] }]', '8:13 bad-rule'],
    ['no target', 'allow: [{ verbs: [read], methods: [GET] }]', '8:13 missing-key'],
    ['an empty mapping', 'allow: [{}]', '8:13 bad-rule'],
    ['an unknown verb', 'allow: [{ service: [delete] }]', '8:25 unknown-verb'],
    ['no verb', 'allow: [{ service: [] }]', '8:24 empty-list'],
    ['a verb twice', 'allow: [{ service: [read, read] }]', '8:31 duplicate-value'],
    ['an unknown key', 'allow: [{ target: service, path: [/x] }]', '8:32 unknown-key'],
    ['no method', 'allow: [{ target: service, methods: [] }]', '8:41 empty-list'],
    ['a method in small letters', 'allow: [{ target: service, methods: [get] }]', '8:42 bad-method'],
    ['the method *', 'allow: [{ target: service, methods: ["*"] }]', '8:42 bad-method'],
    ['no upgrade', 'allow: [{ target: service, upgrades: [] }]', '8:42 empty-list'],
    ['an upgrade in capitals', 'allow: [{ target: service, upgrades: [WebSocket] }]', '8:43 bad-upgrade'],
    ['the upgrade *', 'allow: [{ target: service, upgrades: [a b] }]', '8:43 bad-upgrade'],
    ['an upgrade with two versions', 'allow: [{ target: service, upgrades: [a/1/2] }]', '8:43 bad-upgrade'],
    ['H1-74 an upgrade to h2c', 'allow: [{ target: service, upgrades: [h2c] }]', '8:43 bad-upgrade'],
    ['an upgrade twice', 'allow: [{ target: service, upgrades: [x, x] }]', '8:46 duplicate-value'],
    ['an upgrade that is a number', 'allow: [{ target: service, upgrades: [1] }]', '8:43 wrong-type'],
    ['a method that is none', 'allow: [{ target: service, methods: ["GET /"] }]', '8:42 bad-method'],
    ['a method twice', 'allow: [{ target: service, methods: [GET, GET] }]', '8:47 duplicate-value'],
    ['no path', 'allow: [{ target: service, paths: [] }]', '8:39 empty-list'],
    ['a path twice', 'allow: [{ target: service, paths: [/x, /x] }]', '8:44 duplicate-value'],
    ['shadow: "true"', 'allow: [{ target: service, shadow: "true" }]', '8:40 wrong-type'],
    ['PF-124 shadow: yes', 'allow: [{ target: service, shadow: yes }]', '8:40 yaml-ambiguous-scalar'],
    ['a reason that is no text', 'allow: [{ target: service, reason: 7 }]', '8:40 wrong-type'],
    ['the same rule twice', 'allow: [service, { service: [infer, write, read] }]', '8:24 duplicate-rule'],
  ])('refuse %s', (_, line, expected) => {
    expect(problemsOfAccess(line)).toEqual([expected]);
  });

  it('may repeat a target with other verbs, conditions or effect', () => {
    expect(
      problemsOfAccess(
        'allow: [service, { service: [admin] }, { target: service, paths: [/a] }, { target: service, paths: [/b] }]',
        'deny: [service]',
      ),
    ).toEqual([]);
  });

  it('may name a component that is called like a key of a rule', () => {
    const policy = load(`version: 1
trustDomain: ai.example
components: { peer: {}, target: {}, verbs: {} }
access: { peer: { allow: [{ target: [read] }, { verbs: [read] }] } }
`);
    expect(ask(policy, 'peer/x', 'target', 'GET /').effect).toBe('allow');
    expect(ask(policy, 'peer/x', 'verbs', 'GET /').effect).toBe('allow');
    expect(ask(policy, 'peer/x', 'verbs', 'POST /').effect).toBe('deny');
  });

  it.each([
    // PF-127, PF-128: whoever writes a regular expression is told that it is none, instead of getting a rule that never matches.
    ['PF-127 a nested quantifier', '^/(a+)+$'],
    ['PF-128 an alternation with anchors', '^(/a)|(/b)$'],
    ['PF-127 a class', '/v1/[a-z]+'],
    ['PF-128 an alternation', '/v1/a|/v1/b'],
    ['PF-127 a wildcard within a segment', '/v1/.*'],
    ['braces', '/{a,b}'],
    ['no slash at the beginning', 'v1/models'],
    ['a URL', 'https://registry/v1'],
    ['a query', '/v1?x=y'],
    ['a fragment', '/v1#x'],
    ['a path parameter', '/v1;x'],
    ['a backslash', '/v1\\\\x'],
    ['an empty segment', '/v1//x'],
    ['a dot segment', '/v1/../x'],
    ['`**` before the end', '/**/x'],
    ['two `**`', '/**/**'],
    ['an encoded slash', '/a%2Fb'],
    ['an encoded control', '/a%0a'],
    ['half an escape', '/a%2'],
    ['bytes that are not UTF-8', '/a%ff'],
    ['a control', '/a\\u0007'],
  ])('refuse the path pattern with %s: %s', (_, pattern) => {
    expect(problemsOfAccess(`allow: [{ target: service, paths: ["${pattern}"] }]`)).toEqual(['8:40 bad-path-pattern']);
  });
});

describe('IDs', () => {
  const problemsOfIds = (...ids: readonly string[]): readonly string[] =>
    problemsOf(policySource(`version: 1\ntrustDomain: ai.example\ncomponents:\n  a: { ids: [${ids.join(', ')}] }\n`));

  it.each([
    'x/y',
    '"*"',
    '"**"',
    'spiffe://ai.example',
    'spiffe://ai.example/',
    '/',
    '/a/',
    '/a//b',
    '/a/../b',
    '/a/%61',
    '"/a/b*"',
    '"/a/*b"',
    '"/a/**/b"',
    '"spiffe://*/a"',
    '"spiffe://AI.example/a"',
    '"spiffe://ai.example:443/a"',
    '"Spiffe://ai.example/a"',
    '"/a/(b|c)"',
    '"/ü"',
    `/${'a'.repeat(2048)}`,
  ])('refuses %s', (pattern) => {
    expect(problemsOfIds(pattern)).toEqual(['4:14 bad-id-pattern']);
  });

  it('are text', () => {
    expect(problemsOfIds('7')).toEqual(['4:14 wrong-type']);
  });

  const OVERLAPS = [
    ['/x/y', '/x/y', true],
    ['/x/y', '/x/z', false],
    ['/x/*', '/x/y', true],
    ['/x/*', '/*/y', true],
    ['/x/*', '/y/*', false],
    ['/x/*', '/x/y/z', false],
    ['/x/**', '/x/y/z', true],
    ['/x/**', '/x/*/z', true],
    ['/x/**', '/x', false],
    ['/x/**', '/**', true],
    ['/*/**', '/x/y', true],
    ['/*/**', '/x', false],
    ['/*/y/**', '/x/*/z', true],
    ['/**', 'spiffe://b.example/**', false],
    ['/a/**', 'spiffe://ai.example/a/b', true],
    ['/x-evil/**', '/x/**', false],
  ] as const;
  it.each(OVERLAPS.flatMap(([one, two, shared]) => [[one, two, shared] as const, [two, one, shared] as const]))(
    'that two components could claim are refused: %s and %s share some: %s',
    (one, two, shared) => {
      const text = `version: 1\ntrustDomain: ai.example\ncomponents:\n  one: { ids: ["${one}"] }\n  two: { ids: ["${two}"] }\n`;
      expect(problemsOf(policySource(text))).toEqual(shared ? ['5:16 overlapping-ids'] : []);
    },
  );

  it('that two components could claim are shown with both places', () => {
    const text = `version: 1\ntrustDomain: ai.example\ncomponents:\n  training: {}\n  spy: { ids: [/training/job-7] }\n`;
    expect(problemMessagesOf(policySource(text))).toEqual([
      'policy.yaml:5:16: component `spy` claims `/training/job-7`, which shares SPIFFE IDs with `spiffe://ai.example/training/**` of `training` at policy.yaml:4:3 [overlapping-ids]',
    ]);
  });

  it('of one component may overlap', () => {
    expect(problemsOfIds('/x/**', '/x/y', '"/x/*"')).toEqual([]);
  });
});

describe('several files', () => {
  const first = policySource(`${HEAD}access:\n  peer: { allow: [service] }\n`, 'a.yaml');

  it('make one policy', () => {
    const second = policySource(
      'version: 1\ncomponents: { other: {} }\naccess: { other: { allow: [service] } }\n',
      'b.yaml',
    );
    const policy = loadPolicy([second, first, LAB_PROTOCOL, ...SHIPPED_PROTOCOLS], 'enforce');
    expect(policy.components).toEqual(['peer', 'service', 'other']);
    expect(ask(policy, 'other/x', 'service', 'GET /read/x').rule).toEqual({ file: 'b.yaml', line: 3 });
    expect(ask(policy, 'peer/x', 'service', 'GET /read/x').rule).toEqual({ file: 'a.yaml', line: 7 });
  });

  it('may not define a component or its access twice, nor disagree on the trust domain', () => {
    const second = policySource(
      'version: 1\ntrustDomain: b.example\ncomponents:\n  peer: {}\naccess:\n  peer: { deny: [service] }\n',
      'b.yaml',
    );
    expect(problemMessagesOf(first, second)).toEqual([
      'b.yaml:2:14: trust domain `b.example` differs from `ai.example` at a.yaml:2:14; one policy has one [trust-domain-conflict]',
      'b.yaml:4:3: component `peer` is already defined at a.yaml:4:3; keep one [duplicate-component]',
      'b.yaml:6:3: the access of `peer` is already defined at a.yaml:7:3; keep one [duplicate-access]',
    ]);
  });

  it('have one digest in whatever order they are listed, and under whatever directory', () => {
    const second = policySource('version: 1\ncomponents: { other: {} }\n', 'b.yaml');
    const digests = [
      [first, second],
      [second, first],
      [
        { ...first, file: '/etc/sallyport/a.yaml' },
        { ...second, file: '/etc/sallyport/b.yaml' },
      ],
    ].map((sources) => loadPolicy([...sources, LAB_PROTOCOL, ...SHIPPED_PROTOCOLS], 'enforce').digest);
    expect(new Set(digests).size).toBe(1);
    const renamed = loadPolicy([first, { ...second, file: 'c.yaml' }, LAB_PROTOCOL, ...SHIPPED_PROTOCOLS], 'enforce');
    expect(renamed.digest).not.toBe(digests[0]);
  });

  it('are at least one policy file', () => {
    expect(problemsOf()).toEqual(['1:1 no-policy']);
  });
});

describe('protocol files', () => {
  const withProtocol = (text: string): readonly string[] =>
    problemsOf(protocolSource(text, 'protocols/mine.yaml'), policySource(HEAD));
  const ROUTE = 'routes: [{ path: /x, methods: [GET], verb: read }]\n';

  it.each([
    ['another name than its file', `protocol: yours\n${ROUTE}`, '1:11 bad-protocol-name'],
    ['no name', ROUTE, '1:1 missing-key'],
    ['no routes', 'protocol: mine\n', '1:1 missing-key'],
    ['an empty list of routes', 'protocol: mine\nroutes: []\n', '2:9 empty-list'],
    ['a route without path', 'protocol: mine\nroutes: [{ methods: [GET], verb: read }]\n', '2:10 missing-key'],
    ['a route without methods', 'protocol: mine\nroutes: [{ path: /x, verb: read }]\n', '2:10 missing-key'],
    ['a route without verb', 'protocol: mine\nroutes: [{ path: /x, methods: [GET] }]\n', '2:10 missing-key'],
    ['an unknown verb', 'protocol: mine\nroutes: [{ path: /x, methods: [GET], verb: reed }]\n', '2:44 unknown-verb'],
    ['an unknown key', `protocol: mine\nroute: []\n${ROUTE}`, '2:1 unknown-key'],
    [
      'two stars in a segment',
      'protocol: mine\nroutes: [{ path: "/*x*", methods: [GET], verb: read }]\n',
      '2:18 bad-path-pattern',
    ],
    [
      'two `**`',
      'protocol: mine\nroutes: [{ path: "/**/x/**", methods: [GET], verb: read }]\n',
      '2:18 bad-path-pattern',
    ],
    [
      'nested alternatives',
      'protocol: mine\nroutes: [{ path: "/{a,{b,c}}", methods: [GET], verb: read }]\n',
      '2:18 bad-path-pattern',
    ],
    [
      'an explosion of alternatives',
      `protocol: mine\nroutes: [{ path: "${'/{a,b,c,d}'.repeat(6)}", methods: [GET], verb: read }]\n`,
      '2:18 bad-path-pattern',
    ],
    [
      'a parameter with two spellings',
      'protocol: mine\nroutes: [{ path: /x, methods: [GET], verb: read, query: { "a b": x } }]\n',
      '2:59 bad-parameter',
    ],
    [
      'a template that is no path',
      'protocol: mine\nroutes: [{ path: /x, methods: [GET], verb: read, also: [{ verb: read, path: "x/{y}" }] }]\n',
      '2:77 bad-path-pattern',
    ],
    [
      'a template with a wildcard',
      'protocol: mine\nroutes: [{ path: /x, methods: [GET], verb: read, also: [{ verb: read, path: "/*/{y}" }] }]\n',
      '2:77 bad-path-pattern',
    ],
  ])('are refused with %s', (_, text, expected) => {
    expect(withProtocol(text)).toEqual([expected]);
  });

  it('of one name may not be two', () => {
    const one = protocolSource(`protocol: mine\n${ROUTE}`, 'a/mine.yaml');
    expect(problemsOf(one, { ...one, file: 'b/mine.yaml' }, policySource(HEAD))).toEqual(['1:11 duplicate-protocol']);
  });

  it('take the place of the shipped one of the same name', () => {
    const own = protocolSource(
      'protocol: generic\nroutes: [{ path: /only, methods: [GET], verb: read }]\n',
      'protocols/generic.yaml',
    );
    const matrix = policySource(shippedMatrix());
    const policy = loadPolicy([own, ...SHIPPED_PROTOCOLS, matrix], 'enforce');
    expect(ask(policy, 'training/x', 'data-store', 'GET /only').effect).toBe('allow');
    expect(ask(policy, 'training/x', 'data-store', 'GET /other').reason).toBe('unknown-route');
    expect(policy.digest).not.toBe(loadPolicy([...SHIPPED_PROTOCOLS, matrix], 'enforce').digest);
  });

  it('that ship take part only when a component names them', () => {
    const matrix = policySource(shippedMatrix());
    const broken = { ...shippedProtocol('oci'), bytes: Buffer.from('protocol: [') };
    const others = [shippedProtocol('generic'), shippedProtocol('mlflow')];
    expect(loadPolicy([...others, broken, matrix], 'enforce').digest).toBe(
      loadPolicy([...others, matrix], 'enforce').digest,
    );
  });

  it('must include the one that components without protocol use', () => {
    expect(() => loadPolicy([policySource('version: 1\ntrustDomain: a\ncomponents: { x: {} }\n')], 'enforce')).toThrow(
      'protocol `generic` is not defined',
    );
  });
});

describe('the shipped matrix', () => {
  it('is what a person would write: eight components and eighteen rules', () => {
    const policy = load(shippedMatrix());
    expect(policy.components).toHaveLength(8);
    expect(policy.ruleCount).toBe(18);
    expect(policy.readsQuery('registry')).toBe(false);
    expect(policy.readsQuery('nothing')).toBe(false);
    expect(load(HEAD).readsQuery('service')).toBe(true);
  });
});
