// Which classes of pods and which parts of the outside a question is answered with yes for, found once for each question.

import type { AddressSet } from './address-set.ts';
import { type Answer, and, or } from './answer.ts';
import type { Endpoint } from './endpoint.ts';
import type { Outside, OutsideMap } from './outside.ts';
import type { PodClass } from './pod-class.ts';
import { keyOfPodTest } from './pod-test.ts';
import type { PeerTest, PodTest, SomePods } from './traffic-policy.ts';

export interface Matches {
  /** The answer about all that `some` does not have. */
  readonly every: Answer;
  readonly some: ReadonlyMap<number, Answer>;
}

const NONE: ReadonlyMap<number, Answer> = new Map();

export class Matcher {
  readonly #classes: readonly PodClass[];
  readonly #byNamespace: ReadonlyMap<string, readonly PodClass[]>;
  readonly #outside: OutsideMap;
  readonly #ofTest = new Map<string, Matches>();
  readonly #podsOf = new Map<PeerTest, Matches>();
  readonly #partsOf = new Map<PeerTest, Matches>();

  constructor(classes: readonly PodClass[], outside: OutsideMap) {
    this.#classes = classes;
    this.#byNamespace = Map.groupBy(classes, ({ pod }) => pod.namespace.name);
    this.#outside = outside;
  }

  classIds(): Iterable<number> {
    return this.#classes.keys();
  }

  endpointOfClass(id: number): Endpoint {
    const found = this.#classes[id];
    if (found === undefined) throw new RangeError(`there is no class ${id}`);
    return { kind: 'pod', pod: found.pod };
  }

  endpointOfPart(id: number): Endpoint {
    const range = this.#outside.parts[id]?.addresses[0];
    if (range === undefined) throw new RangeError(`there is no part ${id}`);
    return { kind: 'outside', range };
  }

  podsOf(peer: PeerTest): Matches {
    return remember(this.#podsOf, peer, () => this.#anyOf(peer.pods));
  }

  partsOf(peer: PeerTest): Matches {
    return remember(this.#partsOf, peer, () => this.#matchParts(peer));
  }

  podsOfTest(test: PodTest): Matches {
    if (test.kind === 'every') return { every: test.answer, some: NONE };
    return remember(this.#ofTest, keyOfPodTest(test), () => ({ every: false, some: this.#ask(test) }));
  }

  #anyOf(tests: readonly PodTest[]): Matches {
    const [first, ...others] = tests.map((test) => this.podsOfTest(test));
    if (first === undefined) return { every: false, some: NONE };
    return others.reduce(either, first);
  }

  #ask(test: SomePods): ReadonlyMap<number, Answer> {
    const answers = new Map<number, Answer>();
    const groups = test.namespace === null ? this.#byNamespace.values() : [this.#byNamespace.get(test.namespace) ?? []];
    for (const classes of groups) {
      const [first] = classes;
      const ofNamespace = first !== undefined && test.ofNamespace(first.pod.namespace);
      if (ofNamespace === false) continue;
      for (const { id, pod } of classes) {
        const answer = and(ofNamespace, test.ofPod(pod));
        if (answer !== false) answers.set(id, answer);
      }
    }
    return answers;
  }

  /** The answer about most parts is that about every one, so that as few as possible are listed. */
  #matchParts({ outside }: PeerTest): Matches {
    const certain = this.#partsIn(outside.certain);
    const possible = this.#partsIn(outside.possible);
    const total = this.#outside.parts.length;
    const doubt = outside.doubt ?? false;
    const every: Answer =
      certain.length * 2 > total ? true : (possible.length - certain.length) * 2 > total ? doubt : false;
    const some = new Map<number, Answer>();
    if (every !== false) for (const { id } of this.#outside.parts) some.set(id, false);
    for (const { id } of possible) some.set(id, doubt);
    for (const { id } of certain) some.set(id, true);
    for (const [id, answer] of some) if (answer === every) some.delete(id);
    return { every, some };
  }

  #partsIn(addresses: AddressSet): readonly Outside[] {
    return addresses.length === 0 ? [] : this.#outside.partsIn(addresses);
  }
}

function either(left: Matches, right: Matches): Matches {
  const every = or(left.every, right.every);
  if (every === true) return { every, some: NONE };
  const some = new Map<number, Answer>();
  for (const id of [...left.some.keys(), ...right.some.keys()]) {
    const answer = or(left.some.get(id) ?? left.every, right.some.get(id) ?? right.every);
    if (answer !== every) some.set(id, answer);
  }
  return { every, some };
}

function remember<Key, Value>(known: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = known.get(key);
  if (value === undefined) {
    value = make();
    known.set(key, value);
  }
  return value;
}
