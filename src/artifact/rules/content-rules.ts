// What files hold: credentials, and programs that loading them runs.

import { describeDetection } from '../../audit/credentials/detection.ts';
import type { Verdict } from '../../audit/finding.ts';
import { failed, passed, unknown } from '../../audit/verdict.ts';
import { accountOf, type ArtifactRule, artifactRuleInfo, firstOf, keyOf } from '../artifact-rule.ts';
import type { Hazard } from '../content/content-reading.ts';
import type { FileReading, Run } from '../run.ts';
import { refToFile } from '../subject.ts';

const CREDENTIAL: ArtifactRule = {
  info: artifactRuleInfo({
    id: 'artifact-credential',
    title: 'A file of the run holds a credential',
    severity: 'high',
    tenets: ['T3', 'T6'],
    atlas: ['AML.T0055'],
    help: `Run directories are copied to every later stage and kept for years. Files are searched by content, whatever their names: environment files, \`.netrc\`, kubeconfigs, keys, notebooks, arguments in checkpoints. Texts are searched to 64 MiB, everything else where it begins and ends.

**Fix:** change the credential, for it has been copied; give stages short-lived ones that never lie in a file of the run.`,
  }),
  *evaluate(runs, { nowMs }): Iterable<Verdict> {
    for (const { run } of runs) {
      let searched = 0;
      for (const [path, facts] of run.files) {
        if (facts.kind !== 'read') {
          yield unknown(refToFile(run, path, 1), { at: [], reason: reasonOf(facts.kind), detail: facts.detail });
          continue;
        }
        searched += 1;
        yield* judgeCredentials(run, { path, facts, nowMs });
      }
      if (searched > 0) yield passed(refToFile(run, '', 1), [], `${searched} files were searched`);
    }
  },
};

function* judgeCredentials(
  run: Run,
  { path, facts, nowMs }: { readonly path: string; readonly facts: FileReading; readonly nowMs: number },
): Iterable<Verdict> {
  for (const detection of facts.credentials) {
    const { kind, title, basis, name, line, expiresMs, isLimited } = detection;
    const isExpired = expiresMs !== null && expiresMs <= nowMs;
    const shown = name === null ? '' : ` under \`${name}\``;
    yield failed(
      refToFile(run, path, line),
      accountOf({
        detail: `line ${line} holds ${title}${shown}${isExpired ? ', which has expired' : ''}`,
        remedy: 'Change it, take it out of the run and of every copy, and give the stage a short-lived one instead.',
        evidence: { ...describeDetection(detection), line },
        severity: isExpired || isLimited ? 'low' : basis === 'named' ? 'medium' : 'high',
        key: `${kind} ${name ?? ''}`,
      }),
    );
  }
  if (facts.unsearched !== null) {
    yield unknown(refToFile(run, path, 1), { at: [], reason: 'too-large', detail: facts.unsearched });
  }
}

const UNSAFE: ArtifactRule = {
  info: artifactRuleInfo({
    id: 'artifact-unsafe-format',
    title: 'Loading a file runs code that it brings along',
    severity: 'critical',
    atlas: ['AML.T0010', 'AML.T0010.001', 'AML.T0010.003'],
    help: `A pickle is a program: it imports names and calls them, before anybody sees a tensor. Every pickle is followed, opcode by opcode, also inside of archives and NumPy arrays and whatever the file is called, and the names it imports are told. Names that only build tensors, arrays and plain values pass; others are named. Lambda layers and TorchScript are programs as well.

**Fix:** keep weights as safetensors, load with \`weights_only=True\`, arrays with \`allow_pickle=False\`.`,
  }),
  *evaluate(runs): Iterable<Verdict> {
    for (const { run } of runs) {
      for (const [path, facts] of run.files) {
        const resource = refToFile(run, path, 1);
        if (facts.kind !== 'read') {
          yield unknown(resource, { at: [], reason: reasonOf(facts.kind), detail: facts.detail });
          continue;
        }
        const { format, hazards } = facts.content;
        for (const hazard of hazards) yield judgeHazard(run, path, hazard);
        if (hazards.length === 0 && format !== 'other')
          yield passed(resource, [], `${format}: loading it builds values and nothing else`);
      }
    }
  },
};

const LOAD_REMEDY =
  'Do not load it where anything is worth taking. Have the weights saved again as safetensors by whoever made them.';

function judgeHazard(run: Run, path: string, hazard: Hazard): Verdict {
  const resource = refToFile(run, path, 1);
  const where = hazard.member === null ? '' : ` in \`${firstOf([hazard.member])[0] ?? ''}\``;
  const key = `${hazard.kind} ${hazard.member ?? ''}`;
  switch (hazard.kind) {
    case 'dangerous-import':
      return failed(
        resource,
        accountOf({
          detail: `its pickle${where} imports ${firstOf(hazard.names).join(', ')}: loading it can run anything`,
          remedy: LOAD_REMEDY,
          evidence: { imports: firstOf(hazard.names) },
          key: keyOf(key, hazard.names),
        }),
      );
    case 'unknown-import':
      return failed(
        resource,
        accountOf({
          detail: `its pickle${where} imports ${firstOf(hazard.names).join(', ')}, which is not known to only build values`,
          remedy: `Find out what these names do, and load it in a sandbox. ${LOAD_REMEDY}`,
          evidence: { imports: firstOf(hazard.names) },
          severity: 'high',
          key: keyOf(key, hazard.names),
        }),
      );
    case 'program':
    case 'ambiguous':
      return failed(
        resource,
        accountOf({
          detail: `${hazard.detail}${where}`,
          remedy: LOAD_REMEDY,
          severity: 'high',
          key: keyOf(key, [hazard.detail]),
        }),
      );
    case 'unread':
      return unknown(resource, { at: [], reason: 'not-looked-into', detail: `${hazard.detail}${where}`, key });
  }
}

function reasonOf(kind: 'changed' | 'unreadable'): string {
  return kind === 'changed' ? 'changed' : 'unreadable-file';
}

export const contentRules: readonly ArtifactRule[] = [UNSAFE, CREDENTIAL];
