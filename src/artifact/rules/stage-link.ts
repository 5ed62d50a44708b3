// Which stage made what another one takes: by digest, never by name.

import { type Digest, digestEquals } from '../digest.ts';
import { compareDigest, type JudgedRun, type JudgedSubject } from '../judgement.ts';

/** The digests that an input stands for: of its bytes where they are there, else what was declared. */
export function inputDigests({ actual, artifact }: JudgedSubject): readonly Digest[] {
  if (actual.kind === 'known') return actual.digests;
  if (actual.reason !== 'missing') return [];
  return artifact.digests.flatMap(({ reading }) => (reading.kind === 'digest' ? reading.candidates : []));
}

/** What was changed after it was made was made by nobody. */
function isAsDeclared(
  output: JudgedSubject,
): output is JudgedSubject & { readonly actual: { readonly kind: 'known' } } {
  const { actual, artifact } = output;
  return (
    actual.kind === 'known' &&
    artifact.digests.every((declared) => compareDigest(declared, actual)?.kind !== 'mismatch')
  );
}

/** Outputs of other stages of the same run whose bytes have a digest of the input. */
export function findProducers(input: JudgedSubject, runs: readonly JudgedRun[]): readonly JudgedSubject[] {
  const digests = inputDigests(input);
  return findOutputs(input, runs).filter(
    (output) =>
      isAsDeclared(output) && output.actual.digests.some((made) => digests.some((taken) => digestEquals(made, taken))),
  );
}

/** Of other stages: what a stage made of its own says nothing about where it came from. */
export function findOutputs(input: JudgedSubject, runs: readonly JudgedRun[]): readonly JudgedSubject[] {
  const { stage } = input;
  return runs.flatMap(({ subjects }) => {
    // Without a name, a run is its directory.
    if (stage.run === null && !subjects.includes(input)) return [];
    return subjects.filter(
      ({ artifact, stage: other }) =>
        artifact.direction === 'output' && other.stage !== stage.stage && other.run === stage.run,
    );
  });
}
