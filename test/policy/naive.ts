// A second evaluator, written from the description of the file format alone: no tables, no indexes, nothing shared with the engine.

import { parseYaml, toPlain } from '../../src/yaml/located.ts';

export interface NaiveAnswer {
  readonly effect: string;
  readonly reason: string;
}

interface RuleNode {
  readonly target: string;
  readonly verbs?: readonly string[];
  readonly methods?: readonly string[];
  readonly paths?: readonly string[];
  readonly upgrades?: readonly string[];
  readonly shadow?: boolean;
}

interface PolicyNode {
  readonly trustDomain: string;
  readonly components: Readonly<Record<string, { readonly ids?: readonly string[]; readonly protocol?: string }>>;
  readonly access?: Readonly<
    Record<string, { readonly allow?: readonly unknown[]; readonly deny?: readonly unknown[] }>
  >;
}

interface RouteNode {
  readonly path: string;
  readonly methods: readonly string[];
  readonly verb: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly also?: readonly { readonly verb: string; readonly path: string }[];
}

export interface NaiveRequest {
  readonly principal: string;
  readonly target: string;
  readonly method: string;
  readonly path: string;
  readonly query: string | null;
  readonly upgrade: string | null;
}

export class NaiveEvaluator {
  readonly #policy: PolicyNode;
  readonly #protocols = new Map<string, readonly RouteNode[]>();

  constructor(policy: string, protocols: readonly string[]) {
    this.#policy = toPlain(parseYaml(Buffer.from(policy), 'policy')) as PolicyNode;
    for (const text of protocols) {
      const node = toPlain(parseYaml(Buffer.from(text), 'protocol')) as {
        protocol: string;
        routes: readonly RouteNode[];
      };
      this.#protocols.set(node.protocol, node.routes);
    }
  }

  decide(request: NaiveRequest): NaiveAnswer {
    const { components } = this.#policy;
    const target = components[request.target];
    if (target === undefined) return { effect: 'deny', reason: 'unknown-target' };
    const component = this.#componentOf(request.principal);
    if (component === null) return { effect: 'deny', reason: 'unknown-principal' };
    if (request.method === '') {
      return this.#judge(component, request, { verb: 'connect', method: '', segments: [] });
    }
    const segments = decode(request.path);
    if (segments === null) return { effect: 'deny', reason: 'malformed-path' };
    const needed = this.#permissions(target.protocol ?? 'generic', request, segments);
    if (typeof needed === 'string') return { effect: 'deny', reason: needed };
    const answers = needed.map((permission) => this.#judge(component, request, permission));
    for (const effect of ['deny', 'would-deny', 'allow']) {
      const answer = answers.find((each) => each.effect === effect);
      if (answer !== undefined) return answer;
    }
    throw new Error('no permission is needed');
  }

  #componentOf(id: string): string | null {
    const { trustDomain, components } = this.#policy;
    for (const [name, { ids }] of Object.entries(components)) {
      const patterns = ids ?? [`/${name}/**`];
      const full = patterns.map((pattern) => (pattern.startsWith('/') ? `spiffe://${trustDomain}${pattern}` : pattern));
      if (full.some((pattern) => matches(pattern.split('/'), id.split('/'), 'rest'))) return name;
    }
    return null;
  }

  #permissions(protocol: string, request: NaiveRequest, segments: readonly string[]): readonly Permission[] | string {
    for (const route of this.#protocols.get(protocol) ?? []) {
      if (!route.methods.includes('*') && !route.methods.includes(request.method)) continue;
      if (!expand(route.path).some((path) => matches(decodePattern(path), segments, 'several'))) continue;
      const templates = (route.also ?? []).flatMap(({ path }) =>
        [...path.matchAll(/\{([^}]*)\}/g)].map(([, name]) => name ?? ''),
      );
      const read = [...Object.keys(route.query ?? {}), ...templates];
      const parameters = read.length === 0 ? new Map<string, string>() : parseQuery(request.query, read);
      if (parameters === null) return 'ambiguous-query';
      const isMet = Object.entries(route.query ?? {}).every(([name, value]) => {
        const actual = parameters.get(name);
        return actual !== undefined && (value === '*' || value === actual);
      });
      if (!isMet) continue;
      const own = { verb: route.verb, method: request.method, segments };
      const further: Permission[] = [];
      for (const { verb, path } of route.also ?? []) {
        for (const [, name = ''] of path.matchAll(/\{([^}]*)\}/g)) {
          const value = parameters.get(name);
          if (value === undefined) return 'missing-parameter';
          if (!/^[\w.~:@=+,/-]+$/.test(value) || value.split('/').some((part) => ['', '.', '..'].includes(part)))
            return 'unsafe-parameter';
        }
        const filled = path.replace(/\{([^}]*)\}/g, (_, name: string) => parameters.get(name) ?? '');
        further.push({ verb, method: 'GET', segments: filled.slice(1).split('/') });
      }
      return [own, ...further];
    }
    return 'unknown-route';
  }

  #judge(component: string, { target, upgrade }: NaiveRequest, { verb, method, segments }: Permission): NaiveAnswer {
    const access = this.#policy.access?.[component] ?? {};
    const applying = (effect: 'allow' | 'deny'): readonly RuleNode[] =>
      (access[effect] ?? [])
        .map((node) => toRule(node, effect))
        .filter((rule) => rule.target === target && rule.verbs?.includes(verb) === true);
    const isMatch = ({ methods, paths }: RuleNode): boolean =>
      (methods === undefined || methods.includes(method)) &&
      (paths === undefined || paths.some((path) => matches(decodePattern(path), segments, 'rest')));
    const isNamed = ({ upgrades }: RuleNode): boolean => upgrade !== null && upgrades?.includes(upgrade) === true;
    const denies = applying('deny').filter((rule) => isMatch(rule) && (rule.upgrades === undefined || isNamed(rule)));
    const allows = applying('allow').filter(
      (rule) => isMatch(rule) && (isNamed(rule) || (rule.upgrades === undefined && upgrade === null)),
    );
    if (denies.some(({ shadow }) => shadow !== true)) return { effect: 'deny', reason: 'denied-by-rule' };
    if (allows.length === 0)
      return { effect: 'deny', reason: applying('allow').length === 0 ? 'not-granted' : 'conditions-not-met' };
    if (denies.length > 0) return { effect: 'would-deny', reason: 'denied-by-rule' };
    if (allows.every(({ shadow }) => shadow === true)) return { effect: 'would-deny', reason: 'grant-in-shadow' };
    return { effect: 'allow', reason: 'allowed-by-rule' };
  }
}

interface Permission {
  readonly verb: string;
  readonly method: string;
  readonly segments: readonly string[];
}

const ALL = ['read', 'write', 'infer', 'admin', 'connect'];

function toRule(node: unknown, effect: 'allow' | 'deny'): RuleNode {
  const bare = effect === 'deny' ? ALL : ALL.slice(0, 3);
  if (typeof node === 'string') return { target: node, verbs: bare };
  const mapping = node as Readonly<Record<string, unknown>>;
  if (typeof mapping['target'] === 'string') {
    const isConditional = 'methods' in mapping || 'paths' in mapping || 'upgrades' in mapping;
    return { verbs: isConditional ? bare.slice(0, 4) : bare, ...(mapping as unknown as RuleNode) };
  }
  const [[target, verbs] = ['', []]] = Object.entries(mapping);
  return { target, verbs: verbs as readonly string[] };
}

/** `rest`: a final `**` takes whatever is left; `several`: it takes segments that are not empty. */
function matches(pattern: readonly string[], segments: readonly string[], wide: 'rest' | 'several'): boolean {
  const [first, ...tail] = pattern;
  if (first === undefined) return segments.length === 0;
  const [segment, ...left] = segments;
  if (segment === undefined) return false;
  if (first === '**') {
    if (wide === 'several' && segment === '') return false;
    if (tail.length === 0 && wide === 'rest') return true;
    return matches(tail, left, wide) || matches(pattern, left, wide);
  }
  if (first === '*') return segment !== '' && matches(tail, left, wide);
  const star = first.indexOf('*');
  if (star < 0) return first === segment && matches(tail, left, wide);
  const fits = segment.startsWith(first.slice(0, star)) && segment.endsWith(first.slice(star + 1));
  return fits && segment.length >= first.length && matches(tail, left, wide);
}

function expand(path: string): readonly string[] {
  const match = /\{([^{}]*)\}/.exec(path);
  if (match === null) return [path];
  return (match[1] ?? '').split(',').flatMap((part) => expand(path.replace(match[0], part)));
}

function decodePattern(path: string): readonly string[] {
  return path.slice(1).split('/').map(decodeURIComponent);
}

function decode(path: string): readonly string[] | null {
  if (!path.startsWith('/')) return null;
  try {
    const segments = decodePattern(path);
    const isPlain = segments.every((segment, index) => {
      const isLast = index === segments.length - 1;
      return segment !== '.' && segment !== '..' && (segment !== '' || isLast);
    });
    return isPlain ? segments : null;
  } catch {
    return null;
  }
}

function parseQuery(query: string | null, names: readonly string[]): Map<string, string> | null {
  const parameters = new Map<string, string>();
  if (query === null) return parameters;
  if (query.includes(';')) return null;
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const [rawName = '', ...rest] = pair.split('=');
    try {
      if (rawName.includes('+')) return null;
      const name = decodeURIComponent(rawName);
      if (!names.includes(name)) continue;
      const raw = rest.join('=');
      if (raw.includes('+') || parameters.has(name)) return null;
      parameters.set(name, decodeURIComponent(raw));
    } catch {
      return null;
    }
  }
  return parameters;
}
