// What an audit that watches says: as an object for programs, and as a line for people.

import type { Json, Severity } from '../finding.ts';
import { printable } from '../formats/printable.ts';
import type { FindingChange, JudgementChange } from './finding-changes.ts';
import { describeChange, type ObjectChange, subjectOf } from './object-change.ts';
import type { ReachChange } from './reach-changes.ts';
import type { VisibilityChange } from './visibility-changes.ts';

export type AuditEvent =
  /** The first audit is done, and everything from now on is told. */
  | {
      readonly kind: 'watching';
      readonly source: string;
      readonly workloads: number;
      readonly failures: Readonly<Record<Severity, number>>;
      readonly unknown: number;
    }
  | { readonly kind: 'reach'; readonly change: ReachChange; readonly causes: readonly ObjectChange[] }
  | { readonly kind: 'finding'; readonly change: FindingChange; readonly causes: readonly ObjectChange[] }
  | { readonly kind: 'judgement'; readonly change: JudgementChange }
  | { readonly kind: 'visibility'; readonly change: VisibilityChange }
  /** Of one sort there was too much to tell, or it could not be compared. */
  | { readonly kind: 'more'; readonly of: 'reach' | 'finding'; readonly count: number | null };

const MAX_PEERS = 20;
const MAX_CAUSES = 5;

export function eventToJson(event: AuditEvent, atMs: number): Readonly<Record<string, Json>> {
  const head = { time: new Date(atMs).toISOString(), event: event.kind };
  const text = describeEvent(event);
  switch (event.kind) {
    case 'watching': {
      const { source, workloads, failures, unknown } = event;
      return { ...head, text, source, workloads, failures: { ...failures }, unknown };
    }
    case 'reach': {
      const { shift, isCertain, direction, focus, peers, before, after } = event.change;
      const named = peers.slice(0, MAX_PEERS);
      const ends = direction === 'egress' ? { from: [focus], to: named } : { from: named, to: [focus] };
      const counts = { peers: peers.length, certain: isCertain, before, after };
      return {
        ...head,
        text,
        change: shift,
        ...ends,
        ...counts,
        causes: event.causes.slice(0, MAX_CAUSES).map(toCause),
      };
    }
    case 'finding': {
      const { change, finding } = event.change;
      const { ref, ...rest } = finding;
      return { ...head, text, change, ...rest, resource: ref, causes: event.causes.slice(0, MAX_CAUSES).map(toCause) };
    }
    case 'judgement': {
      const { change, rule, count, example } = event.change;
      return { ...head, text, change, rule, count, resource: example.ref, detail: example.detail };
    }
    case 'visibility':
      return { ...head, text, ...event.change };
    case 'more':
      return { ...head, text, of: event.of, count: event.count };
  }
}

/** One line without an end; nothing in it moves a cursor. */
export function describeEvent(event: AuditEvent): string {
  return printable(sentenceOf(event));
}

function sentenceOf(event: AuditEvent): string {
  switch (event.kind) {
    case 'watching': {
      const counts = Object.entries(event.failures).filter(([, count]) => count > 0);
      const failed = counts.map(([severity, count]) => `${count} ${severity}`).join(', ');
      return `watching ${event.source}: ${event.workloads} workloads, failed: ${failed === '' ? 'nothing' : failed}, ${event.unknown} unknown`;
    }
    case 'reach':
      return `${because(event.causes)}${reachSentence(event.change)}`;
    case 'finding': {
      const { change, finding } = event.change;
      const { severity, rule, ref, detail } = finding;
      const verb = { appeared: `new ${severity}`, resolved: 'resolved', unjudged: 'can no longer be judged' }[change];
      return `${because(event.causes)}${verb} ${rule}: ${ref}: ${detail}`;
    }
    case 'judgement': {
      const { change, rule, count, example } = event.change;
      const verb = change === 'lost' ? 'cannot judge' : 'no longer unknown';
      const verdicts = count === 1 ? '' : `${count} verdicts, such as `;
      return `${verb} ${rule}: ${verdicts}${example.ref}: ${example.detail}`;
    }
    case 'visibility': {
      const { change, what, reason, detail } = event.change;
      const named = nameSome(what);
      if (change === 'served') return `the cluster has ${named} now`;
      if (change === 'absent') return `the cluster no longer has ${named}`;
      if (change === 'regained') return `can see ${named} again`;
      return `can no longer see ${named} (${reason}): ${detail}`;
    }
    case 'more':
      if (event.count === null) return 'too many workloads to compare which of them reach each other';
      return `and ${event.count} more changes of ${event.of === 'reach' ? 'what is reached' : 'findings'}`;
  }
}

function because(causes: readonly ObjectChange[]): string {
  if (causes.length === 0) return '';
  const named = causes.slice(0, MAX_CAUSES).map(describeChange);
  const rest = causes.length > MAX_CAUSES ? [`${causes.length - MAX_CAUSES} other objects changed`] : [];
  return `${[...named, ...rest].join(', ')}: `;
}

function reachSentence({ shift, isCertain, direction, focus, peers, before, after }: ReachChange): string {
  const others = nameSome(peers.map(namePeer));
  const [from, to] = direction === 'egress' ? [focus, others] : [others, focus];
  const limit = after === 'All' || after === 'Unknown' ? '' : ` on ${after}`;
  switch (shift) {
    case 'opened':
      return isCertain ? `${from} can reach ${to}${limit}` : `${from} can perhaps reach ${to}`;
    case 'closed':
      return `${from} can no longer reach ${to}`;
    case 'narrowed':
      return `${from} can reach ${to} ${after === 'Unknown' ? 'on fewer ports' : `only on ${after}`}, no longer on ${before}`;
    case 'changed':
      return `${from} can reach ${to} on ${after}, and could on ${before}`;
    case 'uncertain':
      return `whether ${from} can reach ${to} is no longer certain`;
  }
}

const NAMED_IN_A_SENTENCE = 3;

function nameSome(names: readonly string[]): string {
  const named = names.slice(0, NAMED_IN_A_SENTENCE);
  const rest = names.length - named.length;
  if (rest > 0) return `${named.join(', ')} and ${rest} more`;
  return named.length > 1 ? `${named.slice(0, -1).join(', ')} and ${named.at(-1) ?? ''}` : named.join('');
}

function namePeer(peer: string): string {
  if (peer === 'outside') return 'the internet';
  if (peer === 'metadata') return 'the instance metadata service';
  return peer;
}

function toCause(change: ObjectChange): Readonly<Record<string, Json>> {
  const { apiVersion, kind, namespace, name } = subjectOf(change);
  return { change: change.kind, apiVersion, kind, namespace, name, text: describeChange(change) };
}
