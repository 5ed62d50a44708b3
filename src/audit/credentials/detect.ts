// Finds credentials in a value or a text, by what they look like and by the name they stand under.

import { findAssignments } from './assignments.ts';
import { findConnectionStrings } from './connection-strings.ts';
import { showableName, type Detection, type DetectionContext, type Hit } from './detection.ts';
import { findHeaders } from './headers.ts';
import { findJwts } from './jwt.ts';
import { findKeyMaterial } from './key-material.ts';
import { judgeNamed } from './named-value.ts';
import { entropyOf, isWordy } from './randomness.ts';
import { TOKEN_FORMATS } from './token-formats.ts';
import { isPlaceholder } from './value-shape.ts';

/** Of a text that is longer only the beginning is looked at; whoever has a bigger file gives it in pieces that overlap. */
const MAX_TEXT = 16 * 1024 * 1024;

/**
 * Credentials in `value`, in their order. `name` is that of the variable, key or flag it belongs to, or of the file whose content it is.
 * In time linear in the value.
 */
export function detectCredentials(name: string, value: string, { form }: DetectionContext): readonly Detection[] {
  const text = value.length > MAX_TEXT ? value.slice(0, MAX_TEXT) : value;
  const hits = [...findByForm(text)];
  if (form === 'value' && hits.length === 0) hits.push(...judgeNamed(name, text, 0));
  if (form === 'text' || isComposite(text)) {
    for (const assignment of findAssignments(text)) {
      hits.push(...judgeNamed(assignment.name, assignment.value, assignment.start));
    }
  }
  return locate(withoutOverlaps(hits), text, form === 'value' ? name : null);
}

/** Whatever name they stand under. */
function findByForm(text: string): readonly Hit[] {
  return [
    ...findTokens(text),
    ...findJwts(text),
    ...findKeyMaterial(text),
    ...findConnectionStrings(text),
    ...findHeaders(text),
  ];
}

function findTokens(text: string): readonly Hit[] {
  const hits: Hit[] = [];
  for (const { kind, title, literal, pattern, prefix, isLimited } of TOKEN_FORMATS) {
    if (!text.includes(literal)) continue;
    for (const { 0: token, index } of text.matchAll(pattern)) {
      const start = index;
      const body = token.startsWith(literal) ? token.slice(literal.length) : token;
      if (isMadeUp(body)) continue;
      hits.push({
        kind,
        title,
        basis: 'format',
        name: null,
        start,
        length: token.length,
        prefix,
        expiresMs: null,
        isLimited,
      });
    }
  }
  return hits;
}

const LEAST_ENTROPY = 2.6;

/** `hf_xxxxxxxx`, `AKIA…EXAMPLE`, `sk-proj-your-key-here`, `hf_this_is_the_name_of_a_function`. */
function isMadeUp(body: string): boolean {
  return (
    isPlaceholder(body) ||
    /example|xxxxx|placeholder|your|\.\.\./i.test(body) ||
    entropyOf(body) < LEAST_ENTROPY ||
    (!/[0-9]/.test(body) && isWordy(body) && /[-_]/.test(body))
  );
}

/** Names and values within the value: options, JSON, an INI file. */
function isComposite(text: string): boolean {
  return /[\n={]/.test(text) || /[:;]\s/.test(text);
}

/** Of hits in the same place the one that says more: it stands first, or is longer. */
function withoutOverlaps(hits: readonly Hit[]): readonly Hit[] {
  const sorted = hits
    .map((hit, rank) => ({ hit, rank }))
    .sort((left, right) => left.hit.start - right.hit.start || left.rank - right.rank);
  const kept: { readonly hit: Hit; readonly rank: number }[] = [];
  for (const candidate of sorted) {
    const last = kept.at(-1);
    if (last === undefined || candidate.hit.start >= last.hit.start + last.hit.length) kept.push(candidate);
    else if (candidate.rank < last.rank) kept[kept.length - 1] = candidate;
  }
  return kept.map(({ hit }) => hit);
}

function locate(hits: readonly Hit[], text: string, name: string | null): readonly Detection[] {
  let line = 1;
  let offset = 0;
  return hits.map((hit) => {
    for (let next = text.indexOf('\n', offset); next >= 0 && next < hit.start; next = text.indexOf('\n', offset)) {
      line += 1;
      offset = next + 1;
    }
    const shown = hit.name ?? name;
    const credential = text.slice(hit.start, hit.start + hit.length);
    return { ...hit, line, name: shown === null ? null : showableName(shown, credential) };
  });
}
