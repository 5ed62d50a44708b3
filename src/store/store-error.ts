// Why Redis could not be asked, or was asked and said no.

import { SallyportError } from '../core/error.ts';

export type StoreErrorCode =
  /** No connection: nobody listens, the name is unknown, TLS failed. */
  | 'unreachable'
  /** The server wants other credentials, or wants none where there are some. */
  | 'credentials-refused'
  /** No answer within the deadline: a server that hangs, or a connection whose other end is gone. */
  | 'timed-out'
  | 'disconnected'
  /** The server answered with an error: no permission, no such database, a read-only replica, a key of another type … */
  | 'command-refused'
  /** More than is read; a list cut short would be another list. */
  | 'list-too-large'
  /** Others changed the list each time while this change was made. */
  | 'contended';

/** Never carries its cause: the errors of the client hold the arguments of the command, which may be a password. */
export class StoreError extends SallyportError<StoreErrorCode> {}
