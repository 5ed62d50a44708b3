// What is told of a kind that could not be read: never silence.

import type { Unreadable, UnreadableReason } from '../audit/inventory.ts';
import { ApiError } from './api-error.ts';
import { ConnectionError } from './connection-error.ts';
import type { KindReading } from './discovery.ts';
import type { ListedKind } from './kinds.ts';

export interface UnreadablePlace {
  readonly listed: ListedKind;
  /** `deployments`; null when not even that is known. */
  readonly resource: string | null;
  readonly namespace: string | null;
}

/** @throws whatever is no reason why a cluster cannot be read */
export function unreadableKind(place: UnreadablePlace, error: unknown): Unreadable {
  if (error instanceof ApiError) return describe(place, reasonOf(error), error.message);
  if (error instanceof ConnectionError) return describe(place, 'unavailable', error.message);
  throw error;
}

/** Null for what can be read. */
export function unreadableReading(reading: KindReading): Unreadable | null {
  switch (reading.kind) {
    case 'served':
      return null;
    case 'absent':
      return describe(placeOf(reading.listed), 'absent-kind', 'the API server does not have this kind');
    case 'elsewhere':
      return describe(
        placeOf(reading.listed),
        'absent-kind',
        'the API server has its objects in another group, where they were read',
      );
    case 'failed':
      return unreadableKind(placeOf(reading.listed), reading.error);
  }
}

export function describe(
  { listed, resource, namespace }: UnreadablePlace,
  reason: UnreadableReason,
  detail: string,
): Unreadable {
  const { key, group, kind } = listed;
  const name = group === '' ? (resource ?? kind) : `${resource ?? kind}.${group}`;
  const what = namespace === null ? name : `${name} in namespace ${namespace}`;
  return { what, kind: key, namespace, reason, detail, position: null };
}

function placeOf(listed: ListedKind): UnreadablePlace {
  return { listed, resource: null, namespace: null };
}

function reasonOf({ code }: ApiError): UnreadableReason {
  switch (code) {
    case 'forbidden':
    case 'unauthorized':
      return 'forbidden';
    case 'timeout':
    case 'too-large':
    case 'malformed':
      return code;
    // The server has just named the kind, so that nothing tells that there is none of it.
    case 'not-found':
    case 'unreachable':
    case 'untrusted-server':
    case 'gone':
    case 'throttled':
    case 'server-error':
    case 'status':
      return 'unavailable';
  }
}
