// Adding to and taking from a revocation file that people keep: their comments, order and spelling stay.

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import { appendToList, removeFromList, YamlEditError } from '../yaml/edit-list.ts';
import { DocumentError } from '../yaml/located.ts';
import { parseRevocationDocument } from './document.ts';
import { formatEntry } from './entry.ts';
import { type Revocation, revocationKey, type RevocationTarget } from './revocation.ts';
import { formatStoredRevocation } from './stored-revocation.ts';

export type RevocationEditErrorCode =
  /** The file lists the target, whether or not that entry has expired. */
  | 'already-listed'
  | 'not-listed'
  /** Written in a way in which an edit could change something else. */
  | 'not-editable';

class RevocationEditError extends SallyportError<RevocationEditErrorCode> {}

export interface RevocationFile {
  readonly text: string;
  /** For messages. */
  readonly file: string;
  /** Of patterns written without a trust domain. */
  readonly own: TrustDomain;
}

/** What `addRevocation` starts from where there is no file. */
export const EMPTY_REVOCATION_DOCUMENT = 'version: 1\nrevocations: []\n';

/**
 * The text of the file with one entry more, its last.
 * @throws {RevocationEditError | DocumentError}
 */
export function addRevocation(document: RevocationFile, revocation: Revocation): string {
  const listed = parse(document);
  if (indexOf(listed, revocation.target) >= 0) {
    const message = `${document.file}: ${quote(revocationKey(revocation.target))} is listed already`;
    throw new RevocationEditError('already-listed', message);
  }
  const edit = (): string => appendToList(document.text, LIST, formatEntry(revocation));
  return proven(document, edit, [...listed, revocation]);
}

/**
 * The text of the file without the entry of `target`.
 * @throws {RevocationEditError | DocumentError}
 */
export function removeRevocation(document: RevocationFile, target: RevocationTarget): string {
  const listed = parse(document);
  const index = indexOf(listed, target);
  if (index < 0) {
    const message = `${document.file}: ${quote(revocationKey(target))} is not listed`;
    throw new RevocationEditError('not-listed', message);
  }
  const edit = (): string => removeFromList(document.text, LIST, index);
  return proven(document, edit, listed.toSpliced(index, 1));
}

const LIST = 'revocations';

function parse({ text, file, own }: RevocationFile): readonly Revocation[] {
  return parseRevocationDocument(Buffer.from(text), file, own);
}

function indexOf(listed: readonly Revocation[], target: RevocationTarget): number {
  const key = revocationKey(target);
  return listed.findIndex((entry) => revocationKey(entry.target) === key);
}

/** Whoever revokes relies on it: an edited file is read again, and has to say what was meant and nothing else. */
function proven(document: RevocationFile, edit: () => string, expected: readonly Revocation[]): string {
  try {
    const text = edit();
    const found = parse({ ...document, text });
    if (found.map(formatStoredRevocation).join('\n') === expected.map(formatStoredRevocation).join('\n')) return text;
  } catch (error) {
    if (!(error instanceof YamlEditError || error instanceof DocumentError)) throw error;
    throw notEditable(document, error);
  }
  throw notEditable(document);
}

function notEditable({ file }: RevocationFile, cause?: unknown): RevocationEditError {
  const message = `${file}: the list is written in a way that cannot be edited safely; edit it by hand`;
  return new RevocationEditError('not-editable', message, { cause });
}
