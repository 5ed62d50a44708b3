// Verdicts, as rules make them.

import type { Judgement, Json, NoJudgement, Remediation, ResourceRef, Severity } from './finding.ts';
import type { Unreadable } from './inventory.ts';
import type { Path } from './path.ts';

export interface FailureAccount {
  readonly at: Path;
  readonly detail: string;
  readonly evidence: Readonly<Record<string, Json>>;
  readonly remediation: Remediation;
  readonly severity?: Severity;
  readonly key?: string;
}

export interface UnknownAccount {
  readonly at: Path;
  /** Kebab-case, from a small set, by which coverage is counted. */
  readonly reason: string;
  readonly detail: string;
  readonly evidence?: Readonly<Record<string, Json>>;
  readonly key?: string;
}

export const NO_REMEDIATION: Remediation = { text: '', patch: null, manifest: null };

const NO_EVIDENCE: Readonly<Record<string, Json>> = {};

export function passed(resource: ResourceRef, at: Path, detail: string): Judgement {
  return { verdict: 'pass', resource, at, detail, evidence: NO_EVIDENCE, remediation: NO_REMEDIATION };
}

export function failed(resource: ResourceRef, account: FailureAccount): Judgement {
  return { verdict: 'fail', resource, ...account };
}

export function unknown(resource: ResourceRef, account: UnknownAccount): NoJudgement {
  return { verdict: 'unknown', resource, evidence: NO_EVIDENCE, remediation: NO_REMEDIATION, ...account };
}

/** For what could not be judged because `unreadable` was not there to be looked at. */
export function unknownWithout(resource: ResourceRef, at: Path, unreadable: Unreadable): NoJudgement {
  const { reason, what, detail } = unreadable;
  return unknown(resource, { at, reason, detail: `${what} could not be looked at: ${detail}` });
}
