import { describe, expect, it } from 'vitest';
import { EXAMPLE, EXAMPLE_FILE, parseText, problemsOf } from './config-example.ts';

/** The example with this in place of its identity, which begins on line 2. */
function withIdentity(text: string): string {
  const changed = EXAMPLE.replace(/identity:[^]*?(?=policy:)/, () => text);
  if (changed === EXAMPLE) throw new Error('the example has no identity');
  return changed;
}

const place = (line: number, column: number): object => ({ file: EXAMPLE_FILE, line, column });

describe('an identity from a Workload API', () => {
  const DEFAULTS = { kind: 'workload-api', socket: null, spiffeId: null, hint: null, startTimeoutMs: 30_000 };

  it.each<[string, string, object]>([
    ['that the file does not mention', '', place(1, 1)],
    ['that is mentioned and no more', 'identity: { workloadApi: {} }\n', place(2, 13)],
    ['of a section that says nothing', 'identity: {}\n', place(2, 1)],
  ])('is that of SPIFFE_ENDPOINT_SOCKET: one %s', (_, text, position) => {
    const { identity, positions } = parseText(withIdentity(text));
    expect(identity).toEqual({ ...DEFAULTS, position });
    expect(positions).toMatchObject({ identity: position, trustBundles: position, files: new Map() });
  });

  it('has its keys', () => {
    const text = withIdentity(`identity:
  workloadApi:
    socket: unix:///run/spire/sockets/agent.sock
    spiffeId: /registry/main
    startTimeout: 5s
`);
    expect(parseText(text).identity).toEqual({
      kind: 'workload-api',
      socket: { kind: 'unix', path: '/run/spire/sockets/agent.sock' },
      position: place(4, 13),
      spiffeId: 'spiffe://ai.example/registry/main',
      hint: null,
      startTimeoutMs: 5_000,
    });
    expect(parseText(withIdentity('identity: { workloadApi: { hint: internal } }\n')).identity).toMatchObject({
      hint: 'internal',
      spiffeId: null,
    });
  });

  it.each<[string, object]>([
    ['tcp://127.0.0.1:8081', { kind: 'tcp', host: '127.0.0.1', port: 8081 }],
    ['tcp://[::1]:8081', { kind: 'tcp', host: '::1', port: 8081 }],
    ['unix:/run/agent.sock', { kind: 'unix', path: '/run/agent.sock' }],
  ])('is at %s', (socket, expected) => {
    expect(parseText(withIdentity(`identity: { workloadApi: { socket: "${socket}" } }\n`)).identity).toMatchObject({
      socket: expected,
    });
  });

  it.each([
    ['unix:run/agent.sock', 'unix-path'],
    ['unix://run/agent.sock', 'unix-authority'],
    ['/run/agent.sock', 'not-a-uri'],
    ['tcp://localhost:8081', 'tcp-host'],
    ['tcp://127.0.0.1', 'tcp-port'],
    ['tcp://127.0.0.1:8081/a', 'tcp-path'],
    ['unix:///run/agent.sock?a', 'query'],
    ['https://127.0.0.1:8081', 'scheme'],
  ])('WA-153 is not at %s', (socket, code) => {
    const problems = problemsOf(withIdentity(`identity: { workloadApi: { socket: "${socket}" } }\n`));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(
      new RegExp(`^2:36 ${code}: .*; expected \`unix:///absolute/path\` or \`tcp://IP:port\`$`),
    );
  });

  it.each([
    ['/registry/main', 'spiffe://ai.example/registry/main'],
    ['spiffe://ai.example/a', 'spiffe://ai.example/a'],
  ])('is asked for %s', (text, id) => {
    expect(parseText(withIdentity(`identity: { workloadApi: { spiffeId: "${text}" } }\n`)).identity).toMatchObject({
      spiffeId: id,
    });
  });

  it.each([
    [
      'spiffe://b.example/a',
      'foreign-trust-domain: `spiffe://b.example/a` is not of the own trust domain `ai.example`, as our own SVID must be',
    ],
    [
      'spiffe://ai.example',
      'missing-path: `spiffe://ai.example` has no path; the ID of a trust domain itself names no workload',
    ],
    ['/', 'trailing-slash: `spiffe://ai.example/` ends with `/`'],
    ['registry', 'wrong-scheme: `registry` does not begin with `spiffe://` in lower case'],
    ['', 'empty-id: a SPIFFE ID cannot be empty'],
  ])('cannot be asked for "%s"', (id, problem) => {
    expect(problemsOf(withIdentity(`identity: { workloadApi: { spiffeId: "${id}" } }\n`))).toEqual([`2:38 ${problem}`]);
  });

  it.each([
    ['identity: { workloadApi: 5 }', '2:26 wrong-type: expected a mapping, found the number `5`'],
    [
      'identity: { workloadApi: { socket: 5 } }',
      '2:36 wrong-type: expected an address such as `unix:///run/spire/sockets/agent.sock`, found the number `5`',
    ],
    ['identity: { workloadApi: { hint: "" } }', '2:34 invalid-hint: a hint cannot be empty'],
    [
      'identity: { workloadApi: { path: a } }',
      '2:28 unknown-key: unknown key `path`; expected one of `socket`, `spiffeId`, `hint`, `startTimeout`',
    ],
    ['identity: { workload: {} }', '2:13 unknown-key: unknown key `workload`; expected one of `files`, `workloadApi`'],
    ['identity: ', '2:11 wrong-type: expected a mapping, found nothing'],
    [
      'identity: { workloadApi: { hint: a, spiffeId: /a } }',
      '2:34 conflict: `spiffeId` and `hint` both choose one of several SVIDs; leave one of them out',
    ],
  ])('is not %s', (text, problem) => {
    expect(problemsOf(withIdentity(`${text}\n`))).toEqual([problem]);
  });

  it('is not beside one from files, whatever else is wrong with either', () => {
    const problem =
      'conflict: our SVID comes either from `files` or from `workloadApi`, not from both; take one of them out';
    expect(problemsOf(EXAMPLE.replace('  files:', '  workloadApi: {}\n  files:'))).toEqual([`3:3 ${problem}`]);
    expect(problemsOf(EXAMPLE.replace('  files:', '  workloadApi: 5\n  files:'))).toEqual([
      '3:16 wrong-type: expected a mapping, found the number `5`',
      `3:16 ${problem}`,
    ]);
  });

  it('tells of an ID also when the own trust domain is wrong, as far as it can', () => {
    const text = withIdentity('identity: { workloadApi: { spiffeId: /a, hint: a } }\n');
    expect(problemsOf(text.replace('trustDomain: ai.example', 'trustDomain: AI'))).toEqual([
      expect.stringMatching(/^1:14 trust-domain-character: /),
      expect.stringMatching(/^2:48 conflict: /),
    ]);
  });
});
