import { describe, expect, it } from 'vitest';
import { EXAMPLE, EXAMPLE_FILE, parseText, problemsOf } from './config-example.ts';

const place = (line: number, column: number): object => ({ file: EXAMPLE_FILE, line, column });

function withRedis(keys: string): string {
  return `${EXAMPLE}revocation: { redis: { ${keys} } }\n`;
}

describe('the revocation list', () => {
  it('comes from a file, from Redis, or both', () => {
    const file = parseText(`${EXAMPLE}revocation: { file: revocations.yaml }\n`);
    expect(file.revocation).toEqual({ file: '/etc/sallyport/revocations.yaml', redis: null });
    expect(file.positions.files.get('/etc/sallyport/revocations.yaml')).toEqual(place(14, 21));
    const { revocation, positions } = parseText(`${EXAMPLE}revocation:
  file: /etc/revocations.yaml
  redis:
    url: rediss://redis.ai.example:6380/2
    username: sallyport
    passwordFile: redis.password
    ca: redis-ca.pem
    key: prod:revocations
    startTimeout: 1s
    maxAge: 5m
`);
    expect(revocation).toEqual({
      file: '/etc/revocations.yaml',
      redis: {
        server: {
          url: 'rediss://redis.ai.example:6380/2',
          host: 'redis.ai.example',
          port: 6_380,
          database: 2,
          isEncrypted: true,
        },
        ca: '/etc/sallyport/redis-ca.pem',
        username: 'sallyport',
        passwordFile: '/etc/sallyport/redis.password',
        key: 'prod:revocations',
        startTimeoutMs: 1_000,
        maxAgeMs: 300_000,
        position: place(17, 10),
      },
    });
    expect(positions.files.get('/etc/sallyport/redis.password')).toEqual(place(19, 19));
    expect(positions.files.get('/etc/sallyport/redis-ca.pem')).toEqual(place(20, 9));
  });

  it('has defaults for Redis', () => {
    expect(parseText(withRedis('url: "redis://127.0.0.1"')).revocation.redis).toEqual({
      server: { url: 'redis://127.0.0.1', host: '127.0.0.1', port: 6_379, database: 0, isEncrypted: false },
      ca: null,
      username: null,
      passwordFile: null,
      key: 'sallyport:revocations',
      startTimeoutMs: 10_000,
      maxAgeMs: null,
      position: place(14, 29),
    });
  });

  it.each(['redis://localhost', 'redis://127.0.0.9:1', 'redis://[::1]', 'rediss://10.0.0.1'])(
    'crosses nothing in the clear on its way from %s',
    (url) => {
      expect(problemsOf(withRedis(`url: "${url}"`))).toEqual([]);
    },
  );

  it.each([
    ['redis://10.0.0.1', '10.0.0.1'],
    ['redis://redis:6379/0', 'redis'],
    ['redis://localhost.example', 'localhost.example'],
  ])('does not cross the network in the clear unless that is said: %s', (url, host) => {
    expect(problemsOf(withRedis(`url: "${url}"`))).toEqual([
      `14:29 plaintext-redis: \`${host}\` is not on this machine, and whoever is on the way could take entries out of the list; use \`rediss://\`, or write \`allowPlaintext: true\``,
    ]);
    expect(problemsOf(withRedis(`url: "${url}", allowPlaintext: false`))).toHaveLength(1);
    expect(problemsOf(withRedis(`url: "${url}", allowPlaintext: true`))).toEqual([]);
  });

  it.each<[string, readonly string[]]>([
    ['key: a', ['14:15 missing-key: `url` is missing; expected a URL such as `redis://127.0.0.1:6379/0`']],
    [
      'url: "redis://:hunter2@127.0.0.1"',
      [
        '14:29 password-in-url: the URL of a Redis server takes no user name, password or query; keep the password in a file of its own and name it as `passwordFile`, and the user as `username`',
      ],
    ],
    [
      'url: "redis://127.0.0.1", ca: ca.pem',
      ['14:54 conflict: `ca` is what a TLS certificate is verified with, and `redis://` has none; write `rediss://`'],
    ],
    [
      'url: "redis://127.0.0.1", username: me',
      [
        '14:60 missing-key: a user without a password is not logged in; add `passwordFile: FILE`, or leave `username` out',
      ],
    ],
    [
      'url: "redis://127.0.0.1", username: me, passwordFile: 5',
      ['14:78 wrong-type: expected the path of a file, found the number `5`'],
    ],
    [
      'url: "redis://127.0.0.1", password: hunter2',
      [
        '14:50 unknown-key: unknown key `password`; expected one of `url`, `username`, `passwordFile`, `ca`, `allowPlaintext`, `key`, `startTimeout`, `maxAge`',
      ],
    ],
    [
      'url: "redis://127.0.0.1", key: "a b"',
      ['14:55 invalid-redis-key: `a b` is not a key of Redis; use 1 to 256 characters of ASCII without blanks'],
    ],
    [
      'url: "redis://10.0.0.1", allowPlaintext: 1, ca: ca.pem, username: a',
      [
        '14:65 wrong-type: expected `true` or `false`, found the number `1`',
        '14:72 conflict: `ca` is what a TLS certificate is verified with, and `redis://` has none; write `rediss://`',
        '14:90 missing-key: a user without a password is not logged in; add `passwordFile: FILE`, or leave `username` out',
      ],
    ],
  ])('is not in Redis as told by { %s }', (keys, problems) => {
    expect(problemsOf(withRedis(keys))).toEqual(problems);
  });

  it.each([
    ['revocation: list.yaml', '14:13 wrong-type: expected a mapping, found the text `list.yaml`'],
    ['revocation:', '14:12 wrong-type: expected a mapping, found nothing'],
    ['revocation: { files: a }', '14:15 unknown-key: unknown key `files`; did you mean `file`?'],
    ['revocation: { file: [a] }', '14:15 wrong-type: expected the path of a file, found a list'],
  ])('is not told by %s', (text, problem) => {
    expect(problemsOf(`${EXAMPLE}${text}\n`)).toEqual([problem]);
  });
});
