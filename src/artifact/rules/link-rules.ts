// Whether what a stage takes is what an earlier one made.

import type { Verdict } from '../../audit/finding.ts';
import { failed, passed, unknown } from '../../audit/verdict.ts';
import { accountOf, type ArtifactRule, artifactRuleInfo, keyOf } from '../artifact-rule.ts';
import { digestEquals, formatDigest } from '../digest.ts';
import type { JudgedRun, JudgedSubject } from '../judgement.ts';
import { nameOf } from '../run-tree.ts';
import type { Trust } from '../trust.ts';
import { findOutputs, findProducers, inputDigests } from './stage-link.ts';

const LINK: ArtifactRule = {
  info: artifactRuleInfo({
    id: 'artifact-stage-link',
    title: 'A stage takes what no earlier stage made',
    severity: 'medium',
    tenets: ['T5', 'T6'],
    atlas: ['AML.T0010', 'AML.T0010.002', 'AML.T0010.003'],
    help: `Between two stages lies a place where artifacts wait. When the digest of an input is the digest of an output of an earlier stage, nothing was exchanged there. An input that bears the name of an output and has another digest was.

**Fix:** declare every input with its digest; list what comes from outside (data sets, base models) under \`external\` of the policy, and say with \`inputsFrom\` which stages a stage may take from.`,
  }),
  *evaluate(runs, { trust }): Iterable<Verdict> {
    for (const { subjects } of runs) {
      for (const subject of subjects)
        if (subject.artifact.direction === 'input') yield judgeInput(subject, runs, trust);
    }
  },
};

function judgeInput(subject: JudgedSubject, runs: readonly JudgedRun[], trust: Trust | null): Verdict {
  const { resource, stage, actual, artifact } = subject;
  const digests = inputDigests(subject);
  if (actual.kind === 'unknown' && actual.reason !== 'missing') {
    return unknown(resource, { at: [], reason: actual.reason, detail: `where it came from: ${actual.detail}` });
  }
  if (digests.length === 0) {
    return failed(
      resource,
      accountOf({
        detail: 'it has no digest, so that it could be anything',
        remedy: 'Declare the digest of what the stage takes, as it was when it was taken.',
      }),
    );
  }
  const taken = digests.map(formatDigest);
  const producers = findProducers(subject, runs);
  const allowed = trust?.document.stages.get(stage.stage)?.inputsFrom ?? null;
  const producer = producers.find((each) => allowed === null || allowed.includes(each.stage.stage));
  if (producer !== undefined) return passed(resource, [], `made by the stage \`${producer.stage.stage}\``);
  const [other] = producers;
  if (other !== undefined) {
    return failed(
      resource,
      accountOf({
        detail: `the stage \`${other.stage.stage}\` made it, and \`${stage.stage}\` may take from ${(allowed ?? []).join(', ') || 'none'} only`,
        remedy: 'Take the output of the stage that is meant; or add the other to `inputsFrom` of the policy.',
        severity: 'high',
        key: keyOf('stage', [other.stage.stage, ...taken]),
      }),
    );
  }
  const external = trust?.document.external.find(({ digest }) => digests.some((each) => digestEquals(each, digest)));
  if (external !== undefined)
    return passed(resource, [], `it comes from outside, as the policy lists it: ${external.reason}`);
  return judgeUnlinked(subject, { name: nameOf(artifact.path), outputs: findOutputs(subject, runs), taken });
}

function judgeUnlinked(
  { resource }: JudgedSubject,
  {
    name,
    outputs,
    taken,
  }: { readonly name: string; readonly outputs: readonly JudgedSubject[]; readonly taken: readonly string[] },
): Verdict {
  const named = outputs.find(({ artifact }) => nameOf(artifact.path) === name);
  if (named?.actual.kind === 'unknown') {
    const detail = `whether the stage \`${named.stage.stage}\` made it: ${named.actual.detail}`;
    return unknown(resource, { at: [], reason: named.actual.reason, detail });
  }
  if (named !== undefined) {
    return failed(
      resource,
      accountOf({
        detail: `the stage \`${named.stage.stage}\` made \`${name}\`, and these are other bytes`,
        remedy: 'Do not go on from here: find out who exchanged it between the stages.',
        severity: 'critical',
        key: keyOf('exchanged', taken),
      }),
    );
  }
  return failed(
    resource,
    accountOf({
      detail: 'no other stage of the run made it, and the policy does not list it as coming from outside',
      remedy:
        'Give the whole run; or list its digest under `external` of the policy, with the reason why it is trusted.',
      key: keyOf('unmade', taken),
    }),
  );
}

export const linkRules: readonly ArtifactRule[] = [LINK];
