// What must hold for every shipped protocol, whatever its service: checked on a sample request of each of its routes.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isForwarded, type Verb } from '../../src/policy/decision.ts';
import type { PathSegment } from '../../src/policy/path-pattern.ts';
import type { RouteDeclaration } from '../../src/policy/protocol-document.ts';
import { decideLine, loadPreset, PRESETS, verbOf, type Preset } from './preset.ts';

const SPECIFIC: readonly Preset[] = PRESETS.filter((name) => name !== 'generic');
const METHODS = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'];

interface Sample {
  readonly verb: Verb;
  readonly methods: readonly string[];
  readonly path: string;
  /** With `?`, or empty. */
  readonly query: string;
}

/** One request for each path that a route stands for; `methods` are those of the route. */
function samplesOf(preset: Preset): readonly Sample[] {
  const routes = loadPreset(preset).protocols.get(preset)?.routes ?? [];
  return routes.flatMap(({ declaration }) =>
    declaration.patterns.map(({ segments }) => ({
      verb: declaration.verb,
      methods: declaration.methods ?? [],
      path: `/${segments.map(sampleOf).join('/')}`,
      query: sampleQuery(declaration),
    })),
  );
}

function sampleOf(segment: PathSegment): string {
  switch (segment.kind) {
    case 'literal':
      return segment.text;
    case 'one':
      return 'x0';
    case 'affix':
      return `${segment.prefix}x0${segment.suffix}`;
    case 'several':
    case 'rest':
      return 'x1/x2';
  }
}

function sampleQuery({ query, also }: RouteDeclaration): string {
  const pairs = [...query].map(([name, value]) => `${name}=${value ?? 'x'}`);
  const further = also.flatMap(({ path }) => path.filter((_, index) => index % 2 === 1));
  for (const name of further) if (!query.has(name)) pairs.push(`${name}=x`);
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

describe.each(SPECIFIC)('the %s protocol', (preset) => {
  const policy = loadPreset(preset);
  const samples = samplesOf(preset);
  const lines = samples.flatMap(({ verb, methods, path, query }) =>
    methods.map((method): readonly [Verb, string] => [verb, `${method} ${path}${query}`]),
  );

  it('has no route that an earlier one hides', () => {
    expect(lines.length).toBeGreaterThan(20);
    expect(lines.map(([, line]) => [verbOf(policy, line), line])).toEqual(lines);
  });

  it('names the methods of each route, in upper case', () => {
    for (const { methods } of samples) {
      expect(methods).not.toEqual([]);
      for (const method of methods) expect(METHODS).toContain(method);
    }
  });

  it('PA-107 answers HEAD as GET or not at all, and never OPTIONS', () => {
    for (const { path, query } of samples) {
      const target = `${path}${query}`;
      expect([verbOf(policy, `GET ${target}`), 'unknown-route']).toContain(verbOf(policy, `HEAD ${target}`));
      expect([target, verbOf(policy, `OPTIONS ${target}`)]).toEqual([target, 'unknown-route']);
    }
  });

  it('PA-99 knows no path in another case', () => {
    for (const { path } of samples) {
      const upper = path.toUpperCase();
      if (upper === '/') continue;
      for (const method of METHODS)
        expect([upper, verbOf(policy, `${method} ${upper}`)]).toEqual([upper, 'unknown-route']);
    }
  });

  it('PA-101 knows a path with a slash behind it only where a route has one', () => {
    const known = new Set(samples.map(({ path }) => path));
    for (const { path, methods } of samples) {
      if (path.endsWith('/') || known.has(`${path}/`)) continue;
      for (const method of methods)
        expect([path, verbOf(policy, `${method} ${path}/`)]).toEqual([path, 'unknown-route']);
    }
  });

  it('PA-101 takes a path with a dot or a space behind it for nothing lesser', () => {
    for (const [verb, line] of lines.filter(([, sample]) => !sample.includes('?'))) {
      for (const ending of ['.', '%20'])
        expect(['unknown-route', 'malformed-path', 'admin', verb]).toContain(verbOf(policy, `${line}${ending}`));
    }
  });

  it('PA-82 compares methods exactly', () => {
    for (const { methods, path, query } of samples) {
      for (const method of methods) {
        const capitalized = `${method.slice(0, 1)}${method.slice(1).toLowerCase()}`;
        for (const spelling of [method.toLowerCase(), capitalized, `${method}X`]) {
          expect(verbOf(policy, `${spelling} ${path}${query}`)).toBe('unknown-route');
        }
      }
    }
  });

  it('forwards nothing to a component granted something else, and no administration to one with a bare grant', () => {
    const elsewhere = loadPreset(preset, '{ target: service, verbs: [read, write, infer, admin], paths: [/nowhere] }');
    const bare = loadPreset(preset, 'service');
    for (const [verb, line] of lines) {
      expect([line, isForwarded(decideLine(elsewhere, line).effect)]).toEqual([line, false]);
      expect([line, isForwarded(decideLine(bare, line).effect)]).toEqual([line, verb !== 'admin']);
    }
  });
});

describe('any request', () => {
  const policies = PRESETS.map((preset) => loadPreset(preset));
  const words = [...new Set(SPECIFIC.flatMap((preset) => samplesOf(preset).flatMap(({ path }) => path.split('/'))))];
  const segment = fc.oneof(
    fc.constantFrom(...words),
    fc.string({ maxLength: 8 }),
    fc.constantFrom('', '%', '%2e', '%ff', 'é'),
  );
  const path = fc.array(segment, { maxLength: 9 }).map((segments) => `/${segments.join('/')}`.replaceAll(' ', ''));
  const query = fc.string({ maxLength: 20 }).map((text) => (text === '' ? '' : `?${text.replaceAll(' ', '')}`));
  const method = fc.constantFrom(...METHODS, 'get', 'TRACE');

  it('is decided without an error, the same way every time', () => {
    fc.assert(
      fc.property(fc.constantFrom(...policies), fc.tuple(method, path, query), (policy, [verb, ...target]) => {
        const line = `${verb} ${target.join('')}`;
        expect(decideLine(policy, line)).toBe(decideLine(policy, line));
      }),
      { numRuns: 1000 },
    );
  });
});
