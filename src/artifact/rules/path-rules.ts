// Where declared paths and links lead, what is not there, and what anybody may change after it was hashed.

import type { Verdict } from '../../audit/finding.ts';
import { failed, passed, unknown } from '../../audit/verdict.ts';
import { accountOf, type ArtifactRule, artifactRuleInfo, firstOf, keyOf } from '../artifact-rule.ts';
import type { JudgedSubject } from '../judgement.ts';
import { cacheRootOf, isWithin, parentOf, resolvePath } from '../run-tree.ts';
import type { Run } from '../run.ts';
import { refToFile } from '../subject.ts';

const ESCAPE: ArtifactRule = {
  info: artifactRuleInfo({
    id: 'artifact-path-escape',
    title: 'A path or link leads out of the run, or to two places',
    severity: 'critical',
    atlas: ['AML.T0010'],
    help: `An absolute path replaces the directory that it is joined to, \`..\` and links walk out of it: what is then hashed and loaded is another file than the one that was meant, such as one of another tenant. Links from \`snapshots\` to \`blobs\` of the same model are how the Hugging Face cache works, and pass.

**Fix:** declare paths below the run directory, and copy what links point at.`,
  }),
  *evaluate(runs): Iterable<Verdict> {
    for (const judged of runs) {
      for (const { resource, place } of judged.subjects) {
        if (place.kind === 'escape') {
          yield failed(
            resource,
            accountOf({
              at: ['path'],
              key: place.detail,
              detail: place.detail,
              remedy:
                'Declare a path below the run directory that exists once, and put the file there instead of a link.',
            }),
          );
        } else if (place.kind === 'unknown') {
          yield unknown(resource, { at: ['path'], reason: place.reason, detail: place.detail });
        } else yield passed(resource, ['path'], 'the path stays in the run');
      }
      yield* judgeLinks(judged.run);
    }
  },
};

function* judgeLinks(run: Run): Iterable<Verdict> {
  let kept = 0;
  for (const [path, entry] of run.entries) {
    if (entry.kind !== 'link') continue;
    const resource = refToFile(run, path, 1);
    const found = resolvePath(run.entries, path);
    const cache = cacheRootOf(path);
    if (found.kind === 'outside' || (found.kind === 'found' && cache !== null && !isWithin(found.path, cache))) {
      const where = found.kind === 'outside' ? 'the run' : `its cache \`${cache ?? ''}\``;
      yield failed(
        resource,
        accountOf({
          detail: `the link leads out of ${where}`,
          remedy:
            'Replace the link by the file it points at; whoever may change its target changes what the run holds.',
          evidence: { target: firstOf([entry.text])[0] ?? '' },
          key: entry.text,
          severity: 'high',
        }),
      );
    } else if (found.kind === 'found') kept += 1;
    else yield unknown(resource, { at: [], reason: 'unreadable-file', detail: LINK_DETAILS[found.kind] });
  }
  if (kept > 0) yield passed(refToFile(run, '', 1), [], `${kept} links stay in the run`);
}

const LINK_DETAILS = {
  missing: 'the link leads nowhere, and may lead anywhere tomorrow',
  loop: 'its links lead round in a circle',
  closed: 'it leads into a directory that could not be listed',
} as const;

const MISSING: ArtifactRule = {
  info: artifactRuleInfo({
    id: 'artifact-missing',
    title: 'A declared artifact is not there',
    severity: 'high',
    help: `A file that is declared and gone was moved, never written, or taken away: what the next stage loaded is unknown. An input need not lie in the run when its digest is the one that a stage made.

**Fix:** keep artifacts with their run, or remove the entry and sign the metadata anew.`,
  }),
  *evaluate(runs): Iterable<Verdict> {
    for (const { subjects } of runs) for (const subject of subjects) yield* judgeMissing(subject);
  },
};

function* judgeMissing(subject: JudgedSubject): Iterable<Verdict> {
  const { resource, place, artifact } = subject;
  const missingFiles = missingOf(subject);
  if (place.kind === 'file') yield passed(resource, ['path'], 'it is there');
  if (place.kind === 'directory' && missingFiles.length === 0) yield passed(resource, ['path'], 'it is there');
  // Where an input came from is asked by its digest, which another rule does.
  if (place.kind === 'missing' && artifact.direction === 'input') return;
  if (place.kind !== 'missing' && missingFiles.length === 0) return;
  const detail =
    place.kind === 'missing' ? 'there is no such file in the run' : `${missingFiles.length} of its files are not there`;
  yield failed(
    resource,
    accountOf({
      at: ['path'],
      detail,
      key: keyOf('missing', missingFiles),
      remedy: 'Find out where it went and what was loaded in its place; keep artifacts with the run that made them.',
      evidence: place.kind === 'missing' ? {} : { files: firstOf(missingFiles) },
      ...(artifact.direction === 'input' ? { severity: 'medium' } : {}),
    }),
  );
}

function missingOf({ artifact, place }: JudgedSubject): readonly string[] {
  if (place.kind !== 'directory') return [];
  const there = new Set(place.files.map(({ path }) => path));
  return (artifact.files ?? []).map(({ path }) => path.replace(/^(?:\.\/)+/, '')).filter((path) => !there.has(path));
}

const WRITABLE: ArtifactRule = {
  info: artifactRuleInfo({
    id: 'artifact-writable',
    title: 'An artifact can be changed by anybody between its audit and its use',
    severity: 'medium',
    help: `A digest speaks of the bytes at the time they were read. Whoever may write the file, or put another into its directory, can change it before it is loaded. Only the loader can close that gap: it hashes the bytes that it loads, from the descriptor that it loads them from.

**Fix:** \`chmod o-w\`, keep artifacts on storage that is written once, and verify digests where they are loaded.`,
  }),
  *evaluate(runs): Iterable<Verdict> {
    for (const { run, subjects } of runs) {
      for (const { resource, place } of subjects) {
        if (place.kind !== 'file' && place.kind !== 'directory') continue;
        const paths = place.kind === 'file' ? [place.path] : [place.path, ...place.files.map(({ target }) => target)];
        const open = paths.flatMap((path) => openPlaces(run, path));
        if (open.length === 0) {
          yield passed(
            resource,
            ['path'],
            'only its owner and group may write it; the time until it is loaded stays open',
          );
          continue;
        }
        yield failed(
          resource,
          accountOf({
            at: ['path'],
            detail: 'everybody on the machine may change it, or put something else in its place, after it was hashed',
            remedy: 'Take the permission away (chmod -R o-w), and have the loader verify the digest of what it loads.',
            evidence: { writable: firstOf([...new Set(open)]) },
            key: keyOf('writable', [...new Set(open)]),
          }),
        );
      }
    }
  },
};

const EVERYBODY_WRITES = 0o002;
const STICKY = 0o1000;

function openPlaces(run: Run, path: string): readonly string[] {
  const open: string[] = [];
  const entry = run.entries.get(path);
  if (entry?.kind === 'file' && (entry.mode & EVERYBODY_WRITES) !== 0) open.push(path);
  for (let at = entry?.kind === 'file' ? parentOf(path) : path; ; at = parentOf(at)) {
    const directory = run.entries.get(at);
    // In a sticky directory others cannot replace what is not theirs.
    if (directory?.kind === 'directory' && (directory.mode & (EVERYBODY_WRITES | STICKY)) === EVERYBODY_WRITES)
      open.push(at === '' ? '.' : at);
    if (at === '') return open;
  }
}

export const pathRules: readonly ArtifactRule[] = [ESCAPE, MISSING, WRITABLE];
