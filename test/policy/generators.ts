// Random policies and random requests that have a fair chance of meeting.

import * as fc from 'fast-check';
import type { NaiveRequest } from './naive.ts';

const TARGETS = ['service', 'files', 'peer', 'target'];
const SEGMENTS = ['read', 'write', 'infer', 'admin', 'a', 'b', 'a b', 'x', ''];
const METHODS = ['GET', 'POST', 'PUT', 'DELETE'];

const segment = fc.constantFrom('read', 'write', 'infer', 'admin', 'a', 'b', 'a%20b', 'x', '*');
const rulePath = fc
  .tuple(fc.array(segment, { minLength: 1, maxLength: 3 }), fc.constantFrom('', '/', '/**'))
  .map(([segments, end]) => `/${segments.join('/')}${end}`);

const verbs = fc.uniqueArray(fc.constantFrom('read', 'write', 'infer', 'admin'), { minLength: 1, maxLength: 4 });
const allVerbs = fc.uniqueArray(fc.constantFrom('read', 'write', 'infer', 'admin', 'connect'), { minLength: 1 });
const rule = fc.oneof(
  fc.constantFrom(...TARGETS),
  fc.tuple(fc.constantFrom(...TARGETS), allVerbs).map(([target, granted]) => ({ [target]: granted })),
  fc
    .tuple(
      fc.record(
        {
          target: fc.constantFrom(...TARGETS),
          verbs,
          methods: fc.uniqueArray(fc.constantFrom(...METHODS), { minLength: 1, maxLength: 3 }),
          paths: fc.uniqueArray(rulePath, { minLength: 1, maxLength: 3 }),
          shadow: fc.boolean(),
        },
        { requiredKeys: ['target'] },
      ),
      fc.uniqueArray(fc.constantFrom('websocket', 'tls/1.3'), { maxLength: 2 }),
      fc.boolean(),
    )
    .map(([plain, upgrades, isForUpgrades]) => (isForUpgrades && upgrades.length > 0 ? { ...plain, upgrades } : plain)),
);

/** What the loader takes for the same rule twice. */
function identityOf(effect: string, node: unknown): string {
  const all = ['read', 'write', 'infer', 'admin', 'connect'];
  const bare = effect === 'deny' ? all : all.slice(0, 3);
  if (typeof node === 'string') return JSON.stringify([node, bare]);
  const mapping = node as Record<string, unknown>;
  if (typeof mapping['target'] !== 'string') {
    const [[target, granted] = ['', []]] = Object.entries(mapping);
    return JSON.stringify([target, all.filter((verb) => (granted as string[]).includes(verb))]);
  }
  const { target, methods, paths, upgrades } = mapping;
  const isConditional = methods !== undefined || paths !== undefined || upgrades !== undefined;
  const granted = (mapping['verbs'] ?? (isConditional ? bare.slice(0, 4) : bare)) as string[];
  const key: unknown[] = [target, all.filter((verb) => granted.includes(verb))];
  if (methods !== undefined || paths !== undefined || upgrades !== undefined) {
    key.push(
      (methods as string[] | undefined)?.toSorted() ?? null,
      (paths as string[] | undefined)?.toSorted() ?? null,
      (upgrades as string[] | undefined)?.toSorted() ?? null,
    );
  }
  return JSON.stringify(key);
}

const rules = (effect: string): fc.Arbitrary<unknown[]> =>
  fc.uniqueArray(rule, { maxLength: 8, selector: (node) => identityOf(effect, node) });
const access = fc.record({ allow: rules('allow'), deny: rules('deny') }, { requiredKeys: [] });

/** A policy as JSON, which is YAML; each rule on a line of its own. */
export const policyText: fc.Arbitrary<string> = fc
  .record({ peer: access, other: access, 'x.y': access, target: access })
  .map((components) =>
    JSON.stringify(
      {
        version: 1,
        trustDomain: 'ai.example',
        components: {
          peer: {},
          other: { ids: ['/ns/*/other', 'spiffe://b.example/**'] },
          'x.y': { ids: ['/x/y', '/x/y/*/z'] },
          target: { ids: [] },
          service: { protocol: 'lab' },
          files: {},
        },
        access: components,
      },
      null,
      1,
    ),
  );

const requestSegment = fc.constantFrom(...SEGMENTS.map(encodeURIComponent), '%61', '%ff', 'mount', 'mode', 'copy');
const query = fc.constantFrom(
  null,
  '',
  'from=a',
  'from=a&from=b',
  'from=a/b',
  'from=..',
  'kind=full',
  'kind=half',
  'a=1;b=2',
  'kind=f+l',
  'k%69nd=full',
  '%ff=1',
);

const httpRequest: fc.Arbitrary<NaiveRequest> = fc.record({
  principal: fc.constantFrom(
    'spiffe://ai.example/peer/job',
    'spiffe://ai.example/peer/a/b',
    'spiffe://ai.example/peer',
    'spiffe://ai.example/ns/a/other',
    'spiffe://b.example/x',
    'spiffe://ai.example/x/y',
    'spiffe://ai.example/x/y/1/z',
    'spiffe://ai.example/service/1',
    'spiffe://b.example',
  ),
  target: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...TARGETS) },
    { weight: 1, arbitrary: fc.constant('nowhere') },
  ),
  method: fc.constantFrom(...METHODS, 'get'),
  path: fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .tuple(fc.constantFrom('read', 'write', 'infer', 'admin'), fc.array(requestSegment, { maxLength: 3 }))
        .map(([first, rest]) => `/${[first, ...rest].join('/')}`),
    },
    { weight: 2, arbitrary: fc.array(requestSegment, { maxLength: 3 }).map((segments) => `/${segments.join('/')}`) },
    { weight: 2, arbitrary: fc.constantFrom('/mount', '/mode', '/copy') },
  ),
  query,
  upgrade: fc.constantFrom(null, null, null, null, 'websocket', 'tls/1.3', 'other'),
});

/** Some are connections. */
export const request: fc.Arbitrary<NaiveRequest> = fc
  .tuple(httpRequest, fc.integer({ min: 0, max: 4 }))
  .map(([each, die]) => (die === 0 ? { ...each, method: '', path: '', query: null } : each));
