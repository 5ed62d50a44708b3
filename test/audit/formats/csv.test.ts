import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { runAudit } from '../../../src/audit/audit.ts';
import { formatCsv } from '../../../src/audit/formats/csv.ts';
import type { AuditReport } from '../../../src/audit/report.ts';
import { refToCluster } from '../../../src/audit/finding.ts';
import { passed } from '../../../src/audit/verdict.ts';
import { inventoryOf } from '../inventory.ts';
import { ruleOf, termsOf } from '../terms.ts';
import { CLEAN, HOSTILE, HOSTILE_DETAIL, HOSTILE_NAME, MIXED } from './reports.ts';

function textOf(report: AuditReport): string {
  return [...formatCsv(report)].join('');
}

/** RFC 4180 §2, and nothing more lenient. */
function rowsOf(text: string): readonly (readonly string[])[] {
  const rows: string[][] = [[]];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y;
  while (cell.lastIndex < text.length) {
    const match = cell.exec(text);
    if (match === null) throw new Error('not CSV');
    rows.at(-1)?.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    if (match[3] === '\r\n') rows.push([]);
  }
  return rows.slice(0, -1);
}

function detailCell(detail: string): string {
  const rule = ruleOf({}, () => [passed(refToCluster(), [], detail)]);
  const text = textOf(runAudit(inventoryOf([]), termsOf({ rules: [rule] })));
  const [head = [], row = []] = rowsOf(text);
  return row[head.indexOf('detail')] ?? '';
}

describe('a report as CSV', () => {
  it('shows what would move a cursor or turn the direction of writing, and moves nothing', () => {
    expect(detailCell('a\u001b[31mb\u0000c\u202ed\u009be')).toBe('a\\u{1b}[31mb\\u{0}c\\u{202e}d\\u{9b}e');
    expect(detailCell('two\nlines and a\ttab')).toBe('two\nlines and a\ttab');
  });

  it('has a row for each verdict, below names of columns', () => {
    const [head, ...rows] = rowsOf(textOf(MIXED));
    expect(head?.slice(0, 4)).toEqual(['rule', 'verdict', 'severity', 'resource']);
    expect(rows.map((row) => row.slice(0, 4).join(' '))).toEqual([
      'test-rule fail critical ml/worse[Service]',
      'test-rule fail medium ml/accepted[Service]',
      'test-rule fail medium ml/bad[Service]',
      'test-rule unknown medium ml/dark[Service]',
      'test-rule pass medium ml/good[Service]',
    ]);
    expect(new Set(rows.map(({ length }) => length))).toEqual(new Set([head?.length]));
    expect(rowsOf(textOf(CLEAN))).toHaveLength(2);
  });

  it.each([
    ['=1+1', "'=1+1"],
    ['+1', "'+1"],
    ['-1', "'-1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\t=1', "'\t=1"],
    ['\r=1', "'\r=1"],
    ['\n=1', "'\n=1"],
    ['  =1', "'  =1"],
    ['＝1', "'＝1"],
    ['1=1', '1=1'],
    ['a-b', 'a-b'],
  ])('shows %j as %j, which is no formula', (detail, shown) => {
    expect(detailCell(detail)).toBe(shown);
  });

  it.each(['a,b', 'a"b', '"', 'a\r\nb', 'a;b', ' a ', ''])('keeps %j in one cell', (detail) => {
    expect(detailCell(detail)).toBe(detail);
  });

  it('keeps what means harm in its cells', () => {
    const [head = [], row = []] = rowsOf(textOf(HOSTILE));
    expect(row).toHaveLength(head.length);
    const read = (column: string): string =>
      (row[head.indexOf(column)] ?? '').replaceAll(/\\u\{([0-9a-f]+)\}/g, (_, code: string) =>
        String.fromCodePoint(Number.parseInt(code, 16)),
      );
    expect(read('namespace')).toBe(`'${HOSTILE_NAME}`);
    expect(read('detail')).toBe(`'${HOSTILE_DETAIL}`);
    // oxlint-disable-next-line no-control-regex -- they are what must not be there
    expect(row.join('')).not.toMatch(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/u);
  });
});

const hasPython = spawnSync('python3', ['--version']).status === 0;

describe.skipIf(!hasPython)('a report as CSV, read by Python (skipped where there is none)', () => {
  it.each([
    ['a mixed one', MIXED],
    ['one about objects whose author means harm', HOSTILE],
  ])('has the same cells: %s', (_name, report) => {
    const reader =
      'import csv, io, json, sys; print(json.dumps(list(csv.reader(io.StringIO(sys.stdin.buffer.read().decode(), newline="")))))';
    const { stdout, stderr } = spawnSync('python3', ['-c', reader], {
      input: textOf(report).toWellFormed(),
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual(rowsOf(textOf(report).toWellFormed()));
  });
});
