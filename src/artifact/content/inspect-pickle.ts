// Pickles in a file, one or several in a row, and what loading them could do.

import type { ByteSource } from './byte-source.ts';
import { type ContentReading, type Hazard, type Place, unread } from './content-reading.ts';
import { readPickle, type PickleReading } from './pickle.ts';
import { judgeImport } from './pickle-names.ts';
import { findUnmarked, MAX_PICKLES } from './unmarked-pickle.ts';

const MAX_NAMES = 16;
const PICKLE_NAMES = /\.(?:pkl|pickle|joblib|dill|pt|pth|ckpt)$/i;

export function inspectPickle(source: ByteSource, head: Uint8Array, place: Place): ContentReading | null {
  const hasMark = head[0] === 0x80 && (head[1] ?? 6) <= 5;
  if (hasMark || isNamedPickle(place.name)) return readPickles(source, 0, { place, isSure: hasMark });
  const unmarked = findUnmarked(source, 0, place.budget);
  switch (unmarked.kind) {
    case 'pickle':
      return readPickles(source, 0, { place, isSure: true });
    case 'doubtful':
      return unread(
        'pickle',
        `it can be read as a pickle to byte ${unmarked.at} (${unmarked.detail}), and Python may read on`,
        place,
      );
    case 'none':
      return null;
  }
}

export function isNamedPickle(name: string): boolean {
  return PICKLE_NAMES.test(name);
}

/** Torch's old form is several in a row, and Python's loader can be called for each. */
export function readPickles(
  source: ByteSource,
  start: number,
  { place, isSure }: { readonly place: Place; readonly isSure: boolean },
): (ContentReading & { readonly endAt: number }) | null {
  const readings: PickleReading[] = [];
  const hazards: Hazard[] = [];
  let at = start;
  for (;;) {
    const reading = readPickle(source, at, { budget: place.budget });
    const isFirst = readings.length === 0;
    const { end, imports } = reading;
    if (end.kind === 'broken' && imports.length === 0 && !(isFirst && isSure)) break;
    // Weights behind a pickle may look like the beginning of one without a mark.
    if (!isFirst && source.read(at, 1)[0] !== 0x80 && findUnmarked(source, at, place.budget).kind === 'none') break;
    readings.push(reading);
    if (end.kind !== 'stop') {
      const detail =
        end.kind === 'broken'
          ? `the pickle breaks off at byte ${end.at} (${end.detail}); a reader runs what stands before`
          : `the pickle goes on behind byte ${end.at}, further than is followed`;
      hazards.push({ kind: 'unread', detail, member: place.member });
      break;
    }
    at = end.at;
    if (at >= source.size) break;
    if (readings.length >= MAX_PICKLES) {
      hazards.push({ kind: 'unread', detail: `more than ${MAX_PICKLES} pickles in a row`, member: place.member });
      break;
    }
  }
  if (readings.length === 0) return null;
  return {
    format: 'pickle',
    hazards: [...importHazards(readings, place), ...hazards],
    texts: readings.flatMap(({ texts }) => texts),
    endAt: at,
  };
}

function importHazards(readings: readonly PickleReading[], { member }: Place): readonly Hazard[] {
  const imports = readings.flatMap((reading) => reading.imports);
  const namesOf = (verdict: 'dangerous' | 'unknown'): readonly string[] => [
    ...new Set(imports.filter((each) => judgeImport(each) === verdict).map(({ module, name }) => `${module}.${name}`)),
  ];
  const [dangerous, unknown] = [namesOf('dangerous'), namesOf('unknown')];
  return [
    ...(dangerous.length === 0
      ? []
      : [{ kind: 'dangerous-import', names: dangerous.slice(0, MAX_NAMES), member } as const]),
    ...(unknown.length === 0 ? [] : [{ kind: 'unknown-import', names: unknown.slice(0, MAX_NAMES), member } as const]),
  ];
}
