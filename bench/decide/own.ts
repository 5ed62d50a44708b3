// What a decision costs in process: remembered and not, with 10, 1,000 and 10,000 rules, for one principal and a thousand.

import { readFileSync } from 'node:fs';
import { decide, type AuthzRequest } from '../../src/policy/decide.ts';
import type { Decision, Effect } from '../../src/policy/decision.ts';
import { DecisionCache, type CachePartition } from '../../src/policy/decision-cache.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import type { CompiledPolicy } from '../../src/policy/matrix.ts';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';
import { type Summary, summarise } from '../summary.ts';

export interface Measurement {
  readonly name: string;
  /** Per decision. */
  readonly nanoseconds: Summary;
}

export interface DecideFigures {
  readonly loads: readonly { readonly name: string; readonly milliseconds: number }[];
  readonly measurements: readonly Measurement[];
}

/** Rounds are interleaved, so that whatever else the machine does falls on all alike. */
export function measureDecide(effort: { readonly rounds: number; readonly decisionsPerRound: number }): DecideFigures {
  const policies = POLICIES.map((shape) => loadShape(shape));
  for (const { shape, policy } of policies) checkAnswers(shape, policy);
  const cases = [...cacheCases(), ...policies.flatMap(({ shape, policy }) => coldCases(shape, policy))];
  const samples = new Map(cases.map(({ name }): [string, number[]] => [name, []]));
  for (let round = -1; round < effort.rounds; round += 1) {
    for (const { name, prepare } of cases) {
      const run = prepare(effort.decisionsPerRound);
      const startedAt = process.hrtime.bigint();
      const forwarded = run();
      const nanoseconds = Number(process.hrtime.bigint() - startedAt) / effort.decisionsPerRound;
      if (forwarded !== effort.decisionsPerRound) throw new Error(`${name}: ${forwarded} were allowed`);
      // The first round is for the compiler.
      if (round >= 0) samples.get(name)?.push(nanoseconds);
    }
  }
  const measurements = [...samples].map(([name, values]) => ({ name, nanoseconds: summarise(values) }));
  return { loads: policies.map(({ shape, milliseconds }) => ({ name: shape.name, milliseconds })), measurements };
}

/** A policy whose first component is allowed `pathOf(n)` on `targetOf(n)` for every n below `rules`. */
interface PolicyShape {
  readonly name: string;
  readonly components: number;
  readonly ruleOf: (row: number, column: number) => string;
  readonly rowsOf: (components: number) => readonly number[];
  readonly columns: number;
  readonly targetOf: (index: number) => string;
  readonly pathOf: (index: number) => string;
}

const GENERIC = {
  file: 'policies/protocols/generic.yaml',
  kind: 'shipped-protocol' as const,
  bytes: readFileSync(new URL('../../policies/protocols/generic.yaml', import.meta.url)),
};

const everyRow = (components: number): readonly number[] => Array.from({ length: components }, (_, row) => row);

function spread(
  name: string,
  side: { readonly rows: number; readonly columns: number },
  condition: string,
): PolicyShape {
  return {
    name,
    components: Math.max(side.rows, side.columns),
    ruleOf: (_, column) => `{ target: c${column}, verbs: [read]${condition.replaceAll('#', String(column))} }`,
    rowsOf: () => everyRow(side.rows),
    columns: side.columns,
    targetOf: (index) => `c${index % side.columns}`,
    pathOf: (index) => `/models/m${index % side.columns}/versions/${index}/weights`,
  };
}

const POLICIES: readonly PolicyShape[] = [
  spread('10 rules', { rows: 1, columns: 10 }, ''),
  spread('1,000 rules', { rows: 32, columns: 32 }, ''),
  spread('10,000 rules', { rows: 100, columns: 100 }, ''),
  spread('10,000 rules with paths, spread', { rows: 100, columns: 100 }, ', paths: [/models/m#/**]'),
  {
    name: '10,000 rules with paths, one cell',
    components: 2,
    ruleOf: (_, column) => `{ target: c1, verbs: [read], paths: [/models/m${column}/weights] }`,
    rowsOf: () => [0],
    columns: 10_000,
    targetOf: () => 'c1',
    pathOf: (index) => `/models/m${index % 10_000}/weights`,
  },
];

interface LoadedShape {
  readonly shape: PolicyShape;
  readonly policy: CompiledPolicy;
  readonly milliseconds: number;
}

function loadShape(shape: PolicyShape): LoadedShape {
  const lines = ['version: 1', 'trustDomain: ai.example', 'components:'];
  for (let index = 0; index < shape.components; index += 1) lines.push(`  c${index}: {}`);
  lines.push('access:');
  for (const row of shape.rowsOf(shape.components)) {
    lines.push(`  c${row}:`, '    allow:');
    for (let column = 0; column < shape.columns; column += 1) lines.push(`      - ${shape.ruleOf(row, column)}`);
  }
  const bytes = Buffer.from(`${lines.join('\n')}\n`);
  const startedAt = performance.now();
  const policy = loadPolicy([{ file: 'policy.yaml', kind: 'policy', bytes }, GENERIC], 'enforce');
  return { shape, policy, milliseconds: performance.now() - startedAt };
}

const PRINCIPAL = parseSpiffeId('spiffe://ai.example/c0/job-1');

function requestOf(shape: PolicyShape, index: number): AuthzRequest {
  return {
    principal: PRINCIPAL,
    target: shape.targetOf(index),
    method: 'GET',
    path: shape.pathOf(index),
    query: null,
    upgrade: null,
  };
}

/** With a path as the decoder makes it: cut out of a head, never seen before, not hashed yet. */
function asDecoded(request: AuthzRequest): AuthzRequest {
  const head = Buffer.from(`GET ${request.path} HTTP/1.1\r\nhost: c0\r\n\r\n`).toString('latin1');
  return { ...request, path: head.slice(4, head.indexOf(' ', 4)) };
}

/** Figures about wrong answers are worth nothing. */
function checkAnswers(shape: PolicyShape, policy: CompiledPolicy): void {
  const expectEffect = (expected: Effect, request: AuthzRequest): void => {
    const { effect } = decide(policy, request);
    if (effect !== expected) throw new Error(`${shape.name}: ${request.method} ${request.path} is ${effect}`);
  };
  for (let index = 0; index < shape.columns; index += 1) {
    const request = requestOf(shape, index);
    expectEffect('allow', request);
    expectEffect('deny', { ...request, method: 'POST' });
    expectEffect('deny', { ...request, principal: parseSpiffeId('spiffe://ai.example/other/job-1') });
    const isConditional = shape.ruleOf(0, 0).includes('paths');
    expectEffect(isConditional ? 'deny' : 'allow', { ...request, path: `/elsewhere${request.path}` });
  }
}

interface Case {
  readonly name: string;
  /** Everything that is not the decision; answers the loop to be timed, which counts what is allowed. */
  readonly prepare: (decisions: number) => () => number;
}

function coldCases(shape: PolicyShape, policy: CompiledPolicy): readonly Case[] {
  return [
    {
      name: `not remembered, ${shape.name}`,
      prepare: (decisions) => {
        const requests = Array.from({ length: decisions }, (_, index) => asDecoded(requestOf(shape, index)));
        return () => countAllowed(requests, (request) => decide(policy, request));
      },
    },
  ];
}

const REMEMBERED_PATHS = 1_000;
const ALWAYS_MS = 1e15;

function cacheCases(): readonly Case[] {
  const shape = spread('cache', { rows: 1, columns: 10 }, '');
  const { policy } = loadShape(shape);
  const snapshot = { epoch: 1, value: policy };
  const createCache = (): DecisionCache =>
    new DecisionCache({ maxEntries: 65_536, maxEntriesPerPrincipal: 4_096, verifyEvery: 0, onDisagreement: () => {} });
  const admit = (cache: DecisionCache, index: number): CachePartition => {
    const id = index === 0 ? PRINCIPAL : parseSpiffeId(`spiffe://ai.example/c0/job-${index}`);
    return cache.admit({ leafSha256: index.toString(16).padStart(64, '0'), id, notAfterMs: ALWAYS_MS }, 1);
  };
  const forOne = (name: string, requestAt: (index: number) => AuthzRequest, cache = createCache()): Case => {
    const partition = admit(cache, 0);
    return {
      name,
      prepare: (decisions) => {
        const requests = Array.from({ length: decisions }, (_, index) => requestAt(index));
        return () => countAllowed(requests, (request) => cache.decide(partition, snapshot, request, 0));
      },
    };
  };
  const repeated = requestOf(shape, 0);
  const known = Array.from({ length: REMEMBERED_PATHS }, (_, index) => requestOf(shape, index));
  let unique = 0;
  return [
    forOne('remembered, the same request again', () => repeated),
    forOne('remembered, the same path in a new string', () => asDecoded(repeated)),
    forOne('remembered, 1,000 paths', (index) => known[index % REMEMBERED_PATHS] ?? repeated),
    forOne('remembered, 1,000 paths in new strings', (index) => asDecoded(requestOf(shape, index % REMEMBERED_PATHS))),
    manyPrincipals(admit, createCache(), snapshot.value),
    forOne('never asked before, entered and evicted', () => asDecoded(requestOf(shape, (unique += 1)))),
  ];
}

function manyPrincipals(
  admit: (cache: DecisionCache, index: number) => CachePartition,
  cache: DecisionCache,
  policy: CompiledPolicy,
): Case {
  const shape = spread('cache', { rows: 1, columns: 10 }, '');
  const partitions = Array.from({ length: 1_000 }, (_, index) => admit(cache, index));
  const snapshot = { epoch: 1, value: policy };
  return {
    name: 'remembered, 1,000 principals',
    prepare: (decisions) => {
      const asked = partitions.map((partition) => ({
        partition,
        request: { ...requestOf(shape, 0), principal: partition.id },
      }));
      return () => {
        let allowed = 0;
        for (let index = 0; index < decisions; index += 1) {
          const each = asked[index % asked.length];
          if (each !== undefined && cache.decide(each.partition, snapshot, each.request, 0).effect === 'allow')
            allowed += 1;
        }
        return allowed;
      };
    },
  };
}

function countAllowed(requests: readonly AuthzRequest[], ask: (request: AuthzRequest) => Decision): number {
  let allowed = 0;
  for (const request of requests) if (ask(request).effect === 'allow') allowed += 1;
  return allowed;
}
