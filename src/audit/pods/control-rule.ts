// A rule about pod templates, made of one control: a verdict for each violation, or one that there is none.

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import {
  refToWorkload,
  type Json,
  type Remediation,
  type Rule,
  type RuleInfo,
  type Severity,
  type Verdict,
} from '../finding.ts';
import type { Path } from '../path.ts';
import { failed, passed, unknown } from '../verdict.ts';
import type { Workload } from '../workload.ts';
import { applyControl } from './control.ts';
import type { Doubt, Inspection, Violation } from './inspection.ts';

/** What a violation is in: the container, or the pod spec. */
export interface Place {
  readonly workload: Workload;
  readonly field: Field;
}

export interface ControlRule {
  readonly info: RuleInfo;
  readonly inspect: (inspection: Inspection) => void;
  /** Which of the violations and doubts are this rule's; all when left out. Another rule has the rest. */
  readonly owns?: (at: Path, found: Json) => boolean;
  /** Where it differs from the rule's. */
  readonly severityOf?: (violation: Violation, place: Place) => Severity;
  readonly evidenceOf?: (violation: Violation, place: Place) => Readonly<Record<string, Json>>;
  readonly remedyOf: (violation: Violation, place: Place) => Remediation;
  /** "no container is privileged". */
  readonly held: string;
}

export function controlRule(rule: ControlRule): Rule {
  return {
    info: rule.info,
    *evaluate(cluster: Cluster): Iterable<Verdict> {
      // A template that others make their pods from is to be seen nowhere else.
      for (const template of [...cluster.workloads, ...cluster.blueprints]) yield* judge(rule, template);
    },
  };
}

function* judge(rule: ControlRule, workload: Workload): Iterable<Verdict> {
  const { violations, doubts } = applyControl(rule, workload);
  const broken = violations.filter(({ at, found }) => rule.owns?.(at, found) ?? true);
  const open = withoutRepetition(doubts.filter(({ at }) => rule.owns?.(at, null) ?? true));
  for (const violation of broken) yield toFailure(rule, workload, violation);
  for (const { container, at, reason, detail } of open) {
    const resource = refToWorkload(workload, container);
    const evidence = { path: textOf(workload, at) };
    yield unknown(resource, { at, reason, detail: `${nameOf(container)}: ${detail}`, evidence, key: reason });
  }
  if (broken.length + open.length === 0) yield passed(refToWorkload(workload, null), workload.podPath, rule.held);
}

function toFailure(rule: ControlRule, workload: Workload, violation: Violation): Verdict {
  const { container, at, detail, found } = violation;
  const place: Place = { workload, field: container?.field ?? workload.podSpec };
  const severity = rule.severityOf?.(violation, place);
  return failed(refToWorkload(workload, container), {
    at,
    detail: `${nameOf(container)} ${detail}`,
    evidence: {
      path: textOf(workload, at),
      found,
      ...(container === null ? {} : { containerKind: container.kind }),
      ...rule.evidenceOf?.(violation, place),
    },
    remediation: rule.remedyOf(violation, place),
    ...(severity === undefined ? {} : { severity }),
  });
}

function nameOf(container: Violation['container']): string {
  return container === null ? 'the pod' : `container \`${container.name}\``;
}

function textOf(workload: Workload, at: Path): string {
  return `${workload.source === workload.object ? '' : `${workload.source.name}: `}${at.join('.')}`;
}

/** A partial template is in doubt at many places for one reason. */
function withoutRepetition(doubts: readonly Doubt[]): readonly Doubt[] {
  const hasPartialPod = doubts.some(({ container, reason }) => reason === 'partial-template' && container === null);
  const seen = new Set<string>();
  return doubts.filter(({ container, reason }) => {
    if (reason !== 'partial-template') return true;
    if (hasPartialPod && container !== null) return false;
    const key = container?.name ?? '';
    return !seen.has(key) && Boolean(seen.add(key));
  });
}
