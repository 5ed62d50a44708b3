import { describe, expect, it } from 'vitest';
import { EXAMPLE, problemsOf } from './config-example.ts';

/** Section, key, least, one less, most, one more. */
const BOUNDS: readonly (readonly [string, string, string, string | null, string, string])[] = [
  ['decisionLog', 'queueEntries', '64', '63', '1000000', '1000001'],
  ['cache', 'maxEntries', '1', '0', '10000000', '10000001'],
  ['cache', 'maxEntriesPerPrincipal', '1', '0', '100000', '10000001'],
  ['cache', 'verifyEvery', '0', '-1', '1000000000', '1000000001'],
  ['drain', 'timeout', '0ms', null, '1h', '3601s'],
  ['upstream', 'connectTimeout', '10ms', '9ms', '5m', '301s'],
  ['upstream', 'responseHeadTimeout', '10ms', '9ms', '24h', '25h'],
  ['upstream', 'idleTimeout', '10ms', '9ms', '1h', '61m'],
  ['upstream', 'bodyIdleTimeout', '10ms', '9ms', '24h', '25h'],
  ['upstream', 'maxConnections', '1', '0', '65535', '65536'],
  ['upstream', 'maxIdleConnections', '0', '-1', '256', '65536'],
  ['upstream', 'maxPending', '0', '-1', '1000000', '1000001'],
  ['upstream', 'failuresToEject', '1', '0', '1000000', '1000001'],
  ['upstream', 'eject', '10ms', '9ms', '10m', '601s'],
  ['leases', 'grace', '0ms', null, '1h', '3601s'],
  ['limits', 'maxConnections', '1', '0', '1000000', '1000001'],
  ['limits', 'maxConnectionsPerPrincipal', '1', '0', '10000', '1000001'],
  ['limits', 'handshakeTimeout', '10ms', '9ms', '5m', '301s'],
  ['limits', 'maxHeadBytes', '1KiB', '1023B', '1MiB', '1025KiB'],
  ['limits', 'maxFieldCount', '8', '7', '10000', '10001'],
  ['limits', 'headTimeout', '10ms', '9ms', '5m', '301s'],
  ['limits', 'idleTimeout', '10ms', '9ms', '24h', '25h'],
  ['limits', 'tunnelIdleTimeout', '10ms', '9ms', '168h', '169h'],
  ['limits', 'minBodyBytesPerSecond', '0', '-1', '1000000000', '1000000001'],
  ['limits', 'bodyGrace', '10ms', '9ms', '10m', '601s'],
  ['limits', 'maxBodyBytes', '0B', null, '1024TiB', '1025TiB'],
  ['limits', 'maxPipelinedRequests', '1', '0', '1000', '1001'],
  ['limits', 'maxConcurrentStreams', '1', '0', '10000', '10001'],
  ['limits', 'maxConnectionAge', '100ms', '99ms', '168h', '169h'],
];

/** What the example ends with, least, one less, most, one more. */
const NESTED_BOUNDS: readonly (readonly [string, string, string, string, string])[] = [
  ['trust: { endpoint: { bind: "0.0.0.0:1", profile: https_spiffe, refreshHint: VALUE } }', '10s', '9s', '24h', '25h'],
  [
    'trust: { federation: { b.example: { url: "https://b", profile: https_web, maxAge: VALUE } } }',
    '1m',
    '59s',
    '8760h',
    '8761h',
  ],
  ['revocation: { redis: { url: "redis://127.0.0.1", startTimeout: VALUE } }', '100ms', '99ms', '10m', '601s'],
  ['revocation: { redis: { url: "redis://127.0.0.1", maxAge: VALUE } }', '1s', '999ms', '24h', '25h'],
];

describe('bounds', () => {
  const problemsWith = (section: string, key: string, value: string): readonly string[] =>
    problemsOf(`${EXAMPLE}${section}:\n  ${key}: ${value}\n`);

  it.each(BOUNDS)('%s.%s is from %s (not %s) to %s (not %s)', (section, key, least, less, most, more) => {
    for (const value of [least, most]) expect(problemsWith(section, key, value), value).toEqual([]);
    for (const value of [less, more]) {
      if (value === null) continue;
      expect(problemsWith(section, key, value), value).toContainEqual(
        expect.stringMatching(new RegExp(`^15:${key.length + 5} out-of-range: .*\`${value}\``)),
      );
    }
  });

  it.each(NESTED_BOUNDS)('%s is from %s (not %s) to %s (not %s)', (text, least, less, most, more) => {
    const problemsOfValue = (value: string): readonly string[] =>
      problemsOf(`${EXAMPLE}${text.replace('VALUE', value)}\n`);
    for (const value of [least, most]) expect(problemsOfValue(value), value).toEqual([]);
    for (const value of [less, more]) {
      expect(problemsOfValue(value)).toEqual([
        `14:${text.indexOf('VALUE') + 1} out-of-range: \`${value}\` is not between \`${least}\` and \`${most}\``,
      ]);
    }
  });

  it('bounds how long the start waits for a Workload API', () => {
    const problemsOfValue = (value: string): readonly string[] =>
      problemsOf(
        EXAMPLE.replace(/identity:[^]*?(?=policy:)/, `identity: { workloadApi: { startTimeout: ${value} } }\n`),
      );
    for (const value of ['100ms', '1h']) expect(problemsOfValue(value), value).toEqual([]);
    for (const value of ['99ms', '61m']) {
      expect(problemsOfValue(value)).toEqual([`2:42 out-of-range: \`${value}\` is not between \`100ms\` and \`1h\``]);
    }
  });

  it('says between which values a value may be', () => {
    expect(problemsWith('limits', 'maxHeadBytes', '2MiB')).toEqual([
      '15:17 out-of-range: `2MiB` is not between `1KiB` and `1MiB`',
    ]);
    expect(problemsWith('limits', 'maxFieldCount', '1')).toEqual([
      '15:18 out-of-range: expected a whole number from 8 to 10000, found the number `1`',
    ]);
  });
});
