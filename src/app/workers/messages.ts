// What the process that was started and those that serve under it tell each other, over a channel that only the two of them have.

import type { ReportedMetric } from '../../telemetry/metric-merge.ts';
import type { Config } from '../config.ts';
import type { StateChange } from './state-change.ts';

/** In this order, and answered in this order. */
export type ToWorker =
  /** The first. `config` is the worker's share, and its ports are those that were taken; `state` is all there is at that moment. */
  | {
      readonly kind: 'start';
      readonly config: Config;
      readonly sequence: number;
      readonly state: readonly StateChange[];
    }
  | { readonly kind: 'change'; readonly sequence: number; readonly change: StateChange }
  /** Sent ever again, from the beginning on: nothing that was sent before it is missing. `saidMs` is in shared time. */
  | { readonly kind: 'beat'; readonly saidMs: number }
  | { readonly kind: 'reverify' }
  | { readonly kind: 'report' }
  | { readonly kind: 'drain' }
  /** At once. */
  | { readonly kind: 'end' };

export type FromWorker =
  /** It can be told things. */
  | { readonly kind: 'up' }
  | { readonly kind: 'listening' }
  /** It cannot listen; lines for people. */
  | { readonly kind: 'refused'; readonly lines: readonly string[] }
  /** What was sent with this number, and everything before it, is in force. */
  | { readonly kind: 'in-force'; readonly sequence: number }
  | { readonly kind: 'report'; readonly metrics: readonly ReportedMetric[] };

/** Both ends are the same program, and nobody else can write into the channel: what comes out of it is what was put in. */
export function readToWorker(message: unknown): ToWorker {
  return message as ToWorker;
}

export function readFromWorker(message: unknown): FromWorker {
  return message as FromWorker;
}

/** Between two beats. */
export const BEAT_MS = 500;
/** A worker that hears nothing for this long no longer knows what is in force. */
export const MAX_SILENCE_MS = 5_000;
