// How an audit that watches writes what changes: lines for people, or objects for programs.

import { type AuditEvent, describeEvent, eventToJson } from '../audit/watch/audit-event.ts';
import { AuditCommandError } from './audit-error.ts';
import type { Output } from './audit-output.ts';

export const EVENT_FORMS = ['text', 'ndjson'] as const;
export type EventForm = (typeof EVENT_FORMS)[number];

export function formatEvent(event: AuditEvent, form: EventForm, atMs: number): string {
  if (form === 'ndjson') return `${JSON.stringify(eventToJson(event, atMs))}\n`;
  return `${new Date(atMs).toISOString().slice(11, 19)} ${describeEvent(event)}\n`;
}

/** What is written besides events. @throws {AuditCommandError} when both would be on standard output, and one is for programs */
export function outputsBeside(targets: readonly Output[], form: EventForm): readonly Output[] {
  const [only] = targets;
  const isDefault = targets.length === 1 && only?.format === 'table' && only.file === null;
  if (isDefault) return form === 'text' ? targets : [];
  if (targets.some(({ file }) => file === null)) {
    throw new AuditCommandError('usage', 'with --watch events are on standard output: give each --format an --output');
  }
  return targets;
}
