// What happens while the demo is up: each decision about what is tried by hand, and what becomes of the peers that are there all the time.

import { relative } from 'node:path';
import { quote } from '../../core/quote.ts';
import type { RequestRecord } from '../../telemetry/recorder.ts';
import type { Observation } from './decision-tap.ts';
import type { OwnSvid } from './stage.ts';
import { formatMicros, type Paint } from './table.ts';
import type { TrafficCounts } from './traffic.ts';

const VERDICT_WIDTH = 10;
const GAP = '  ';
const SHORT_SHA256 = 8;

export interface ObservedRequest {
  readonly observation: Observation;
  readonly record: RequestRecord;
  /** What else is to be said of it; may be empty. */
  readonly note: string;
}

/** One line on who was told what, and one on what was asked if it was read at all. */
export function formatRequest({ observation, record, note }: ObservedRequest, paint: Paint): string {
  const { effect, reason, status, overheadSeconds } = observation;
  const verdict = paint(effect === 'allow' ? 'green' : 'red', `${effect} ${status}`.padEnd(VERDICT_WIDTH));
  const who = `${record.principal ?? 'nobody'} → ${record.target ?? 'nowhere'}`;
  const isTimed = Number.isFinite(overheadSeconds) && effect !== 'cut';
  const cost = isTimed ? [`${formatMicros(overheadSeconds)} µs`] : [];
  const lines = [[verdict, who, reason, ...cost].join(GAP)];
  if (record.method !== '') {
    const asked = `${record.method} ${quote(record.path)}`;
    const details = [asked, ...(effect === 'cut' ? [] : ruleOf(record)), note].filter((detail) => detail !== '');
    lines.push(`${' '.repeat(VERDICT_WIDTH)}${GAP}${paint('dim', details.join(GAP))}`);
  }
  return `${lines.join('\n')}\n`;
}

/** One line: the sidecar has another SVID, and how those fared meanwhile who are there all the time. */
export function formatRotation(
  { sha256, notAfterMs }: OwnSvid,
  { counts, nowMs }: { readonly counts: TrafficCounts; readonly nowMs: number },
  paint: Paint,
): string {
  const { requests, failed, refused, streaming, broken } = counts;
  const svid = `${sha256.slice(0, SHORT_SHA256)}… for ${Math.round((notAfterMs - nowMs) / 1000)} s`;
  const parts: readonly (readonly [isWell: boolean, text: string])[] = [
    [true, `${'rotated'.padEnd(VERDICT_WIDTH)}${GAP}${svid} · ${format(requests)} requests`],
    [failed === 0, `, ${format(failed)} failed`],
    [true, refused === 0 ? '' : `, ${format(refused)} refused`],
    [true, ` · ${streaming} ${streaming === 1 ? 'stream' : 'streams'} unbroken`],
    [false, broken === 0 ? '' : `, ${format(broken)} broken`],
  ];
  const said = parts.filter(([, text]) => text !== '');
  return `${said.map(([isWell, text]) => paint(isWell ? 'dim' : 'red', text)).join('')}\n`;
}

function format(count: number): string {
  return count.toLocaleString('en');
}

function ruleOf({ decision }: RequestRecord): readonly string[] {
  const rule = decision?.rule ?? null;
  return rule === null ? [] : [`${relative('.', rule.file)}:${rule.line}`];
}
