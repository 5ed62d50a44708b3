import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { materialsOf, nextState, type StreamEvent, type StreamState } from '../../src/workload-api/stream-state.ts';

type State = StreamState<string>;
type Event = StreamEvent<string>;

const waiting: State = { kind: 'waiting', reason: 'nothing yet', sinceMs: 1 };
const current: State = { kind: 'current', materials: 'old', receivedMs: 2 };
const stale: State = { ...current, kind: 'stale', reason: 'away', sinceMs: 3, nextAttemptMs: 4 };
const withdrawn: State = { kind: 'withdrawn', reason: 'denied', sinceMs: 3, nextAttemptMs: 4 };
const stopped: State = { kind: 'stopped', reason: 'refused' };

const received: Event = { kind: 'received', materials: 'new', atMs: 9 };
const discarded: Event = { kind: 'discarded', reason: 'broken', atMs: 9 };
const denied: Event = { kind: 'withdrawn', reason: 'no more', atMs: 9, nextAttemptMs: 20 };
const redacted: Event = { kind: 'withdrawn', reason: 'not there', atMs: 9, nextAttemptMs: null };
const failed: Event = { kind: 'failed', reason: 'gone', atMs: 9, nextAttemptMs: 20 };
const refused: Event = { kind: 'failed', reason: 'not ours', atMs: 9, nextAttemptMs: null };

const isNew: State = { kind: 'current', materials: 'new', receivedMs: 9 };

describe('stream state', () => {
  it.each<[string, State, Event, State]>([
    ['waiting, received', waiting, received, isNew],
    ['waiting, discarded', waiting, discarded, { ...waiting, reason: 'broken' }],
    ['waiting, denied', waiting, denied, { kind: 'withdrawn', reason: 'no more', sinceMs: 9, nextAttemptMs: 20 }],
    [
      'waiting, redacted',
      waiting,
      redacted,
      { kind: 'withdrawn', reason: 'not there', sinceMs: 9, nextAttemptMs: null },
    ],
    ['waiting, failed', waiting, failed, { ...waiting, reason: 'gone' }],
    ['waiting, refused', waiting, refused, { kind: 'stopped', reason: 'not ours' }],
    ['current, received', current, received, isNew],
    ['current, discarded', current, discarded, current],
    ['current, denied', current, denied, { kind: 'withdrawn', reason: 'no more', sinceMs: 9, nextAttemptMs: 20 }],
    [
      'current, redacted',
      current,
      redacted,
      { kind: 'withdrawn', reason: 'not there', sinceMs: 9, nextAttemptMs: null },
    ],
    ['current, failed', current, failed, { ...stale, reason: 'gone', sinceMs: 9, nextAttemptMs: 20 }],
    ['current, refused', current, refused, { ...stale, reason: 'not ours', sinceMs: 9, nextAttemptMs: null }],
    ['stale, received', stale, received, isNew],
    ['stale, discarded', stale, discarded, { ...stale, reason: 'broken' }],
    ['stale, denied', stale, denied, { kind: 'withdrawn', reason: 'no more', sinceMs: 9, nextAttemptMs: 20 }],
    ['stale, redacted', stale, redacted, { kind: 'withdrawn', reason: 'not there', sinceMs: 9, nextAttemptMs: null }],
    ['stale, failed', stale, failed, { ...stale, reason: 'gone', nextAttemptMs: 20 }],
    ['stale, refused', stale, refused, { ...stale, reason: 'not ours', nextAttemptMs: null }],
    ['withdrawn, received', withdrawn, received, isNew],
    ['withdrawn, discarded', withdrawn, discarded, withdrawn],
    ['withdrawn, denied', withdrawn, denied, { ...withdrawn, reason: 'no more', nextAttemptMs: 20 }],
    ['withdrawn, redacted', withdrawn, redacted, { ...withdrawn, reason: 'not there', nextAttemptMs: null }],
    ['withdrawn, failed', withdrawn, failed, { ...withdrawn, nextAttemptMs: 20 }],
    ['withdrawn, refused', withdrawn, refused, { ...withdrawn, nextAttemptMs: null }],
    ['stopped, failed', stopped, failed, stopped],
    ['stopped, discarded', stopped, discarded, stopped],
  ])('%s', (_name, state, event, expected) => {
    expect(nextState(state, event)).toEqual(expected);
  });

  it('is the same state when there is nothing new to tell', () => {
    const again = { ...failed, reason: waiting.reason };
    expect(nextState(waiting, again)).toBe(waiting);
    expect(nextState(stale, { ...discarded, reason: stale.reason })).toBe(stale);
  });

  it('WA-156 has what was last received unless that was withdrawn since, whatever else happened', () => {
    const event = fc.oneof(
      fc.record({ kind: fc.constant('received' as const), materials: fc.string(), atMs: fc.nat() }),
      fc.constantFrom(discarded, denied, redacted, failed, refused),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 20 }), (events) => {
        const end = events.reduce<State>(nextState, waiting);
        const last = events.findLast(({ kind }) => kind === 'received' || kind === 'withdrawn');
        expect(materialsOf(end)).toBe(last?.kind === 'received' ? last.materials : null);
        expect(end.kind === 'current').toBe(events.findLast(({ kind }) => kind !== 'discarded')?.kind === 'received');
      }),
      { numRuns: 500 },
    );
  });
});
