// Whether metadata could be read, and whether everything in the run is told of by it.

import type { Severity, Verdict } from '../../audit/finding.ts';
import { failed, passed, unknown } from '../../audit/verdict.ts';
import { accountOf, type ArtifactRule, artifactRuleInfo, firstOf, keyOf } from '../artifact-rule.ts';
import type { JudgedRun } from '../judgement.ts';
import { findSignatureFiles } from '../plan.ts';
import { toPrintable } from '../printable.ts';
import { isWithin, parentOf } from '../run-tree.ts';
import { refToFile } from '../subject.ts';

const METADATA: ArtifactRule = {
  info: artifactRuleInfo({
    id: 'artifact-metadata',
    title: 'Metadata of a stage cannot be read as it is meant',
    severity: 'high',
    tenets: ['T5', 'T7'],
    help: `A tool that skips metadata it cannot parse can be told to skip: one stray character and a stage is audited by nobody. Here it stays unknown, and the audit is not complete. Names that stand twice count as well, because two readers take different ones.

**Fix:** write \`metadata.json\` with a JSON library, as an object with \`stage\`, \`input_artifacts\` and \`output_artifacts\`.`,
  }),
  *evaluate(runs): Iterable<Verdict> {
    for (const { run } of runs) {
      const broken = new Set(run.unreadable.filter(({ reason }) => reason === 'malformed').map(({ what }) => what));
      for (const { what, detail, position } of run.unreadable) {
        if (!broken.has(what)) continue;
        const resource = {
          ...refToFile(run, what.slice(toPrintable(run.root).length).replace(/^\/+/, ''), 1),
          locate: () => position,
        };
        yield unknown(resource, { at: [], reason: 'malformed', detail });
      }
      for (const { file, problems, locate, artifacts } of run.stages) {
        const resource = { ...refToFile(run, file, 1), locate };
        for (const { at, detail } of problems) yield unknown(resource, { at, reason: 'malformed', detail });
        if (problems.length === 0) yield passed(resource, [], `it declares ${artifacts.length} artifacts`);
      }
      if (run.metadataFiles.length > 0) continue;
      const detail =
        'there is neither a metadata.json nor an artifact_info.json in it, so nothing says what belongs here';
      yield unknown(refToFile(run, '', 1), { at: [], reason: 'no-metadata', detail });
    }
  },
};

const UNLISTED: ArtifactRule = {
  info: artifactRuleInfo({
    id: 'artifact-unlisted-file',
    title: 'A file of the run is declared by no stage',
    severity: 'low',
    atlas: ['AML.T0010'],
    help: `What no stage declares has no digest and no signature, and is loaded all the same by whatever takes the whole directory: a tokenizer, a custom module, a second checkpoint. Files that a reader runs or unpacks weigh more, and most those that lie in a stage of which a policy says who signs.

**Fix:** declare it as an artifact with its digest, or keep it out of the run directory.`,
  }),
  *evaluate(runs, { trust }): Iterable<Verdict> {
    for (const judged of runs) {
      const { run } = judged;
      if (run.stages.length === 0) {
        const detail = 'no stage says what belongs to the run';
        yield unknown(refToFile(run, '', 1), { at: [], reason: 'no-metadata', detail });
        continue;
      }
      const groups = Map.groupBy(unlistedFiles(judged), (path) =>
        path.includes('/') ? path.slice(0, path.indexOf('/')) : '',
      );
      for (const [home, paths] of groups) {
        const active = paths.filter((path) => isActive(judged, path));
        const isOfStage = paths.some((path) => run.stages.some(({ file }) => isWithin(path, parentOf(file))));
        const isOne = paths.length === 1;
        const count = isOne ? `\`${paths[0] ?? ''}\` is` : `${paths.length} files are`;
        const danger = isOne ? ', and loading it can run code' : `, and loading ${active.length} of them can run code`;
        yield failed(
          refToFile(run, isOne ? (paths[0] ?? '') : home, 1),
          accountOf({
            detail: `${count} declared by no stage${active.length > 0 ? danger : ''}`,
            remedy: 'Declare it under output_artifacts with its path and sha256, or take it out of the run directory.',
            evidence: { files: firstOf(paths), active: firstOf(active) },
            key: keyOf('unlisted', paths),
            ...severityOf({ isOfStage: trust !== null && isOfStage, isActive: active.length > 0 }),
          }),
        );
      }
      if (groups.size === 0) yield passed(refToFile(run, '', 1), [], 'every file is declared by a stage');
    }
  },
};

export const metadataRules: readonly ArtifactRule[] = [METADATA, UNLISTED];

function unlistedFiles({ run, subjects }: JudgedRun): readonly string[] {
  const listed = new Set([...run.metadataFiles, ...findSignatureFiles(run)]);
  const directories: string[] = [];
  for (const { place } of subjects) {
    if (place.kind === 'file') listed.add(place.path);
    if (place.kind !== 'directory') continue;
    directories.push(place.path);
    for (const { target } of place.files) listed.add(target);
  }
  return [...run.entries].flatMap(([path, { kind }]) => {
    const isFile = kind === 'file' || kind === 'other';
    return isFile && !listed.has(path) && !directories.some((directory) => isWithin(path, directory)) ? [path] : [];
  });
}

/** Where a policy says that every artifact of a stage is signed, one that is not declared goes around it. */
function severityOf({ isOfStage, isActive }: { readonly isOfStage: boolean; readonly isActive: boolean }): {
  readonly severity?: Severity;
} {
  if (isOfStage) return { severity: 'high' };
  return isActive ? { severity: 'medium' } : {};
}

function isActive({ run }: JudgedRun, path: string): boolean {
  const facts = run.files.get(path);
  // Nothing loads a pipe; of a file that could not be read, anything may come.
  if (facts?.kind !== 'read') return facts !== undefined;
  return (
    facts.content.format === 'pickle' || facts.content.hazards.length > 0 || /\.(?:py|so|sh|pyc|pyd|dll)$/i.test(path)
  );
}
