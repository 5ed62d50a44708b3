import { expect, it } from 'vitest';
import { FirstAllows } from '../../src/telemetry/first-allows.ts';
import { decision } from './request-record.ts';

it('tells the first of each principal from the next', () => {
  const firstAllows = new FirstAllows(10);
  const allowed = decision();
  const answers = ['a', 'b', 'a', 'b'].map((principal) => firstAllows.isFirst(allowed, principal));
  expect(answers).toEqual([true, true, false, false]);
});

it('takes every principal for new again when it remembers as many as it may', () => {
  const firstAllows = new FirstAllows(3);
  const allowed = decision();
  const answers = ['a', 'b', 'c', 'c', 'd', 'd', 'a', 'b', 'b'].map((principal) =>
    firstAllows.isFirst(allowed, principal),
  );
  expect(answers).toEqual([true, true, true, false, true, false, true, true, false]);
});

it('counts principals over all targets', () => {
  const firstAllows = new FirstAllows(2);
  const decisions = [
    decision({ target: 'registry' }),
    decision({ target: 'data-store' }),
    decision({ target: 'pipeline' }),
  ];
  const ask = (): readonly boolean[] => decisions.map((allowed) => firstAllows.isFirst(allowed, 'a'));
  expect(ask()).toEqual([true, true, true]);
  expect(ask()[0]).toBe(true);
});

it('takes every principal for new again under another policy', () => {
  const firstAllows = new FirstAllows(10);
  const allowed = decision();
  firstAllows.isFirst(allowed, 'a');
  firstAllows.clear();
  expect(firstAllows.isFirst(allowed, 'a')).toBe(true);
});
