// The engines side by side on the same questions, after each has shown that it gives the right answers.

import { type Figure, Samples } from '../samples.ts';
import type { Engine, LoadedEngine } from './engine.ts';
import { isAllowed, matrixOf, PRINCIPAL_COUNTS, type Question, questionsOf, RULE_COUNTS } from './matrix.ts';
import { PEERS } from './peers.ts';
import { OWN_ENGINES } from './sallyport.ts';

export interface CompareEffort {
  readonly rounds: number;
  /** How long one engine is asked in one round. */
  readonly roundMs: number;
}

/** What the ratios of the peers are to. */
export const REFERENCE = 'Sallyport, remembered';

interface Contest {
  readonly engine: Engine;
  readonly loaded: LoadedEngine;
  /** As many as fit into a round. */
  readonly decisions: number;
}

export async function compareEngines(
  effort: CompareEffort,
  progress: (line: string) => void,
): Promise<readonly Figure[]> {
  const samples = new Samples();
  for (const rules of RULE_COUNTS) {
    for (const principals of PRINCIPAL_COUNTS) {
      const title = `Decision, ${rules.toLocaleString('en')} rules, ${principals.toLocaleString('en')} principal${principals === 1 ? '' : 's'}`;
      progress(title);
      const kind = { id: `decision-${rules}-${principals}`, title, unit: 'ns', decimals: 0, better: 'lower' as const };
      const matrix = matrixOf(rules, principals);
      const questions = questionsOf(matrix);
      const contests: Contest[] = [];
      for (const engine of [...OWN_ENGINES, ...PEERS]) {
        const loaded = await engine.load(matrix, questions);
        contests.push({ engine, loaded, decisions: prepare(engine.name, loaded, { questions, effort }) });
      }
      for (let round = 0; round < effort.rounds; round += 1) {
        for (const { engine, loaded, decisions } of contests)
          samples.add(kind, engine.name, timeDecisions(loaded, decisions));
      }
    }
  }
  return samples.toFigures(REFERENCE);
}

/**
 * Checks the answers, all of them unless the engine is too slow for that, and so warms it up.
 * @throws {Error} on the first that is wrong: figures about wrong answers are worth nothing.
 */
function prepare(
  name: string,
  loaded: LoadedEngine,
  { questions, effort }: { readonly questions: readonly Question[]; readonly effort: CompareEffort },
): number {
  const startedAt = performance.now();
  let asked = 0;
  for (const [index, question] of questions.entries()) {
    if (loaded.ask(index) !== isAllowed(question))
      throw new Error(`${name}: ${question.verb} by ${question.principal} on ${question.to} is answered wrongly`);
    asked += 1;
    if (asked >= 4 && performance.now() - startedAt > effort.roundMs) return Math.ceil(asked / 2);
  }
  // Of the compiler's choice are the figures of the last of these.
  let nanoseconds = timeDecisions(loaded, questions.length);
  for (const share of [0.1, 1]) nanoseconds = timeDecisions(loaded, decisionsIn(effort.roundMs * share, nanoseconds));
  return decisionsIn(effort.roundMs, nanoseconds);
}

function decisionsIn(milliseconds: number, nanosecondsEach: number): number {
  return Math.max(1, Math.ceil((milliseconds * 1e6) / nanosecondsEach));
}

function timeDecisions(loaded: LoadedEngine, decisions: number): number {
  let allowed = 0;
  const startedAt = process.hrtime.bigint();
  for (let index = 0; index < decisions; index += 1) if (loaded.ask(index)) allowed += 1;
  const spent = Number(process.hrtime.bigint() - startedAt);
  // Every other question is allowed, and a loop whose answers nobody looks at is no loop.
  if (allowed !== Math.ceil(decisions / 2)) throw new Error(`${allowed} of ${decisions} were allowed`);
  return spent / decisions;
}
