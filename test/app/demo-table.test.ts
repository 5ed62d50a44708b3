import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Observation } from '../../src/app/demo/decision-tap.ts';
import { demoFilesIn } from '../../src/app/demo/demo-files.ts';
import { formatInvitation } from '../../src/app/demo/invitation.ts';
import { formatObservation } from '../../src/app/demo/live.ts';
import type { Outcome } from '../../src/app/demo/run-scenarios.ts';
import { SCENARIOS } from '../../src/app/demo/scenarios.ts';
import { formatTable, paintFor } from '../../src/app/demo/table.ts';
import { decision, record as requestRecord } from '../telemetry/request-record.ts';

const PLAIN = paintFor(false);

function observation(more: Partial<Observation> = {}): Observation {
  return {
    effect: 'allow',
    reason: 'allowed-by-rule',
    status: 200,
    overheadSeconds: 0.000_123_4,
    ...more,
  };
}

const asExpected = SCENARIOS.map(({ title, scenarios }) => ({
  title,
  outcomes: scenarios.map(
    (scenario): Outcome => ({ scenario, actual: observation({ ...scenario.expected }), complaint: null }),
  ),
}));

describe('the table', () => {
  it('fits 100 columns, and its columns begin below one another', () => {
    const lines = formatTable(asExpected, PLAIN).split('\n');
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(100);
    const expectedAt = lines[0]?.indexOf('expected') ?? -1;
    const rows = lines.filter((line) => line.includes('✓'));
    expect(rows).toHaveLength(asExpected.flatMap(({ outcomes }) => outcomes).length);
    for (const row of rows) expect(row.slice(expectedAt - 2), row).toMatch(/^ {2}(?:allow|deny|refuse) \d{3} /);
    for (const row of rows) expect(row).toMatch(/ {2}123$/);
  });

  it('says of each row who asks whom for what, what was expected and what came of it', () => {
    const table = formatTable(asExpected, PLAIN);
    expect(table).toMatch(/^ {2}✓ inference → registry +PUT …\/model\.onnx +deny 403 +deny 403 +not-granted +123$/m);
    expect(table).toMatch(/^ {2}✓ no certificate → registry .* refuse 401 +refuse 401 +no-certificate +123$/m);
  });

  it('marks what is not as expected, and says below it what is not', () => {
    const [group] = asExpected;
    const [outcome] = group?.outcomes ?? [];
    if (group === undefined || outcome === undefined) throw new Error('there are no scenarios');
    const failed: Outcome = {
      ...outcome,
      actual: { effect: 'fail', reason: 'no-answer' },
      complaint: 'there was no answer: ECONNRESET',
    };
    const table = formatTable([{ ...group, outcomes: [failed] }], PLAIN);
    expect(table).toMatch(/✗ training → registry .* allow 200 +failed +no-answer +–\n {4}└ there was no answer/);
    expect(table).not.toContain('✓');
  });

  it('has no escape sequence without colour, and the same text with it', () => {
    const plain = formatTable(asExpected, PLAIN);
    const coloured = formatTable(asExpected, paintFor(true));
    expect(plain).not.toContain('\u001b');
    expect(coloured).toContain('\u001b[32m✓\u001b[39m');
    expect(stripVTControlCharacters(coloured)).toBe(plain);
  });
});

describe('what is shown of a decision while the demo is up', () => {
  it('names the rule that decided', () => {
    const record = requestRecord({ decision: decision(), target: 'registry', path: '/a' });
    expect(formatObservation(observation(), record, PLAIN)).toBe(
      'allow 200   spiffe://ai.example/training/job-1 → registry  allowed-by-rule  123 µs\n' +
        '            GET `/a`  policies/matrix.yaml:12\n',
    );
  });

  it('lets nothing a peer sent move the cursor', () => {
    const record = requestRecord({ path: '/\u001b[2J\n', refusal: 'ambiguous-request', target: 'registry' });
    const refused = observation({ effect: 'refuse', status: 400, reason: 'ambiguous-request' });
    expect(formatObservation(refused, record, PLAIN)).toBe(
      'refuse 400  spiffe://ai.example/training/job-1 → registry  ambiguous-request  123 µs\n' +
        '            GET `/\\u{1b}[2J\\u{a}`\n',
    );
  });

  it('says nothing of a request that was never read', () => {
    const record = requestRecord({ principal: null, target: null, refusal: 'no-identity', method: '', path: '' });
    const refused = observation({ effect: 'refuse', status: 401, reason: 'expired', overheadSeconds: Number.NaN });
    expect(formatObservation(refused, record, PLAIN)).toBe('refuse 401  nobody → nowhere  expired\n');
  });
});

describe('the invitation', () => {
  it('has three commands of one line each, and says where metrics are', () => {
    const origins = {
      registry: 'https://127.0.0.1:8443',
      inference: 'https://127.0.0.1:8444',
      'feature-store': 'https://127.0.0.1:8445',
    };
    const text = formatInvitation(demoFilesIn('certs-dev'), { origins, admin: 'http://127.0.0.1:9901' }, PLAIN);
    expect(text.split('\n').filter((line) => line.startsWith('curl '))).toEqual([
      'curl --cacert certs-dev/bundle.pem --cert certs-dev/demo/training.pem --key certs-dev/demo/training.key https://127.0.0.1:8443/api/2.0/mlflow/registered-models/search',
      'curl --cacert certs-dev/bundle.pem --cert certs-dev/demo/inference.pem --key certs-dev/demo/inference.key -X PUT -d poisoned https://127.0.0.1:8443/api/2.0/mlflow-artifacts/artifacts/models/fraud/1/model.onnx',
      'curl --cacert certs-dev/bundle.pem https://127.0.0.1:8443/api/2.0/mlflow/registered-models/search',
    ]);
    expect(text).toContain('http://127.0.0.1:9901/metrics');
  });
});
