// Asks go-spiffe's oracle: one answer for each question.

import { spawnSync } from 'node:child_process';
import { expect } from 'vitest';

export interface OracleAnswer {
  readonly ok: boolean;
  readonly trustDomain: string;
  readonly path: string;
  readonly message: string;
  /** Of a bundle document, as JSON. */
  readonly contents: string;
}

export function askOracle(program: string, questions: readonly object[]): readonly OracleAnswer[] {
  const input = questions.map((question) => `${JSON.stringify(question)}\n`).join('');
  const { stdout, stderr, status } = spawnSync(program, { input, encoding: 'utf8', maxBuffer: 1 << 26 });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line): OracleAnswer => JSON.parse(line));
}
