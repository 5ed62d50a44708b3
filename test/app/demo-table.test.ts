import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Observation } from '../../src/app/demo/decision-tap.ts';
import { demoFilesIn } from '../../src/app/demo/demo-files.ts';
import { formatInvitation } from '../../src/app/demo/invitation.ts';
import { formatRequest, formatRotation } from '../../src/app/demo/live.ts';
import type { Outcome } from '../../src/app/demo/run-scenarios.ts';
import { REVOKED_SCENARIOS, SCENARIOS } from '../../src/app/demo/scenarios.ts';
import { formatTable, formatTrials, paintFor } from '../../src/app/demo/table.ts';
import { decision, record as requestRecord } from '../telemetry/request-record.ts';

const PLAIN = paintFor(false);

function observation(more: Partial<Observation> = {}): Observation {
  return {
    effect: 'allow',
    reason: 'allowed-by-rule',
    detail: '',
    status: 200,
    overheadSeconds: 0.000_123_4,
    ...more,
  };
}

const asExpected = [...SCENARIOS, REVOKED_SCENARIOS].map(({ title, scenarios }) => ({
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
    for (const row of rows) expect(row.slice(expectedAt - 2), row).toMatch(/^ {2}(?:allow|deny|refuse) \d{1,3} /);
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
    expect(formatRequest({ observation: observation(), record, note: '' }, PLAIN)).toBe(
      'allow 200   spiffe://ai.example/training/job-1 → registry  allowed-by-rule  123 µs\n' +
        '            GET `/a`  policies/matrix.yaml:12\n',
    );
  });

  it('lets nothing a peer sent move the cursor', () => {
    const record = requestRecord({ path: '/\u001b[2J\n', refusal: 'ambiguous-request', target: 'registry' });
    const refused = observation({ effect: 'refuse', status: 400, reason: 'ambiguous-request' });
    expect(formatRequest({ observation: refused, record, note: '' }, PLAIN)).toBe(
      'refuse 400  spiffe://ai.example/training/job-1 → registry  ambiguous-request  123 µs\n' +
        '            GET `/\\u{1b}[2J\\u{a}`\n',
    );
  });

  it('says of a stream that was cut why, not which rule had let it begin, and what it cost', () => {
    const record = requestRecord({ decision: decision(), target: 'feature-store', path: '/a' });
    const cut = observation({ effect: 'cut', reason: 'revoked' });
    expect(formatRequest({ observation: cut, record, note: '0.31 s after the list changed' }, PLAIN)).toBe(
      'cut 200     spiffe://ai.example/training/job-1 → feature-store  revoked\n' +
        '            GET `/a`  0.31 s after the list changed\n',
    );
  });

  it('says nothing of a request that was never read', () => {
    const record = requestRecord({ principal: null, target: null, refusal: 'no-identity', method: '', path: '' });
    const refused = observation({ effect: 'refuse', status: 401, reason: 'expired', overheadSeconds: Number.NaN });
    expect(formatRequest({ observation: refused, record, note: '' }, PLAIN)).toBe(
      'refuse 401  nobody → nowhere  expired\n',
    );
  });
});

describe('what is shown of a rotation', () => {
  const svid = { sha256: `06c573a9${'0'.repeat(56)}`, notAfterMs: 12_400 };
  const counts = { requests: 91_234, failed: 0, refused: 0, streaming: 3, broken: 0 };
  const shown = (more: Partial<typeof counts>, colour = false): string =>
    formatRotation(svid, { counts: { ...counts, ...more }, nowMs: 500 }, paintFor(colour));

  it.each<[string, Partial<typeof counts>, string]>([
    ['all is well', {}, '91,234 requests, 0 failed · 3 streams unbroken'],
    [
      'a peer is refused',
      { refused: 1_300, streaming: 2 },
      '91,234 requests, 0 failed, 1,300 refused · 2 streams unbroken',
    ],
    ['all but one are refused', { streaming: 1 }, '91,234 requests, 0 failed · 1 stream unbroken'],
    ['something fails', { failed: 2, broken: 1 }, '91,234 requests, 2 failed · 3 streams unbroken, 1 broken'],
  ])('fits a narrow terminal when %s', (_name, more, text) => {
    expect(shown(more)).toBe(`rotated     06c573a9… for 12 s · ${text}\n`);
    if (Object.keys(more).length === 0) expect(shown(more).trimEnd().length).toBeLessThanOrEqual(80);
    expect(stripVTControlCharacters(shown(more, true))).toBe(shown(more));
  });

  it('is quiet in colour too, until something fails', () => {
    expect(shown({ refused: 1 }, true)).not.toContain('\u001b[31m');
    expect(shown({ failed: 1 }, true)).toContain('\u001b[31m, 1 failed');
    expect(shown({ broken: 1 }, true)).toContain('\u001b[31m, 1 broken');
  });
});

describe('what is tried while peers are connected', () => {
  it('stands below the table in its own group, with what is not as expected', () => {
    const trials = [
      { text: 'all went well', complaint: null },
      { text: 'some did not', complaint: '3 requests failed' },
    ];
    expect(formatTrials('what open connections notice', trials, PLAIN)).toBe(
      '  what open connections notice\n  ✓ all went well\n  ✗ some did not\n    └ 3 requests failed\n',
    );
  });
});

describe('the invitation', () => {
  const origins = {
    registry: 'https://localhost:8443',
    inference: 'https://localhost:8444',
    'inference-grpc': 'https://localhost:8446',
    'feature-store': 'https://localhost:8445',
  };
  const paths = demoFilesIn('certs-dev');
  const text = formatInvitation({ program: 'node m.ts', paths, origins, admin: 'http://127.0.0.1:9901' }, PLAIN);

  it('has commands of one line each, and says where metrics are', () => {
    expect(text.split('\n').filter((line) => line.startsWith('curl '))).toEqual([
      'curl --cacert certs-dev/bundle.pem --cert certs-dev/demo/training.pem --key certs-dev/demo/training.key https://localhost:8443/api/2.0/mlflow/registered-models/search',
      'curl --cacert certs-dev/bundle.pem --cert certs-dev/demo/inference.pem --key certs-dev/demo/inference.key -X PUT -d poisoned https://localhost:8443/api/2.0/mlflow-artifacts/artifacts/models/fraud/1/model.onnx',
      'curl --cacert certs-dev/bundle.pem https://localhost:8443/api/2.0/mlflow/registered-models/search',
      'curl http://127.0.0.1:9901/identity',
    ]);
    expect(text).toContain('http://127.0.0.1:9901/metrics');
  });

  it('has a command that revokes a peer, and one that takes it back', () => {
    const target = '--file certs-dev/demo/revocations.yaml --id spiffe://ai.example/training/job-2';
    expect(text).toContain(`\nnode m.ts revoke add ${target} --reason stolen\n`);
    expect(text).toContain(`\nnode m.ts revoke remove ${target}\n`);
  });
});
