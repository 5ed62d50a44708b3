// The report in HTML, taken apart by a parser that is none of ours.

import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { formatHtml } from '../../../src/audit/formats/html.ts';
import type { AuditReport } from '../../../src/audit/report.ts';
import { CLEAN, HOSTILE, MIXED } from './reports.ts';

/** Elements that do not close where they should, ids that are there twice, and references to ids that are not there. */
const READER = `
import json, sys
from html.parser import HTMLParser
VOID = {'meta', 'input', 'br', 'link', 'img', 'hr'}
class Reader(HTMLParser):
    def __init__(self):
        super().__init__(); self.open = []; self.problems = []; self.ids = []; self.links = []; self.tags = set()
    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name == 'id': self.ids.append(value)
            if name == 'href': self.links.append(value)
        if tag not in VOID: self.open.append(tag)
    def handle_startendtag(self, tag, attributes):
        pass
    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag: self.problems.append('</%s> in %s at %s' % (tag, self.open[-3:], self.getpos()))
        else: self.open.pop()
reader = Reader()
reader.feed(sys.stdin.buffer.read().decode())
reader.close()
reader.problems += ['open at the end: ' + tag for tag in reader.open]
reader.problems += ['twice: ' + one for one in set(reader.ids) if reader.ids.count(one) > 1]
reader.problems += ['leads nowhere: ' + link for link in reader.links if not link.startswith('#') or link[1:] not in reader.ids]
print(json.dumps({'problems': reader.problems, 'tags': sorted(reader.tags)}))
`;

function read(report: AuditReport): { readonly problems: readonly string[]; readonly tags: readonly string[] } {
  const input = [...formatHtml(report, { version: '1.2.3', nowMs: 0 })].join('').toWellFormed();
  const { stdout, stderr, status } = spawnSync('python3', ['-c', READER], { input, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

const hasPython = spawnSync('python3', ['--version']).status === 0;

describe.skipIf(!hasPython)('a report in HTML, read by Python (skipped where there is none)', () => {
  it.each([
    ['when nothing failed', CLEAN],
    ['with failures, exceptions and what was not read', MIXED],
    ['about objects whose author means harm', HOSTILE],
  ])('closes what it opens, and its links lead somewhere, %s', (_name, report) => {
    const { problems, tags } = read(report);
    expect(problems).toEqual([]);
    // Of names in manifests, none has become an element.
    expect(tags).not.toContain('img');
    expect(tags).toContain('h1');
  });
});
