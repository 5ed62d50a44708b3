// A verdict in a report: what nobody asks for is never worked out, since most verdicts are passes that are only counted.

import type { SourcePosition } from '../core/source-position.ts';
import { SEVERITIES, type Json, type Remediation, type RuleInfo, type Severity, type Verdict } from './finding.ts';
import { fingerprintOf, identityOf } from './fingerprint.ts';
import type { Path } from './path.ts';
import type { Finding, FindingResource, FindingState } from './report.ts';

export class ReportedFinding implements Finding {
  readonly rule: RuleInfo;
  readonly state: FindingState;
  readonly #verdict: Verdict;
  readonly #neighbours: Neighbours;
  #fingerprint: string | null;
  #location: SourcePosition | null | undefined;

  constructor(
    rule: RuleInfo,
    verdict: Verdict,
    {
      fingerprint,
      state,
      neighbours,
    }: { readonly fingerprint: string | null; readonly state: FindingState; readonly neighbours: Neighbours },
  ) {
    this.rule = rule;
    this.state = state;
    this.#verdict = verdict;
    this.#fingerprint = fingerprint;
    this.#neighbours = neighbours;
    neighbours.add(verdict, this);
  }

  get verdict(): 'pass' | 'fail' | 'unknown' {
    return this.#verdict.verdict;
  }

  get reason(): string | null {
    return this.#verdict.verdict === 'unknown' ? this.#verdict.reason : null;
  }

  get severity(): Severity {
    return this.#verdict.severity ?? this.rule.severity;
  }

  get detail(): string {
    return this.#verdict.detail;
  }

  get resource(): FindingResource {
    return this.#verdict.resource;
  }

  get at(): Path {
    return this.#verdict.at;
  }

  get location(): SourcePosition | null {
    if (this.#location === undefined) {
      this.#locate();
      for (const each of this.#neighbours.of(this.#verdict)) each.#locate();
    }
    return this.#location ?? null;
  }

  #locate(): void {
    this.#location ??= this.#verdict.resource.locate(this.#verdict.at);
  }

  get evidence(): Readonly<Record<string, Json>> {
    return this.#verdict.evidence;
  }

  get remediation(): Remediation {
    return this.#verdict.remediation;
  }

  get fingerprint(): string {
    this.#fingerprint ??= fingerprintOf(identityOf(this.rule.id, this.#verdict), 1);
    return this.#fingerprint;
  }
}

/** Findings about one text, which are located together: reports go by rules, and would have each text read again for each of them. */
export class Neighbours {
  readonly #open = new Map<unknown, ReportedFinding[]>();
  readonly #passed = new Map<unknown, ReportedFinding[]>();

  add(verdict: Verdict, finding: ReportedFinding): void {
    const { body } = verdict.resource;
    if (body === null) return;
    const known = this.#ofKind(verdict);
    const findings = known.get(body);
    if (findings === undefined) known.set(body, [finding]);
    else findings.push(finding);
  }

  of(verdict: Verdict): readonly ReportedFinding[] {
    return this.#ofKind(verdict).get(verdict.resource.body) ?? [];
  }

  /** Few formats ask where passes are, and there are many. */
  #ofKind({ verdict }: Verdict): Map<unknown, ReportedFinding[]> {
    return verdict === 'pass' ? this.#passed : this.#open;
  }
}

const VERDICT_ORDER = ['fail', 'unknown', 'pass'] as const;

/** Failures first, then by gravity; then by rule and resource. Passes stay as they are: rules give them in the order of the cluster. */
export function compareFindings(left: Finding, right: Finding): number {
  return (
    VERDICT_ORDER.indexOf(left.verdict) - VERDICT_ORDER.indexOf(right.verdict) ||
    (left.verdict === 'pass' ? 0 : compareOpen(left, right))
  );
}

function compareOpen(left: Finding, right: Finding): number {
  return (
    SEVERITIES.indexOf(left.severity) - SEVERITIES.indexOf(right.severity) ||
    compareTexts(left.rule.id, right.rule.id) ||
    compareTexts(left.resource.ref, right.resource.ref) ||
    compareTexts(left.resource.container ?? '', right.resource.container ?? '') ||
    compareTexts(left.fingerprint, right.fingerprint)
  );
}

function compareTexts(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
