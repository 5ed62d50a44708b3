// Why there is no connection to a cluster: one closed list, from the kubeconfig to the first answer.

import { SallyportError } from '../core/error.ts';

export type ConnectionErrorCode =
  /** No kubeconfig where one was looked for, or no service account in this pod. */
  | 'not-configured'
  /** A file that the configuration names cannot be read. */
  | 'unreadable-file'
  /** The configuration is not what a kubeconfig is. */
  | 'malformed'
  /** A context, cluster or user that is named and not there. */
  | 'unknown-name'
  /** Something that works with kubectl, and not here; the message says what to do. */
  | 'unsupported'
  /** The configuration gives up the proof of who the server is. */
  | 'insecure'
  /** A certificate or key that cannot be used. */
  | 'bad-certificate'
  /** The exec plugin gave no credential. */
  | 'exec-plugin';

/** The message begins with `file:line:column: ` where it is about a place in a file. */
export class ConnectionError extends SallyportError<ConnectionErrorCode> {}
