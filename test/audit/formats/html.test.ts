import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { formatHtml } from '../../../src/audit/formats/html.ts';
import type { AuditReport } from '../../../src/audit/report.ts';
import { NOW } from '../terms.ts';
import { CLEAN, HOSTILE, MIXED } from './reports.ts';

function textOf(report: AuditReport): string {
  return [...formatHtml(report, { version: '1.2.3', nowMs: NOW })].join('');
}

/** Without our own style and script. */
function markupOf(report: AuditReport): string {
  return textOf(report).replaceAll(/<(style|script)>[^]*?<\/\1>/g, '');
}

describe('a report as HTML', () => {
  it('begins with the five checks and the seven tenets', () => {
    const text = markupOf(MIXED);
    expect(text.match(/<span class="word (?:pass|fail|unknown)">/g)).toHaveLength(5);
    expect(text.match(/<td class="soft">T[1-7]<\/td>/g)).toHaveLength(7);
    expect(text.indexOf('Network access is denied by default')).toBeLessThan(text.indexOf('id="findings"'));
  });

  it('tells each finding once, with what to filter by, and links that lead somewhere', () => {
    const text = markupOf(MIXED);
    const attributes = [...text.matchAll(/<details class="finding" id="([^"]+)" (.*)>/g)];
    expect(attributes.map((match) => match[2])).toEqual([
      'data-severity="critical" data-namespace="ml" data-rule="test-rule" data-state="fail"',
      'data-severity="medium" data-namespace="ml" data-rule="test-rule" data-state="excepted"',
      'data-severity="medium" data-namespace="ml" data-rule="test-rule" data-state="fail"',
      'data-severity="medium" data-namespace="ml" data-rule="test-rule" data-state="unknown"',
    ]);
    const ids = [...text.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target] of text.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target);
  });

  it('tells what was not read, why something is excepted, and which exception is of no use', () => {
    const text = markupOf(MIXED);
    expect(text).toContain('not read (malformed): no mapping');
    expect(text).toMatch(/Excepted<\/dt><dd>until 202[67]-\d\d-\d\d: known/);
    expect(text).toContain('<td>unused</td>');
    expect(text.match(/Not judged:<\/span> A test/g)).toHaveLength(1);
    expect(text).toContain('Not everything could be judged');
    expect(markupOf(CLEAN)).not.toContain('Not everything could be judged');
    expect(markupOf(CLEAN)).toContain('Nothing failed, and nothing stayed unknown.');
  });

  it('has evidence, and what to do as a patch', () => {
    const text = markupOf(HOSTILE);
    expect(text).toContain('<h4>Evidence</h4>');
    expect(text).toContain('--type=json --patch-file patch.yaml\n- op: add\n  path: /spec/x\n');
  });

  it.each([
    ['a clean report', CLEAN],
    ['a mixed one', MIXED],
    ['one of objects that mean harm', HOSTILE],
  ])('asks nothing of a network, and takes no script but its own: %s', (_name, report) => {
    const text = textOf(report);
    expect(text).not.toMatch(/\s(?:src|href)="(?!#)/);
    expect(text).not.toMatch(/url\(|@import|https?:\/\//);
    expect(text.match(/<(?:script|style|img|iframe|link|object|svg)\b/g)).toEqual(['<style', '<script']);
    const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(text)?.[1]?.replaceAll('&#39;', "'");
    for (const [kind, own] of [
      ['style-src', /<style>([^]*?)<\/style>/.exec(text)?.[1]],
      ['script-src', /<script>([^]*?)<\/script>/.exec(text)?.[1]],
    ]) {
      const hash = createHash('sha256').update(String(own)).digest('base64');
      expect(policy).toContain(`${kind} 'sha256-${hash}'`);
    }
    expect(policy).toContain("default-src 'none'");
    expect(markupOf(report)).not.toMatch(/ (?:style|on\w+)="/);
  });

  it('shows what means harm for what it is', () => {
    const text = markupOf(HOSTILE);
    expect(text).toContain('&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&amp;');
    expect(text).toContain('\\u{202e}');
    expect(text).toContain('kind: &lt;/pre&gt;&lt;script&gt;');
    expect(text).not.toMatch(/[\u202A-\u202E\u2066-\u2069]/);
    expect(text.split('').some((character) => character < ' ' && !'\n\t'.includes(character))).toBe(false);
  });

  it('has tags that are closed in order', () => {
    for (const report of [CLEAN, MIXED, HOSTILE]) {
      const open: string[] = [];
      for (const [, slash, tag = ''] of markupOf(report).matchAll(/<(\/?)([a-z]\w*)\b[^>]*>/g)) {
        if (['meta', 'br', 'input'].includes(tag)) continue;
        if (slash === '/') expect(open.pop()).toBe(tag);
        else open.push(tag);
      }
      expect(open).toEqual([]);
    }
  });
});
