import { describe, expect, it } from 'vitest';
import { renderTable } from '../../src/policy/table.ts';
import { load, loadAccess, shippedMatrix } from './policies.ts';

const plain = (text: string): string => text;

describe('the matrix as a table', () => {
  it('fits 120 columns in one piece', () => {
    const text = renderTable(load(shippedMatrix()), { width: 120, paint: plain });
    expect(
      text,
    ).toBe(`from \\ to  training  inference  pipeline  registry  feature-store  data-store  experiment-tracker  monitoring-admin
training   ·         ×          ·         rwi       rw             rw          rw                  ×
inference  ×         ·          ·         r         rw             ×           ·                   ·
pipeline   rw        ×          ·         rwi       rw             rw          ·                   ·
registry   ×         ×          ·         ·         ·              rw          ·                   ·

nothing granted to: feature-store, data-store, experiment-tracker, monitoring-admin

r read  w write  i infer  a admin
× denied by rule
· not granted, so denied
`);
  });

  it.each([30, 40, 60, 80, 100])('is cut into blocks of at most %i columns', (width) => {
    const text = renderTable(load(shippedMatrix()), { width, paint: plain });
    const lines = text.slice(0, text.indexOf('nothing granted')).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
    for (const name of [
      'training',
      'inference',
      'pipeline',
      'registry',
      'feature-',
      'data-',
      'experiment-',
      'monitoring-',
    ]) {
      expect(lines.filter((line) => line.split(' ').includes(name)).length).toBeGreaterThan(0);
    }
  });

  it('marks what depends on conditions and what is in shadow', () => {
    const policy = loadAccess(
      'allow: [{ service: [read] }, { target: service, verbs: [write], methods: [PUT] }, { target: service, verbs: [infer], shadow: true }, { service: [admin] }]',
    );
    const text = renderTable(policy, { width: 100, paint: plain });
    expect(text).toContain('peer       ·     rw?i~a   ·\n');
    expect(text).toContain('? depends on method, path or upgrade\n~ in shadow: would be denied, is forwarded\n');
  });

  it('paints marks without moving columns', () => {
    const matrix = load(shippedMatrix());
    const painted = renderTable(matrix, { width: 120, paint: (text, answer) => `<${answer}:${text}>` });
    expect(painted.replace(/<[a-z]+:([^>]*)>/g, '$1')).toBe(renderTable(matrix, { width: 120, paint: plain }));
  });

  it('says so when nobody may do anything', () => {
    const text = renderTable(load('version: 1\ntrustDomain: a\ncomponents: { b: {} }\n'), { width: 80, paint: plain });
    expect(text).toContain('nothing granted to: b');
  });
});
