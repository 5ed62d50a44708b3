// One watch of an API server: what it says line by line, until it ends.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes

import { own } from '../audit/kube-object.ts';
import type { Schedule } from '../core/clock.ts';
import type { ApiClient } from './api-client.ts';
import { ApiError, statusToCode } from './api-error.ts';
import { toApiError } from './api-answer.ts';
import { type ListTarget, pathOf } from './list-kind.ts';

export type WatchEvent =
  | { readonly kind: 'set' | 'deleted'; readonly item: unknown; readonly resourceVersion: string | null }
  /** Nothing has changed up to here. */
  | { readonly kind: 'bookmark'; readonly resourceVersion: string };

export interface WatchStreamTerms {
  readonly client: ApiClient;
  readonly schedule: Schedule;
  readonly signal: AbortSignal;
  /** After which the server ends the watch. */
  readonly lifeSeconds: number;
  /** After which a connection on which nothing comes is taken for dead; a server sends bookmarks about once a minute. */
  readonly silenceMs: number;
}

const MAX_LINE_BYTES = 64 * 1024 * 1024;
const LINE_FEED = 10;

/**
 * Those that arrived together; first none, when the server has taken the question. Ends when the server ends the watch.
 * @throws {ApiError | ConnectionError} or the reason of the signal
 */
export async function* watchEvents(
  target: ListTarget,
  resourceVersion: string,
  terms: WatchStreamTerms,
): AsyncGenerator<readonly WatchEvent[]> {
  const { client, schedule, silenceMs } = terms;
  const path = pathOf(target);
  const silence = new AbortController();
  const signal = AbortSignal.any([terms.signal, silence.signal]);
  const tooSilent = new ApiError('timeout', `${path}: nothing came for ${silenceMs / 1000} s`);
  const startTimer = (): (() => void) => schedule(silenceMs, () => silence.abort(tooSilent));
  const query = {
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion,
    timeoutSeconds: String(terms.lifeSeconds),
  };
  const stream = await client.stream({ path, query, signal });
  let cancel = startTimer();
  try {
    yield [];
    const lines = new LineBuffer(path);
    for await (const chunk of stream) {
      cancel();
      cancel = startTimer();
      const events = lines.take(chunk).map((line) => readEvent(line, path));
      if (events.length > 0) yield events;
    }
  } catch (error) {
    throw toApiError(error, { path, signal });
  } finally {
    cancel();
  }
}

class LineBuffer {
  readonly #path: string;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** The lines that end in `chunk`. */
  take(chunk: Buffer): readonly string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      this.#keep(chunk.subarray(start, end));
      const line = Buffer.concat(this.#pieces).toString('utf8');
      if (line.trim() !== '') lines.push(line);
      this.#pieces = [];
      this.#bytes = 0;
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
    return lines;
  }

  #keep(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > MAX_LINE_BYTES) {
      throw new ApiError('too-large', `${this.#path}: an event of more than the ${MAX_LINE_BYTES} bytes that are read`);
    }
    if (piece.length > 0) this.#pieces.push(piece);
  }
}

/** @throws {ApiError} for an event that is an error: `gone` when the watch cannot go on from where we are */
function readEvent(line: string, path: string): WatchEvent {
  const event: unknown = JSON.parse(line);
  const item = own(event, 'object');
  const version = own(own(item, 'metadata'), 'resourceVersion');
  const resourceVersion = typeof version === 'string' ? version : null;
  switch (own(event, 'type')) {
    case 'ADDED':
    case 'MODIFIED':
      return { kind: 'set', item, resourceVersion };
    case 'DELETED':
      return { kind: 'deleted', item, resourceVersion };
    case 'BOOKMARK':
      if (resourceVersion !== null) return { kind: 'bookmark', resourceVersion };
      break;
    case 'ERROR': {
      const status = Number(own(item, 'code'));
      throw new ApiError(statusToCode(status), `${path}: the API server has ended the watch with ${status}`);
    }
    default:
  }
  throw new ApiError('malformed', `${path}: the watch says something that is no event`);
}
