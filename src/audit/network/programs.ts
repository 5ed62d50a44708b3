// The programs of all pods of a cluster: pods that are subject to the same policies share one.

import { type Answer, or } from './answer.ts';
import { bindProgram, keyOfProgram, type Program, type Selected, type Slot, slotsOf } from './binding.ts';
import type { EnforcedTiers } from './enforced-tiers.ts';
import type { PodFacts } from './endpoint.ts';
import type { Matcher } from './matcher.ts';
import type { PodClass } from './pod-class.ts';
import { askPodTest } from './pod-test.ts';
import type { Direction } from './traffic-policy.ts';

export interface Programs {
  ofClass(id: number, direction: Direction): Program;
  /** Of a pod that is in no class. */
  ofPod(pod: PodFacts, direction: Direction): Program;
}

export interface ProgramSource {
  readonly enforced: readonly EnforcedTiers[];
  readonly classes: readonly PodClass[];
  readonly matcher: Matcher;
}

export function createPrograms(source: ProgramSource): Programs {
  const sides = { ingress: createSide(source, 'ingress'), egress: createSide(source, 'egress') };
  return {
    ofClass: (id, direction) => {
      const program = sides[direction].byClass[id];
      if (program === undefined) throw new RangeError(`there is no class ${id}`);
      return program;
    },
    ofPod: (pod, direction) => sides[direction].bind(pod),
  };
}

interface Side {
  readonly byClass: readonly Program[];
  bind(pod: PodFacts): Program;
}

function createSide({ enforced, classes, matcher }: ProgramSource, direction: Direction): Side {
  const slots = slotsOf(enforced, direction);
  const selectedByClass = selectClasses(slots, classes, matcher);
  const programs = new Map<string, Program>();
  const bind = (selected: readonly Selected[], pod: PodFacts): Program => {
    const key = keyOfProgram(selected, slots, { direction, pod });
    const known = programs.get(key);
    if (known !== undefined) return known;
    const program = bindProgram(selected, { enforced, slots }, { direction, pod });
    programs.set(key, program);
    return program;
  };
  const byNamespace = Map.groupBy(slots.keys(), (slot) => namespaceOf(slots[slot]));
  return {
    byClass: classes.map(({ id, pod }) => bind(selectedByClass[id] ?? [], pod)),
    bind: (pod) => {
      const candidates = [...(byNamespace.get(null) ?? []), ...(byNamespace.get(pod.namespace.name) ?? [])];
      return bind(
        selectFor(
          pod,
          candidates.sort((left, right) => left - right),
          slots,
        ),
        pod,
      );
    },
  };
}

function namespaceOf(slot: Slot | undefined): string | null {
  const subjects = slot?.policy.subjects;
  return subjects?.kind === 'some' ? subjects.namespace : null;
}

function selectClasses(
  slots: readonly Slot[],
  classes: readonly PodClass[],
  matcher: Matcher,
): readonly (readonly Selected[])[] {
  const selected: Selected[][] = classes.map(() => []);
  const add = (id: number, slot: number, answer: Answer): void => {
    if (answer !== false) selected[id]?.push({ slot, answer });
  };
  for (const [slot, { policy }] of slots.entries()) {
    const { every, some } = matcher.podsOfTest(policy.subjects);
    if (every === false) for (const [id, answer] of some) add(id, slot, answer);
    else for (const { id } of classes) add(id, slot, or(every, some.get(id) ?? false));
  }
  return selected;
}

function selectFor(pod: PodFacts, candidates: readonly number[], slots: readonly Slot[]): readonly Selected[] {
  return candidates.flatMap((slot): readonly Selected[] => {
    const subjects = slots[slot]?.policy.subjects;
    const answer = subjects === undefined ? false : askPodTest(subjects, pod);
    return answer === false ? [] : [{ slot, answer }];
  });
}
