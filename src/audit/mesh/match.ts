// Whether something matches, when part of it can be seen in one request only and part of it not at all.

/** `request`: some requests do, and which ones nobody can say beforehand. */
export type Match = 'yes' | 'no' | 'request' | 'unknown';

export function every(matches: Iterable<Match>): Match {
  let result: Match = 'yes';
  for (const match of matches) {
    if (match === 'no') return 'no';
    if (match === 'unknown' || result === 'yes') result = match;
  }
  return result;
}

export function some(matches: Iterable<Match>): Match {
  let result: Match = 'no';
  for (const match of matches) {
    if (match === 'yes') return 'yes';
    if (match === 'unknown' || result === 'no') result = match;
  }
  return result;
}

export function not(match: Match): Match {
  if (match === 'yes') return 'no';
  return match === 'no' ? 'yes' : match;
}

export function toMatch(isMatch: boolean): Match {
  return isMatch ? 'yes' : 'no';
}
