import { describe, expect, it } from 'vitest';
import { loadPreset, table, verbOf } from './preset.ts';

const ROWS = table(`
  read           GET /
  read           HEAD /
  read           OPTIONS /
  read           GET /a
  read           GET /a/
  read           GET /a/b/c/d/e/f
  read           HEAD /a/b
  read           OPTIONS /a/b
  read           GET /a?method=DELETE&_method=PUT
  read           GET /runs/delete
  write          POST /
  write          POST /a
  write          POST /a/
  write          POST /search
  write          PUT /a/b
  write          PATCH /a/b
  write          DELETE /a/b
  write          PROPFIND /a
  write          MKCOL /a/
  write          get /a
  write          Get /a
  write          POST /a?method=GET
`);

describe('the generic protocol', () => {
  const policy = loadPreset('generic');
  it.each(ROWS)('is %s: %s', (expected, line) => {
    expect(verbOf(policy, line)).toBe(expected);
  });

  it('PA-107 takes HEAD and OPTIONS for reads, so that a read rule covers them and a write rule does not', () => {
    const reader = loadPreset('generic', 'service: [read]');
    const writer = loadPreset('generic', 'service: [write]');
    for (const method of ['HEAD', 'OPTIONS']) {
      expect(verbOf(reader, `${method} /a`)).toBe('read');
      expect(verbOf(writer, `${method} /a`)).toBe('not-granted');
    }
  });

  it('never answers infer or admin, whatever the path', () => {
    for (const line of ['POST /v1/chat/completions', 'POST /v2/repository/models/m/load', 'GET /server_info']) {
      expect(['read', 'write']).toContain(verbOf(policy, line));
    }
  });
});
