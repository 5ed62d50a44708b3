// Whether a stage is the one that it says it is, and whether all that the policy names are there.

import type { Verdict } from '../../audit/finding.ts';
import { failed, passed, unknown } from '../../audit/verdict.ts';
import { accountOf, type ArtifactRule, artifactRuleInfo } from '../artifact-rule.ts';
import { parentOf } from '../run-tree.ts';
import type { Run } from '../run.ts';
import type { StageMetadata } from '../stage-metadata.ts';
import { refToFile } from '../subject.ts';
import type { TrustDocument } from '../trust-document.ts';

const STAGE: ArtifactRule = {
  info: artifactRuleInfo({
    id: 'artifact-stage',
    title: 'A stage is not the one it says it is, is there twice, or is missing',
    severity: 'critical',
    tenets: ['T4', 'T5', 'T6'],
    help: `Which keys count is decided by the stage, and the stage is told by metadata that nobody signs: whoever can write into the directory of training calls it by the name of a weaker stage and signs with its key, or takes the stage away. So a directory that bears the name of a stage is that stage, no two directories of one run are one stage, and every stage that the policy names is there and makes something.

**Fix:** let each stage write its own metadata under its own name; say \`required: false\` of stages that not every run has; have statements name their \`stage\`.`,
  }),
  *evaluate(runs, { trust }): Iterable<Verdict> {
    for (const members of groupByRun(runs.map(({ run }) => run))) {
      yield* judgeTwice(members);
      if (trust === null) {
        const [first] = members;
        const detail = 'nobody was told which stages there are; give it with --policy';
        if (first !== undefined) yield unknown(refToFile(first.run, '', 1), { at: [], reason: 'no-trust', detail });
        continue;
      }
      for (const member of members) yield judgeName(member, trust.document);
      yield* judgeWhole(members, trust.document);
    }
  },
};

interface Member {
  readonly run: Run;
  readonly stage: StageMetadata;
}

/** Without a name, a run is the directory that was given. */
function groupByRun(runs: readonly Run[]): Iterable<readonly Member[]> {
  const members = runs.flatMap((run) => run.stages.map((stage): Member => ({ run, stage })));
  return Map.groupBy(members, ({ run, stage }) =>
    stage.run === null ? `directory ${runs.indexOf(run)}` : `name ${stage.run}`,
  ).values();
}

function refTo({ run, stage }: Member): ReturnType<typeof refToFile> {
  return { ...refToFile(run, stage.file, 1), locate: stage.locate };
}

function at({ stage }: Member): readonly string[] {
  return stage.hasStageName ? ['stage'] : [];
}

function* judgeTwice(members: readonly Member[]): Iterable<Verdict> {
  for (const [name, claims] of Map.groupBy(members, ({ stage }) => stage.stage)) {
    const homes = new Set(claims.map(({ run, stage }) => `${run.root}/${parentOf(stage.file)}`));
    if (homes.size < 2) continue;
    for (const claim of claims) {
      yield failed(
        refTo(claim),
        accountOf({
          at: at(claim),
          detail: `${homes.size} directories of one run say that they are the stage \`${name}\``,
          remedy: 'Find out which of them is, and who wrote the others; give runs that are several a `run` each.',
          key: `twice ${name} ${[...homes].toSorted().join('\n')}`,
        }),
      );
    }
  }
}

function judgeName(member: Member, { stages }: TrustDocument): Verdict {
  const { stage } = member;
  const meant = namesAbove(member).find((name) => name !== stage.stage && findStage(name, stages) !== null);
  const other = meant === undefined ? null : findStage(meant, stages);
  if (meant !== undefined && other !== stage.stage) {
    return failed(
      refTo(member),
      accountOf({
        at: at(member),
        detail: `it lies in the directory \`${meant}\`, which is a stage of the policy, and says it is the stage \`${stage.stage}\``,
        remedy: 'Do not load what is in it: find out who wrote this metadata. Nothing of a stage lies under another.',
        key: `name ${stage.stage}`,
      }),
    );
  }
  if (!stages.has(stage.stage)) {
    return failed(
      refTo(member),
      accountOf({
        at: at(member),
        detail: `the policy has no stage \`${stage.stage}\`, so nobody answers for what it makes`,
        remedy: 'Name the stage and its signers in the policy, or take it out of the run.',
        severity: 'high',
        key: `unnamed ${stage.stage}`,
      }),
    );
  }
  return passed(refTo(member), at(member), `it is \`${stage.stage}\` of the policy`);
}

/** Of the directories it lies in: of the run itself only where nothing is between. */
function namesAbove({ run, stage }: Member): readonly string[] {
  const home = parentOf(stage.file);
  return home === '' ? [run.name] : home.split('/');
}

/** However it is spelled: file systems differ about capitals, and so do people about hyphens. */
function findStage(name: string, stages: TrustDocument['stages']): string | null {
  return [...stages.keys()].find((stage) => foldName(stage) === foldName(name)) ?? null;
}

function foldName(name: string): string {
  return name
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[-_. ]/g, '');
}

function* judgeWhole(members: readonly Member[], { stages }: TrustDocument): Iterable<Verdict> {
  const [first] = members;
  if (first === undefined) return;
  const unread = members.some(({ run }) => run.unreadable.some(({ reason }) => reason === 'malformed'));
  for (const [name, { isRequired }] of stages) {
    const own = members.filter(({ stage }) => stage.stage === name);
    const [claim] = own;
    if (claim === undefined) {
      if (isRequired) yield judgeMissing(first, name, unread);
    } else if (own.some(({ stage }) => stage.artifacts.some(({ direction }) => direction === 'output'))) {
      yield passed(refTo(claim), [], `\`${name}\` is there, and says what it made`);
    } else {
      yield failed(
        refTo(claim),
        accountOf({
          detail: `\`${name}\` is a stage of the policy, and declares nothing that it made`,
          remedy: 'Have it declare what it makes under `output_artifacts`, with digest and signature.',
          severity: 'high',
          key: `no output ${name}`,
        }),
      );
    }
  }
}

function judgeMissing({ run, stage }: Member, name: string, unread: boolean): Verdict {
  const resource = refToFile(run, '', 1);
  const where = stage.run === null ? 'the run' : `the run \`${stage.run}\``;
  const detail = `${where} has no stage \`${name}\`, which the policy names`;
  const key = `missing ${name} ${stage.run ?? ''}`;
  if (unread)
    return unknown(resource, {
      at: [],
      reason: 'malformed',
      detail: `${detail}, unless what is unreadable is it`,
      key,
    });
  return failed(
    resource,
    accountOf({
      detail,
      remedy: 'Find out who took it away; if not every run has it, say `required: false` of it in the policy.',
      severity: 'high',
      key,
    }),
  );
}

export const stageRules: readonly ArtifactRule[] = [STAGE];
