// "Did you mean": the known name that a mistyped one most likely stood for.

/** The candidate within a third of the name's length in edits (letter case counts for nothing), or null when none is near or two are equally so. */
export function findNearestName(name: string, candidates: Iterable<string>): string | null {
  const typed = name.slice(0, MAX_COMPARED_LENGTH).toLowerCase();
  let nearest: string | null = null;
  let fewest = Math.max(1, Math.floor(typed.length / 3)) + 1;
  for (const candidate of candidates) {
    const edits = editDistance(typed, candidate.slice(0, MAX_COMPARED_LENGTH).toLowerCase());
    if (edits < fewest) {
      fewest = edits;
      nearest = candidate;
    } else if (edits === fewest) {
      nearest = null;
    }
  }
  return nearest;
}

const MAX_COMPARED_LENGTH = 64;

/** Insertions, deletions, replacements and swaps of two neighbours (optimal string alignment). */
function editDistance(from: string, to: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      let edits = Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1);
      const isSwap = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (row > 1 && column > 1 && isSwap) edits = Math.min(edits, (beforePrevious[column - 2] ?? 0) + 1);
      current.push(edits);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[to.length] ?? 0;
}
