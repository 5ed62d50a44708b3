import { describe, expect, it } from 'vitest';
import { NewDestinations } from '../../src/app/new-destinations.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { RecordingRecorder } from '../support/proxy-fixture.ts';

const PROGRAM = 'spiffe://ai.example/training/job';

function listen(workers = 1) {
  const lines: string[] = [];
  const recorder = new RecordingRecorder();
  const clock = { nowMs: 0, wallMs: () => 0, monotonicMs: () => clock.nowMs };
  const log = createLogger({ level: 'info', destination: { write: (line: string) => void lines.push(line) } });
  const destinations = new NewDestinations({ listener: 'out', log, recorder, clock, workers });
  return { lines, recorder, clock, ask: (authority: string) => destinations.unrouted(PROGRAM, authority) };
}

describe('a destination that no route knows', () => {
  it('is told of once a minute and counted each time', () => {
    const { lines, recorder, clock, ask } = listen();
    for (let second = 0; second < 120; second += 1) {
      clock.nowMs = second * 1_000;
      ask('evil.example:443');
    }
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: 'warn', listener: 'out', principal: PROGRAM, authority: 'evil.example:443', msg: 'new destination' },
      { authority: 'evil.example:443' },
    ]);
    expect(recorder.newDestinations).toHaveLength(120);
  });

  it('does not keep others from being told of', () => {
    const { lines, ask } = listen();
    for (const authority of ['a.example', 'a.example', 'b.example']) ask(authority);
    expect(lines).toHaveLength(2);
  });

  it('CA-117 made up a million times over fills neither the log nor the memory of what was told', () => {
    const { lines, recorder, clock, ask } = listen(2);
    for (let at = 0; at < 5_000; at += 1) ask(`${at}.example`);
    expect(lines).toHaveLength(10);
    expect(recorder.newDestinations).toHaveLength(5_000);
    // Those that were not told of are still new.
    clock.nowMs = 1_000;
    ask('4999.example');
    expect(lines).toHaveLength(11);
  });

  it('is forgotten when a thousand others have been told of since', () => {
    const { lines, clock, ask } = listen();
    ask('first.example');
    for (let at = 0; at < 1_000; at += 1) {
      clock.nowMs += 50;
      ask(`${at}.example`);
    }
    expect(lines.length).toBe(1_001);
    clock.nowMs += 1_000;
    ask('first.example');
    expect(lines).toHaveLength(1_002);
    ask('999.example');
    expect(lines).toHaveLength(1_002);
  });
});
