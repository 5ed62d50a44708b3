import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide } from '../../src/policy/decide.ts';
import { explain } from '../../src/policy/explain.ts';
import { lintPolicy } from '../../src/policy/lint.ts';
import { loadPolicy, type PolicySource } from '../../src/policy/load.ts';
import { renderTable } from '../../src/policy/table.ts';
import { DocumentError } from '../../src/yaml/located.ts';
import { policyText, request } from './generators.ts';
import { LAB_PROTOCOL, policySource, shippedMatrix, SHIPPED_PROTOCOLS } from './policies.ts';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';

/** The policy, or null; anything thrown but a DocumentError with located problems fails the test. */
function tryLoad(...sources: readonly PolicySource[]): ReturnType<typeof loadPolicy> | null {
  try {
    return loadPolicy([...sources, ...SHIPPED_PROTOCOLS], 'enforce');
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    expect(error.problems.length).toBeGreaterThan(0);
    for (const { code, message, position } of error.problems) {
      expect(code).toMatch(/^[a-z0-9-]+$/);
      expect(message).not.toBe('');
      expect(position.line).toBeGreaterThan(0);
      expect(position.column).toBeGreaterThan(0);
    }
    return null;
  }
}

const SMALL = 'version: 1\ntrustDomain: ai.example\ncomponents: { peer: {} }\n';
const MATRIX = Buffer.from(shippedMatrix());
const TOKENS = [
  'allow',
  'deny',
  '[',
  ']',
  '{',
  '}',
  ':',
  '- ',
  '\n',
  '  ',
  '"',
  "'",
  '*',
  '**',
  '/',
  '#',
  '&a',
  '!!x',
  '|',
  '>',
  '%',
  '\0',
  '\u{FEFF}',
  'registry',
  'target',
  'verbs',
  'paths',
  'shadow: true',
  'null',
  '0x1',
  '__proto__',
  '\t',
  'é',
  '\ud83d',
];

const mutation = fc.record({
  at: fc.nat(MATRIX.length),
  remove: fc.nat(12),
  insert: fc.oneof(
    fc.constantFrom(...TOKENS.map((token) => Buffer.from(token))),
    fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
  ),
});

function mutate(source: Buffer, mutations: readonly { at: number; remove: number; insert: Buffer }[]): Buffer {
  let bytes = source;
  for (const { at, remove, insert } of mutations) {
    bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
  }
  return bytes;
}

describe('the loader', () => {
  it('answers any bytes with a policy or with located problems', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        tryLoad({ file: 'policy.yaml', kind: 'policy', bytes });
        tryLoad(policySource(SMALL), { file: 'protocols/generic.yaml', kind: 'protocol', bytes });
      }),
      { numRuns: 300 },
    );
  });

  it('answers any mutation of the matrix so, and every policy it accepts can be asked everything', () => {
    let accepted = 0;
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), request, (mutations, each) => {
        const policy = tryLoad({ file: 'policy.yaml', kind: 'policy', bytes: mutate(MATRIX, mutations) });
        if (policy === null) return;
        accepted += 1;
        const asked = { ...each, principal: parseSpiffeId(each.principal) };
        expect(explain(policy, asked).decision).toBe(decide(policy, asked));
        expect(renderTable(policy, { width: 80, paint: (text) => text })).toContain('from');
        expect(lintPolicy(policy)).toBeInstanceOf(Array);
      }),
      { numRuns: 400 },
    );
    expect(accepted).toBeGreaterThan(5);
  });

  it('answers any mutation of a protocol so', () => {
    const lab = Buffer.from(LAB_PROTOCOL.bytes);
    const text = policySource(
      'version: 1\ntrustDomain: ai.example\ncomponents: { peer: {}, service: { protocol: lab } }\naccess: { peer: { allow: [service] } }\n',
    );
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), request, (mutations, each) => {
        const scaled = mutations.map((one) => ({ ...one, at: one.at % lab.length }));
        const policy = tryLoad(text, { file: 'protocols/lab.yaml', kind: 'protocol', bytes: mutate(lab, scaled) });
        if (policy !== null) decide(policy, { ...each, principal: parseSpiffeId(each.principal) });
      }),
      { numRuns: 300 },
    );
  });

  it('answers any JSON so', () => {
    const key = fc.constantFrom(
      'version',
      'trustDomain',
      'components',
      'access',
      'allow',
      'deny',
      'target',
      'verbs',
      'methods',
      'paths',
      'shadow',
      'reason',
      'ids',
      'protocol',
      'peer',
      'service',
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.constantFrom(1, 'ai.example', 'peer', 'service', 'read', '/x', true, null),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(tree, tree, (components, access) => {
        tryLoad(policySource(JSON.stringify({ version: 1, trustDomain: 'ai.example', components, access })));
      }),
      { numRuns: 300 },
    );
  });

  it('accepts every policy the generator means to be right', () => {
    fc.assert(
      fc.property(policyText, (text) => {
        expect(tryLoad(policySource(text), LAB_PROTOCOL)).not.toBeNull();
      }),
      { numRuns: 100 },
    );
  });
});

describe('decide', () => {
  it('never throws, whatever it is asked', () => {
    const policy = loadPolicy([policySource(shippedMatrix()), ...SHIPPED_PROTOCOLS], 'enforce');
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('/', 'registry', 'GET', '/api/2.0/mlflow/runs/search', '__proto__'),
    );
    fc.assert(
      fc.property(
        text,
        text,
        fc.oneof(
          text,
          text.map((path) => `/${path}`),
        ),
        fc.option(text),
        (target, method, path, query) => {
          const principal = parseSpiffeId('spiffe://ai.example/training/x');
          const asked = { principal, target, method, path, query, upgrade: path };
          expect(explain(policy, asked).decision).toBe(decide(policy, asked));
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
