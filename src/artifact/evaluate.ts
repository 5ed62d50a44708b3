// Every rule over every run, in the form in which the audit puts verdicts together into a report.

import type { Evaluation, Verdict } from '../audit/finding.ts';
import type { ArtifactRule, ArtifactTerms } from './artifact-rule.ts';
import { judgeRun } from './judgement.ts';
import { toPrintableVerdict } from './printable.ts';
import { contentRules } from './rules/content-rules.ts';
import { digestRules } from './rules/digest-rules.ts';
import { linkRules } from './rules/link-rules.ts';
import { metadataRules } from './rules/metadata-rules.ts';
import { pathRules } from './rules/path-rules.ts';
import { signatureRules } from './rules/signature-rules.ts';
import { stageRules } from './rules/stage-rules.ts';
import type { Run } from './run.ts';

const ARTIFACT_RULES: readonly ArtifactRule[] = [
  ...digestRules,
  ...signatureRules,
  ...stageRules,
  ...linkRules,
  ...pathRules,
  ...metadataRules,
  ...contentRules,
];

/** A rule that throws leaves what the others say, and the report says that it is not whole. */
export function evaluateArtifacts(runs: readonly Run[], terms: ArtifactTerms): readonly Evaluation[] {
  const judged = runs.map((run) => judgeRun(run, terms.trust));
  return ARTIFACT_RULES.map((rule) => {
    const verdicts: Verdict[] = [];
    let failure: string | null = null;
    try {
      for (const verdict of rule.evaluate(judged, terms)) verdicts.push(toPrintableVerdict(verdict));
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    return { info: rule.info, verdicts, failure };
  });
}
