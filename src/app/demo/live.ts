// Each decision while the demo is up, so that what is tried by hand can be seen where it is decided.

import { relative } from 'node:path';
import { quote } from '../../core/quote.ts';
import type { RequestRecord } from '../../telemetry/recorder.ts';
import type { Observation } from './decision-tap.ts';
import { formatMicros, type Paint } from './table.ts';

const VERDICT_WIDTH = 10;
const GAP = '  ';

/** One line on who was told what, and one on what was asked if it was read at all. */
export function formatObservation(observation: Observation, record: RequestRecord, paint: Paint): string {
  const { effect, reason, status, overheadSeconds } = observation;
  const verdict = paint(effect === 'allow' ? 'green' : 'red', `${effect} ${status}`.padEnd(VERDICT_WIDTH));
  const who = `${record.principal ?? 'nobody'} → ${record.target ?? 'nowhere'}`;
  const cost = Number.isFinite(overheadSeconds) ? [`${formatMicros(overheadSeconds)} µs`] : [];
  const lines = [[verdict, who, reason, ...cost].join(GAP)];
  if (record.method !== '') {
    const asked = [`${record.method} ${quote(record.path)}`, ...ruleOf(record)].join(GAP);
    lines.push(`${' '.repeat(VERDICT_WIDTH)}${GAP}${paint('dim', asked)}`);
  }
  return `${lines.join('\n')}\n`;
}

function ruleOf({ decision }: RequestRecord): readonly string[] {
  const rule = decision?.rule ?? null;
  return rule === null ? [] : [`${relative('.', rule.file)}:${rule.line}`];
}
