import { describe, expect, it } from 'vitest';
import type { ListenerConfig } from '../../src/app/config.ts';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';
import { matchesIdPattern } from '../../src/spiffe/id-pattern.ts';
import { changed, EXAMPLE, parseText, problemsOf } from './config-example.ts';

/** The example whose listener has these lines too; they begin on line 11. */
function withKeys(text: string): string {
  return changed('    component: registry\n', `${text}    component: registry\n`);
}

function listenerOf(text: string): ListenerConfig {
  const [listener] = parseText(text).listeners;
  if (listener === undefined) throw new Error('there is no listener');
  return listener;
}

describe('authentication', () => {
  it.each<[string, boolean, boolean]>([
    ['[x509]', true, false],
    ['[x509, jwt]', true, true],
    ['[jwt, x509]', true, true],
    ['[jwt]', false, true],
  ])('is by %s', (methods, x509, jwt) => {
    const tokens = jwt ? '    jwt: { audiences: [a] }\n' : '';
    const { authenticate } = listenerOf(withKeys(`    authenticate: ${methods}\n${tokens}`));
    expect(authenticate.x509).toBe(x509);
    expect(authenticate.jwt !== null).toBe(jwt);
  });

  it('by tokens has defaults', () => {
    expect(listenerOf(withKeys('    authenticate: [jwt]\n    jwt: { audiences: [a, b] }\n')).authenticate.jwt).toEqual({
      audiences: ['a', 'b'],
      maxAudiences: 1,
      delegations: [],
    });
  });

  it('JW-144 lets the connections of some carry the tokens of others', () => {
    const { authenticate } = listenerOf(
      withKeys(`    authenticate: [x509, jwt]
    jwt:
      audiences: [spiffe://ai.example/registry]
      maxAudiences: 16
      delegations:
        - { peer: /gateway/*, subjects: [/training/**, spiffe://b.example/job] }
        - { peer: spiffe://b.example/gateway, subjects: ["spiffe://b.example/**"] }
`),
    );
    expect(authenticate.jwt).toMatchObject({ audiences: ['spiffe://ai.example/registry'], maxAudiences: 16 });
    const patterns = authenticate.jwt?.delegations.map(({ peer, subjects }) =>
      [peer, ...subjects].map(({ text }) => text),
    );
    expect(patterns).toEqual([
      ['/gateway/*', '/training/**', 'spiffe://b.example/job'],
      ['spiffe://b.example/gateway', 'spiffe://b.example/**'],
    ]);
    const [first] = authenticate.jwt?.delegations ?? [];
    const isPeer = (id: string): boolean => first !== undefined && matchesIdPattern(first.peer, parseSpiffeId(id));
    expect(isPeer('spiffe://ai.example/gateway/a')).toBe(true);
    expect(isPeer('spiffe://b.example/gateway/a')).toBe(false);
  });

  const MISSING =
    '`jwt` is missing; tokens are taken only for the audiences it lists, such as `jwt: { audiences: [spiffe://ai.example/registry] }`';
  const UNASKED =
    'the listener takes no tokens; add `jwt` to `authenticate`, such as `authenticate: [x509, jwt]`, or leave this out';

  it.each<[string, readonly string[]]>([
    ['    authenticate: [jwt]\n', [`9:5 missing-key: ${MISSING}`]],
    ['    authenticate: [x509, jwt]\n', [`9:5 missing-key: ${MISSING}`]],
    ['    jwt: { audiences: [a] }\n', [`11:5 conflict: ${UNASKED}`]],
    ['    authenticate: [x509]\n    jwt: { audiences: [a] }\n', [`12:5 conflict: ${UNASKED}`]],
    [
      '    authenticate: [x509]\n    jwt: 5\n',
      ['12:10 wrong-type: expected a mapping, found the number `5`', `12:10 conflict: ${UNASKED}`],
    ],
    ['    authenticate: []\n', ['11:5 out-of-range: the list is empty; it needs at least one entry']],
    ['    authenticate: x509\n', ['11:19 wrong-type: expected a list of `x509`, `jwt` or both, found the text `x509`']],
    [
      '    authenticate: [x506]\n',
      ['11:20 invalid-value: expected one of `x509`, `jwt`, found the text `x506`; did you mean `x509`?'],
    ],
    ['    authenticate: [x509, x509]\n', ['11:26 repeated-entry: `x509` is already in the list']],
    [
      '    authenticate: [jwt]\n    jwt: {}\n',
      ['12:5 missing-key: `audiences` is missing; expected a list of audiences'],
    ],
    [
      '    authenticate: [jwt]\n    jwt: { audiences: [] }\n',
      ['12:12 out-of-range: the list is empty; it needs at least one entry'],
    ],
    [
      '    authenticate: [jwt]\n    jwt: { audiences: a }\n',
      ['12:23 wrong-type: expected a list of audiences, found the text `a`'],
    ],
    [
      '    authenticate: [jwt]\n    jwt: { audiences: ["", " a", 5] }\n',
      [
        '12:24 invalid-audience: an audience cannot be empty',
        '12:28 invalid-audience: ` a` begins or ends with a blank, which would be compared too',
        '12:34 wrong-type: expected an audience, found the number `5`',
      ],
    ],
    [
      '    authenticate: [jwt]\n    jwt: { audiences: [a, b, a] }\n',
      ['12:30 repeated-entry: `a` is already in the list'],
    ],
    [
      `    authenticate: [jwt]\n    jwt: { audiences: [${Array.from({ length: 17 }, (_, at) => `a${at}`).join(', ')}] }\n`,
      ['12:12 out-of-range: the list has more than 16 entries'],
    ],
    [
      '    authenticate: [jwt]\n    jwt: { audiences: [a], maxAudiences: 0 }\n',
      ['12:42 out-of-range: expected a whole number from 1 to 16, found the number `0`'],
    ],
    [
      '    authenticate: [jwt]\n    jwt: { audiences: [a], maxAudiences: 17 }\n',
      ['12:42 out-of-range: expected a whole number from 1 to 16, found the number `17`'],
    ],
    [
      '    authenticate: [jwt]\n    jwt: { audience: [a] }\n',
      [
        '12:5 missing-key: `audiences` is missing; expected a list of audiences',
        '12:12 unknown-key: unknown key `audience`; did you mean `audiences`?',
      ],
    ],
  ])('is not by%s', (text, problems) => {
    expect(problemsOf(withKeys(text))).toEqual(problems);
  });

  it.each<[string, string, readonly string[]]>([
    [
      '[jwt]',
      '[{ peer: /a, subjects: [/b] }]',
      [
        '13:7 conflict: a delegation says whose connection may carry whose token, and without `x509` in `authenticate` no connection is of anybody; add it, or leave the delegations out',
      ],
    ],
    ['[x509, jwt]', '[]', ['13:7 out-of-range: the list is empty; it needs at least one entry']],
    [
      '[x509, jwt]',
      '[{ peer: /a }]',
      ['13:21 missing-key: `subjects` is missing; expected a list of patterns of SPIFFE IDs'],
    ],
    [
      '[x509, jwt]',
      '[{ peer: /a, subjects: [] }]',
      ['13:33 out-of-range: the list is empty; it needs at least one entry'],
    ],
    [
      '[x509, jwt]',
      '[{ peer: a*, subjects: [/x/**/y, "spiffe://", 5] }]',
      [
        '13:29 bad-id-pattern: ID pattern `a*` must begin with `spiffe://` or, in the own trust domain, with `/`',
        '13:44 bad-id-pattern: ID pattern `/x/**/y` has a `**` that is not its last segment',
        '13:53 bad-id-pattern: ID pattern `spiffe://` has no path; the ID of a trust domain itself names no workload',
        '13:66 wrong-type: expected a pattern of SPIFFE IDs such as `/training/**`, found the number `5`',
      ],
    ],
  ])('by %s does not have the delegations %s', (methods, delegations, problems) => {
    const text = `    authenticate: ${methods}\n    jwt:\n      delegations: ${delegations}\n      audiences: [a]\n`;
    expect(problemsOf(withKeys(text))).toEqual(problems);
  });

  it('tells of a pattern also when the own trust domain is wrong', () => {
    const text = withKeys(
      '    authenticate: [x509, jwt]\n    jwt: { audiences: [a], delegations: [{ peer: /**/a, subjects: [/b] }] }\n',
    );
    expect(problemsOf(text.replace('trustDomain: ai.example', 'trustDomain: AI'))).toEqual([
      expect.stringMatching(/^1:14 trust-domain-character: /),
      expect.stringMatching(/^12:50 bad-id-pattern: /),
    ]);
  });

  it('takes no pattern that is too long only with the own trust domain', () => {
    const own = 'a'.repeat(255);
    const text = withKeys(
      `    authenticate: [x509, jwt]\n    jwt: { audiences: [a], delegations: [{ peer: /${'b'.repeat(1_900)}, subjects: [/b] }] }\n`,
    ).replaceAll('ai.example', own);
    expect(problemsOf(text)).toEqual([expect.stringMatching(/^12:50 bad-id-pattern: .*id-too-long/)]);
  });
});

describe('leases', () => {
  const ALL = {
    svidExpired: 'svid-expired',
    tokenExpired: 'token-expired',
    trustChanged: 'trust-changed',
    revoked: 'revoked',
    policyChanged: 'policy-changed',
    maximumAge: 'maximum-age',
    ownSvidWithdrawn: 'own-svid-withdrawn',
  } as const;

  it.each(Object.entries(ALL))('end for %s as the listener says, the file, or nobody', (key, reason) => {
    const byDefault = listenerOf(EXAMPLE).leases.onLapse[reason];
    const other = byDefault === 'drain' ? 'reset' : 'drain';
    const file = parseText(`${EXAMPLE}leases: { ${key}: ${other} }\n`);
    expect(file.leases.onLapse).toEqual({ ...parseText(EXAMPLE).leases.onLapse, [reason]: other });
    expect(file.listeners[0]?.leases).toEqual(file.leases);
    const own = `${withKeys(`    leases: { ${key}: ${byDefault} }\n`)}leases: { ${key}: ${other} }\n`;
    expect(listenerOf(own).leases.onLapse[reason]).toBe(byDefault);
  });

  it('give what drains the grace of the listener, the file, or the default', () => {
    expect(listenerOf(EXAMPLE).leases.graceMs).toBe(5_000);
    const text = `${withKeys('    leases: { revoked: drain }\n')}leases: { grace: 1m }\n`;
    expect(listenerOf(text).leases).toMatchObject({ graceMs: 60_000, onLapse: { revoked: 'drain' } });
    expect(parseText(text).leases).toMatchObject({ graceMs: 60_000, onLapse: { revoked: 'reset' } });
    expect(listenerOf(text.replace('{ revoked: drain }', '{ grace: 0s }')).leases.graceMs).toBe(0);
  });

  it.each([
    ['leases: { revoked: cut }', '14:20 invalid-value: expected one of `drain`, `reset`, found the text `cut`'],
    ['leases: { grace: 61m }', '14:18 out-of-range: `61m` is not between `0ms` and `1h`'],
    ['leases: { grace: 5 }', '14:18 wrong-type: expected a duration such as `10s`, found the number `5`'],
    ['leases: { revokd: reset }', '14:11 unknown-key: unknown key `revokd`; did you mean `revoked`?'],
    ['leases: reset', '14:9 wrong-type: expected a mapping, found the text `reset`'],
  ])('do not end by %s', (text, problem) => {
    expect(problemsOf(`${EXAMPLE}${text}\n`)).toEqual([problem]);
    const inListener = problem.replace(/^14:(\d+)/, (_, column) => `11:${Number(column) + 4}`);
    expect(problemsOf(withKeys(`    ${text}\n`))).toEqual([inListener]);
  });
});
