import { describe, expect, it } from 'vitest';
import { printable, wrap } from '../../../src/audit/formats/printable.ts';
import { formatTable } from '../../../src/audit/formats/table.ts';
import type { AuditReport } from '../../../src/audit/report.ts';
import { CLEAN, HOSTILE, MIXED } from './reports.ts';

function textOf(report: AuditReport, width = 100, showUnknown = false): string {
  return formatTable(report, { paint: (text) => text, width, showUnknown });
}

describe('a report as a table', () => {
  it('begins with the five checks and the seven tenets', () => {
    const lines = textOf(MIXED).split('\n');
    expect(lines.slice(0, 5).map((line) => line.split(' ')[0])).toEqual([
      'unknown',
      'unknown',
      'unknown',
      'unknown',
      'fail',
    ]);
    expect(lines.filter((line) => /^\S+ +T[1-7] /.test(line))).toHaveLength(7);
  });

  it('tells what failed and is not excepted, the gravest first', () => {
    const text = textOf(MIXED);
    expect(text).toMatch(
      /critical {2}test-rule\n {10}ml\/worse\[Service\]\n {10}manifests\/my services\.yaml:\d+:15\n/,
    );
    expect(text.indexOf('ml/worse[Service]')).toBeLessThan(text.indexOf('ml/bad[Service]'));
    expect(text).not.toContain('ml/accepted[Service]');
    expect(text).not.toContain('ml/good[Service]');
  });

  it('tells what could not be judged by reason, or one by one when asked', () => {
    expect(textOf(MIXED)).toContain('not judged: 1 by 1 rule (test), such as ml/dark[Service]: looked at');
    expect(textOf(MIXED)).not.toContain('unknown   test-rule');
    expect(textOf(MIXED, 100, true)).toContain('unknown   test-rule\n          ml/dark[Service]\n');
  });

  it('tells what was not read, exceptions of no use, and the totals', () => {
    const text = textOf(MIXED);
    expect(text).toContain('not read: broken.yaml (malformed): no mapping, at broken.yaml:3:7\n');
    expect(text).toContain('exception unused: test-rule for ml/gone[Service]\n');
    expect(text).toContain(
      'given · 1 unknown · 1 excepted\nfailed: 1 critical, 1 medium\nnot everything could be judged\n',
    );
  });

  it('says of a clean one that nothing failed', () => {
    expect(textOf(CLEAN)).toContain('nothing failed\n');
    expect(textOf(CLEAN)).not.toContain('not everything');
  });

  it.each([80, 100])('keeps to %i columns', (width) => {
    for (const report of [CLEAN, MIXED, HOSTILE]) {
      for (const line of textOf(report, width, true).split('\n')) {
        if (!/:\d+:\d+$/.test(line)) expect(line.length).toBeLessThanOrEqual(width);
      }
    }
  });

  it('lets nothing in a manifest reach the terminal but visible signs', () => {
    const text = textOf(HOSTILE);
    expect(text).toMatch(/^[\n\x20-\x7e·…]*$/);
    expect(text).toContain('\\u{1b}[2J\\u{202e}</script>');
    expect(text).toContain('\\u{d800}');
  });

  it('paints words, and never changes what they say', () => {
    const painted = formatTable(MIXED, {
      paint: (text) => `<${text}>`,
      width: 100,
      showUnknown: true,
    });
    expect(painted.replaceAll(/[<>]/g, '')).toBe(textOf(MIXED, 100, true));
    expect(painted).not.toBe(textOf(MIXED, 100, true));
  });
});

describe('text for a terminal', () => {
  it.each([
    ['a\tb\nc', 'a b c'],
    ['\u001B[31m', '\\u{1b}[31m'],
    ['\u202Eevil', '\\u{202e}evil'],
    ['\u200B', '\\u{200b}'],
    ['p\u0430y', 'p\\u{430}y'],
    ['one → two · three…', 'one → two · three…'],
  ])('shows %j as %j', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it.each<[string, number, readonly string[]]>([
    ['one two three', 7, ['one two', 'three']],
    ['abcdefgh', 3, ['abc', 'def', 'gh']],
    ['a abcdef', 3, ['a', 'abc', 'def']],
    ['', 10, []],
  ])('breaks %j at %i', (text, width, lines) => {
    expect(wrap(text, width)).toEqual(lines);
  });
});
