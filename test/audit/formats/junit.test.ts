import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { formatJunit } from '../../../src/audit/formats/junit.ts';
import type { AuditReport } from '../../../src/audit/report.ts';
import { CLEAN, HOSTILE, MIXED } from './reports.ts';

interface Element {
  readonly tag: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly text: string | null;
  readonly children: readonly Element[];
}

const READER = `
import json, sys, xml.etree.ElementTree as tree
def told(e): return {'tag': e.tag, 'attributes': e.attrib, 'text': e.text, 'children': [told(c) for c in e]}
print(json.dumps(told(tree.fromstring(sys.stdin.buffer.read()))))
`;

function textOf(report: AuditReport): string {
  return [...formatJunit(report)].join('');
}

/** By a reader that is none of ours. */
function read(report: AuditReport): Element {
  const { stdout, stderr, status } = spawnSync('python3', ['-c', READER], { input: textOf(report), encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

function casesOf(root: Element): readonly Element[] {
  return root.children.flatMap(({ children }) => children);
}

const hasPython = spawnSync('python3', ['--version']).status === 0;

describe.skipIf(!hasPython)('a report as JUnit XML, read by Python (skipped where there is none)', () => {
  it('counts what it has', () => {
    const root = read(MIXED);
    expect(root.tag).toBe('testsuites');
    expect(root.attributes).toMatchObject({ tests: '6', failures: '2', errors: '1', skipped: '2' });
    const cases = casesOf(root);
    expect(cases).toHaveLength(6);
    const outcomes = cases.map(({ children }) => children[0]?.tag ?? 'passed').sort();
    expect(outcomes).toEqual(['error', 'failure', 'failure', 'passed', 'skipped', 'skipped']);
  });

  it('names each resource once in the suite of its rule, with its place', () => {
    const suite = read(MIXED).children.find(({ attributes }) => attributes['name'] === 'test-rule');
    expect(suite?.attributes).toMatchObject({ tests: '5', failures: '2', errors: '0', skipped: '2' });
    expect(suite?.children[0]?.attributes).toMatchObject({
      classname: 'test-rule',
      name: 'ml/worse[Service]',
      file: 'manifests/my services.yaml',
      line: expect.stringMatching(/^\d+$/),
    });
  });

  it('takes what could not be read for an error, and never for a pass', () => {
    const [input] = read(MIXED).children;
    expect(input?.children[0]?.attributes['name']).toBe('broken.yaml');
    expect(input?.children[0]?.children[0]).toMatchObject({ tag: 'error', attributes: { type: 'not-read' } });
  });

  it('passes when clean', () => {
    expect(read(CLEAN).attributes).toMatchObject({ tests: '1', failures: '0', errors: '0', skipped: '0' });
  });

  it('holds what means harm as text', () => {
    const [only] = casesOf(read(HOSTILE));
    expect(only?.attributes['name']).toContain('</script><img src=x onerror=alert(1)>&\uFFFD\uFFFD');
    expect(only?.attributes['name']).not.toContain('\u001B');
    expect(only?.children[0]?.text).toContain(']]>--></style>');
    expect(only?.children[0]?.attributes['message']).toContain('"quoted"\r\nsecond line');
  });
});
