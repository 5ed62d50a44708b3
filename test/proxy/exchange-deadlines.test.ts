import { describe, expect, it } from 'vitest';
import { type ExchangeProgress, findOverdue } from '../../src/proxy/exchange-deadlines.ts';

const BOUNDS = {
  limits: { minBodyBytesPerSecond: 100, bodyGraceMs: 1_000, tunnelIdleTimeoutMs: 60_000 },
  deadlines: { responseHeadTimeoutMs: 30_000, bodyIdleTimeoutMs: 10_000 },
};
const SENT: ExchangeProgress = {
  request: 'complete',
  isAnswering: false,
  isCall: false,
  isTunnel: false,
  isPeerCongested: false,
  stillMs: 0,
  bodyWaitMs: 0,
  requestBytes: 0,
};
const LATE = { kind: 'fail', refusal: 'upstream-timeout', otherwise: 'upstream-failed' };
const NO_BODY = { kind: 'fail', refusal: 'body-timeout', otherwise: 'limit' };

describe('an exchange', () => {
  it.each<[string, Partial<ExchangeProgress>, number, object]>([
    ['whose answer does not begin', {}, 30_000, LATE],
    ['whose answer stands still', { isAnswering: true }, 10_000, LATE],
    [
      'whose peer takes nothing of it',
      { isAnswering: true, isPeerCongested: true },
      10_000,
      { kind: 'cut', termination: 'peer-stalled' },
    ],
    ['whose body stands still', { request: 'arriving' }, 10_000, NO_BODY],
    ['whose body nobody takes', { request: 'congested' }, 10_000, LATE],
    ['whose body nobody asks for', { request: 'expecting' }, 10_000, LATE],
    [
      'that is a tunnel where nothing is said',
      { request: 'arriving', isAnswering: true, isTunnel: true },
      60_000,
      { kind: 'cut', termination: 'idle-timeout' },
    ],
    [
      'that is a tunnel whose upstream takes nothing',
      { request: 'congested', isAnswering: true, isTunnel: true },
      10_000,
      LATE,
    ],
    [
      'that is a tunnel whose peer takes nothing',
      { request: 'arriving', isAnswering: true, isTunnel: true, isPeerCongested: true },
      10_000,
      { kind: 'cut', termination: 'peer-stalled' },
    ],
    ['that is a call without an answer', { isCall: true }, 30_000, LATE],
    ['that is a call whose messages nobody takes', { isCall: true, request: 'congested' }, 10_000, LATE],
    [
      'that is a call whose peer takes nothing',
      { isCall: true, isAnswering: true, isPeerCongested: true },
      10_000,
      { kind: 'cut', termination: 'peer-stalled' },
    ],
  ])('%s is overdue at its deadline, and not before', (_name, progress, atMs, expected) => {
    expect(findOverdue({ ...SENT, ...progress, stillMs: atMs - 1 }, BOUNDS)).toBeNull();
    expect(findOverdue({ ...SENT, ...progress, stillMs: atMs }, BOUNDS)).toEqual(expected);
  });

  it.each<[string, Partial<ExchangeProgress>]>([
    ['while its peer has nothing to say', { request: 'arriving' }],
    ['while neither has', { request: 'arriving', isAnswering: true }],
    ['while its server has nothing to say', { isAnswering: true }],
  ])('that is a call may be quiet %s', (_name, progress) => {
    expect(findOverdue({ ...SENT, isCall: true, ...progress, stillMs: 1e9, bodyWaitMs: 1e9 }, BOUNDS)).toBeNull();
  });

  it('is overdue when its body comes too slowly, however it moves', () => {
    const slow = { ...SENT, request: 'arriving' as const, requestBytes: 200 };
    expect(findOverdue({ ...slow, bodyWaitMs: 3_000 }, BOUNDS)).toBeNull();
    expect(findOverdue({ ...slow, bodyWaitMs: 3_001 }, BOUNDS)).toEqual(NO_BODY);
    const unbounded = { ...BOUNDS, limits: { ...BOUNDS.limits, minBodyBytesPerSecond: 0 } };
    expect(findOverdue({ ...slow, bodyWaitMs: 1e9 }, unbounded)).toBeNull();
  });
});
