// Questions about pods, asked and put together.

import { type Answer, and, not, or } from './answer.ts';
import type { PodFacts } from './endpoint.ts';
import { EVERY_POD, NO_POD, type PodTest, type SomePods } from './traffic-policy.ts';

export function askPodTest(test: PodTest, pod: PodFacts): Answer {
  if (test.kind === 'every') return test.answer;
  if (test.namespace !== null && test.namespace !== pod.namespace.name) return false;
  const answer = test.ofNamespace(pod.namespace);
  return answer === false ? false : and(answer, test.ofPod(pod));
}

export function askAnyPodTest(tests: readonly PodTest[], pod: PodFacts): Answer {
  let answer: Answer = false;
  for (const test of tests) {
    answer = or(answer, askPodTest(test, pod));
    if (answer === true) return true;
  }
  return answer;
}

export function keyOfPodTest(test: PodTest): string {
  if (test.kind === 'some') return test.key;
  return typeof test.answer === 'boolean' ? String(test.answer) : JSON.stringify(test.answer);
}

export function anyPodTest(tests: readonly PodTest[]): PodTest {
  const [only] = tests;
  if (only === undefined) return NO_POD;
  if (tests.length === 1) return only;
  if (tests.includes(EVERY_POD)) return EVERY_POD;
  return composed('any', tests, (pod) => askAnyPodTest(tests, pod));
}

export function allPodTests(tests: readonly PodTest[]): PodTest {
  const asked = tests.filter((test) => test !== EVERY_POD);
  const [only] = asked;
  if (only === undefined) return EVERY_POD;
  if (asked.length === 1) return only;
  return {
    kind: 'some',
    key: JSON.stringify(['all', ...asked.map(keyOfPodTest)]),
    namespace:
      asked.map((test) => (test.kind === 'some' ? test.namespace : null)).find((name) => name !== null) ?? null,
    ofNamespace: (namespace) => askEach(asked, (test) => (test.kind === 'every' ? true : test.ofNamespace(namespace))),
    ofPod: (pod) => askEach(asked, (test) => (test.kind === 'every' ? test.answer : askOfPod(test, pod))),
  };
}

/** The namespace of one part may be another than that of the whole. */
function askOfPod(test: SomePods, pod: PodFacts): Answer {
  return test.namespace !== null && test.namespace !== pod.namespace.name ? false : test.ofPod(pod);
}

function askEach(tests: readonly PodTest[], ask: (test: PodTest) => Answer): Answer {
  let answer: Answer = true;
  for (const test of tests) {
    answer = and(answer, ask(test));
    if (answer === false) return false;
  }
  return answer;
}

export function noPodTest(test: PodTest): PodTest {
  if (test.kind === 'every') return { kind: 'every', answer: not(test.answer) };
  return composed('not', [test], (pod) => not(askPodTest(test, pod)));
}

function composed(how: string, tests: readonly PodTest[], ofPod: (pod: PodFacts) => Answer): SomePods {
  return {
    kind: 'some',
    key: JSON.stringify([how, ...tests.map(keyOfPodTest)]),
    namespace: null,
    ofNamespace: () => true,
    ofPod,
  };
}
