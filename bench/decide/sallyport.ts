// Sallyport's own decision among the engines: remembered, as nearly all are, and made from the compiled matrix.

import { readFileSync } from 'node:fs';
import { type AuthzRequest, decide } from '../../src/policy/decide.ts';
import { DecisionCache } from '../../src/policy/decision-cache.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import type { CompiledPolicy } from '../../src/policy/matrix.ts';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';
import type { Engine } from './engine.ts';
import { type Matrix, principalOf, type Question, rulesOf } from './matrix.ts';

const GENERIC = {
  file: 'policies/protocols/generic.yaml',
  kind: 'shipped-protocol' as const,
  bytes: readFileSync(new URL('../../policies/protocols/generic.yaml', import.meta.url)),
};
const ALWAYS_MS = 1e15;

const REMEMBERED: Engine = {
  name: 'Sallyport, remembered',
  load: async (matrix, questions) => {
    const snapshot = { epoch: 1, value: compile(matrix) };
    const cache = new DecisionCache({
      maxEntries: 100_000,
      maxEntriesPerPrincipal: 10_000,
      verifyEvery: 0,
      onDisagreement: () => {},
    });
    const partitions = Array.from({ length: matrix.principals }, (_, index) => {
      const id = parseSpiffeId(principalOf(matrix, index).principal);
      return cache.admit({ leafSha256: index.toString(16).padStart(64, '0'), id, notAfterMs: ALWAYS_MS }, 1);
    });
    const asked = questions.map((question, index) => ({
      partition: partitions[index % partitions.length],
      request: toRequest(question),
    }));
    return {
      ask: (index) => {
        const { partition, request } = asked[index % asked.length] ?? {};
        if (partition === undefined || request === undefined) throw new Error('there is nothing to ask');
        return cache.decide(partition, snapshot, request, 0).effect === 'allow';
      },
    };
  },
};

const MADE: Engine = {
  name: 'Sallyport, made anew',
  load: async (matrix, questions) => {
    const policy = compile(matrix);
    const requests = questions.map(toRequest);
    return {
      ask: (index) => {
        const request = requests[index % requests.length];
        if (request === undefined) throw new Error('there is nothing to ask');
        return decide(policy, request).effect === 'allow';
      },
    };
  },
};

export const OWN_ENGINES: readonly Engine[] = [REMEMBERED, MADE];

function compile(matrix: Matrix): CompiledPolicy {
  const lines = ['version: 1', 'trustDomain: ai.example', 'components:'];
  for (let index = 0; index < Math.max(matrix.rows, matrix.columns); index += 1) lines.push(`  c${index}: {}`);
  lines.push('access:');
  let above = '';
  for (const { from, to } of rulesOf(matrix)) {
    if (from !== above) lines.push(`  ${from}:`, '    allow:');
    above = from;
    lines.push(`      - { target: ${to}, verbs: [read] }`);
  }
  const bytes = Buffer.from(`${lines.join('\n')}\n`);
  return loadPolicy([{ file: 'policy.yaml', kind: 'policy', bytes }, GENERIC], 'enforce');
}

function toRequest({ principal, to, verb }: Question): AuthzRequest {
  return {
    principal: parseSpiffeId(principal),
    target: to,
    method: verb === 'read' ? 'GET' : 'POST',
    path: '/models/bert/versions/3/weights',
    query: null,
    upgrade: null,
  };
}
