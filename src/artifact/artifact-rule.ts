// What a rule over run directories is, and how its account begins.

import type { Json, RuleInfo, Severity, Tenet, Verdict } from '../audit/finding.ts';
import type { Path } from '../audit/path.ts';
import type { FailureAccount } from '../audit/verdict.ts';
import type { JudgedRun } from './judgement.ts';
import type { Trust } from './trust.ts';

export interface ArtifactTerms {
  readonly trust: Trust | null;
  readonly nowMs: number;
}

export interface ArtifactRule {
  readonly info: RuleInfo;
  /** Of all runs that were given, since one may take what another made. */
  evaluate(runs: readonly JudgedRun[], terms: ArtifactTerms): Iterable<Verdict>;
}

export function artifactRuleInfo(
  info: Pick<RuleInfo, 'id' | 'title' | 'severity' | 'help'> & {
    readonly tenets?: readonly Tenet[];
    readonly atlas?: readonly string[];
  },
): RuleInfo {
  return { tenets: ['T5'], atlas: ['AML.T0010.003'], ...info, aliases: [], subject: 'artifact', check: null };
}

export interface ArtifactFailure {
  readonly at?: Path;
  readonly detail: string;
  readonly remedy: string;
  readonly evidence?: Readonly<Record<string, Json>>;
  readonly severity?: Severity;
  readonly key?: string;
}

export function accountOf({ at = [], detail, remedy, evidence = {}, severity, key }: ArtifactFailure): FailureAccount {
  return {
    at,
    detail,
    evidence,
    remediation: { text: remedy, patch: null, manifest: null },
    ...(severity === undefined ? {} : { severity }),
    ...(key === undefined ? {} : { key }),
  };
}

/** For evidence: the beginning of a list that anybody may have made long. */
export function firstOf(names: readonly string[]): readonly string[] {
  return names.slice(0, MAX_SHOWN).map((name) => (name.length > MAX_LENGTH ? `${name.slice(0, MAX_LENGTH)}…` : name));
}

/** What was found, for `key`: what was accepted in a baseline is that, and not whatever lies there later. */
export function keyOf(what: string, found: readonly string[]): string {
  return JSON.stringify([what, ...found.toSorted()]);
}

const MAX_SHOWN = 10;
const MAX_LENGTH = 160;
