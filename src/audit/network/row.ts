// The answers of one program about every endpoint at once: one evaluation for all that its rules do not tell apart.

import type { Answer } from './answer.ts';
import { type AnswerOf, askProgram } from './ask-program.ts';
import type { Program } from './binding.ts';
import type { Bounds } from './bounds.ts';
import { type Endpoint, OTHER_NODE, SAME_NODE } from './endpoint.ts';
import type { Matcher } from './matcher.ts';
import { hasNames, keyOfName } from './port-test.ts';

/** What the rules of a program say alike about some endpoints. */
export interface Case {
  /** From 0, over all programs. */
  readonly id: number;
  readonly bounds: Bounds;
  /** Of its bounds: equal for equal ones. */
  readonly number: number;
}

export interface Row {
  /** Of classes that `byClass` does not have. */
  readonly pods: Case;
  readonly byClass: ReadonlyMap<number, Case>;
  readonly sameNode: Case;
  readonly otherNode: Case;
  /** Of parts of the outside that `byPart` does not have. */
  readonly outside: Case;
  readonly byPart: ReadonlyMap<number, Case>;
}

export type MakeCase = (bounds: Bounds) => Case;

export function buildRow(program: Program, matcher: Matcher, makeCase: MakeCase): Row {
  const evaluateCase = (peer: Endpoint, answerOf: AnswerOf): Case => makeCase(askProgram(program, { peer, answerOf }));
  const pods = matchPods(program, matcher);
  const parts = matchParts(program, matcher);
  return {
    pods: evaluateCase(NAMELESS_POD, ({ index }) => pods.defaults[index] ?? false),
    byClass: casesOf(pods, (id) => matcher.endpointOfClass(id), evaluateCase),
    sameNode: evaluateCase(SAME_NODE, ({ rule }) => rule.peer.nodes.same),
    otherNode: evaluateCase(OTHER_NODE, ({ rule }) => rule.peer.nodes.other),
    outside: evaluateCase(SOMEWHERE, ({ index }) => parts.defaults[index] ?? false),
    byPart: casesOf(parts, (id) => matcher.endpointOfPart(id), evaluateCase),
  };
}

/** Stands for pods that no rule tells from others; a rule that asks for names of ports tells each from others. */
const NAMELESS_POD: Endpoint = {
  kind: 'pod',
  pod: {
    namespace: { name: '', labels: new Map(), isImplied: true },
    labels: { labels: new Map(), isImplied: true },
    serviceAccount: null,
    serviceAccountLabels: { labels: new Map(), isImplied: true },
    ports: new Map(),
    otherPorts: 'unknown',
  },
};
const SOMEWHERE: Endpoint = { kind: 'outside', range: { family: 4, first: 0n, last: 0n } };

interface Matches {
  /** By rule: the answer about all that have no path, or whose path does not go by the rule. */
  readonly defaults: readonly Answer[];
  readonly paths: ReadonlyMap<number, PathNode>;
}

/** Endpoints with one path are answered alike. */
interface PathNode {
  readonly parent: PathNode | null;
  readonly rule: number;
  readonly answer: Answer;
  readonly children: Map<string, PathNode>;
}

class Paths {
  readonly #root: PathNode = { parent: null, rule: -1, answer: false, children: new Map() };
  readonly byId = new Map<number, PathNode>();

  extend(id: number, step: { readonly rule: number; readonly answer: Answer; readonly ports: string }): void {
    const parent = this.byId.get(id) ?? this.#root;
    const { rule, answer, ports } = step;
    const key = `${rule}${typeof answer === 'boolean' ? (answer ? '+' : '-') : '?'}${ports}`;
    let node = parent.children.get(key);
    if (node === undefined) {
      node = { parent, rule, answer, children: new Map() };
      parent.children.set(key, node);
    }
    this.byId.set(id, node);
  }
}

function matchPods({ rules, direction }: Program, matcher: Matcher): Matches {
  const paths = new Paths();
  const defaults = rules.map(({ rule, index }) => {
    const { every, some } = matcher.podsOf(rule.peer);
    const names = direction === 'egress' && hasNames(rule.ports) ? rule.ports : null;
    if (names === null) {
      for (const [id, answer] of some) paths.extend(id, { rule: index, answer, ports: '' });
      return every;
    }
    // Each class resolves names in its own way.
    const wanted = [...names.include.names, ...(names.exclude?.names ?? [])];
    const ids = every === false ? some.keys() : matcher.classIds();
    for (const id of ids) {
      const endpoint = matcher.endpointOfClass(id);
      const ports = wanted.map(({ name }) => keyOfName(name, endpoint)).join(';');
      paths.extend(id, { rule: index, answer: some.get(id) ?? every, ports });
    }
    return every;
  });
  return { defaults, paths: paths.byId };
}

function matchParts({ rules }: Program, matcher: Matcher): Matches {
  const paths = new Paths();
  const defaults = rules.map(({ rule, index }) => {
    const { every, some } = matcher.partsOf(rule.peer);
    for (const [id, answer] of some) paths.extend(id, { rule: index, answer, ports: '' });
    return every;
  });
  return { defaults, paths: paths.byId };
}

function casesOf(
  { defaults, paths }: Matches,
  endpointOf: (id: number) => Endpoint,
  evaluateCase: (peer: Endpoint, answerOf: AnswerOf) => Case,
): ReadonlyMap<number, Case> {
  const byNode = new Map<PathNode, Case>();
  const cases = new Map<number, Case>();
  for (const [id, node] of paths) {
    let found = byNode.get(node);
    if (found === undefined) {
      const answers = [...defaults];
      for (let step: PathNode | null = node; step !== null; step = step.parent) {
        if (step.rule >= 0) answers[step.rule] = step.answer;
      }
      found = evaluateCase(endpointOf(id), ({ index }) => answers[index] ?? false);
      byNode.set(node, found);
    }
    cases.set(id, found);
  }
  return cases;
}

export function caseOfClass({ byClass, pods }: Row, id: number): Case {
  return byClass.get(id) ?? pods;
}

export function caseOfPart({ byPart, outside }: Row, id: number): Case {
  return byPart.get(id) ?? outside;
}
