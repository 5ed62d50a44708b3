// Reports in JUnit XML, held to the dialect that Jenkins and its like read.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { formatJunit } from '../../../src/audit/formats/junit.ts';
import type { AuditReport } from '../../../src/audit/report.ts';
import { CLEAN, HOSTILE, MIXED } from './reports.ts';

const SCHEMA = fileURLToPath(new URL('junit.xsd', import.meta.url));
const XMLLINT = 'xmllint';
const hasXmllint = spawnSync(XMLLINT, ['--version']).status === 0;

function problemsOf(text: string): string {
  const { status, stderr } = spawnSync(XMLLINT, ['--noout', '--nonet', '--schema', SCHEMA, '-'], {
    input: text,
    encoding: 'utf8',
  });
  return status === 0 ? '' : stderr;
}

function textOf(report: AuditReport): string {
  return [...formatJunit(report)].join('');
}

describe.skipIf(!hasXmllint)('a report as JUnit XML, by a schema (skipped without xmllint)', () => {
  it.each([
    ['when nothing failed', CLEAN],
    ['with failures, exceptions and what was not read', MIXED],
    ['about objects whose author means harm', HOSTILE],
  ])('is valid %s', (_name, report) => {
    expect(problemsOf(textOf(report))).toBe('');
  });

  it.each<[string, (text: string) => string]>([
    ['an element that is none', (text) => text.replaceAll('skipped message', 'ignored message')],
    ['a suite without a name', (text) => text.replace('<testsuite name="input"', '<testsuite')],
    ['a count that is none', (text) => text.replace(/tests="\d+"/, 'tests="many"')],
  ])('would not be with %s', (_name, spoil) => {
    expect(problemsOf(spoil(textOf(MIXED)))).not.toBe('');
  });
});
