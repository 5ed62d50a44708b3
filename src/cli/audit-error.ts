// What ends an audit before there is a report, and what the exit codes of `audit` mean.

import { SallyportError } from '../core/error.ts';

export class AuditCommandError extends SallyportError<'usage' | 'cannot-write' | 'unreadable-file'> {}

/** A scanner that broke must not look like one that found nothing. */
export const EXIT = { clean: 0, findings: 1, usage: 2, incomplete: 3, internal: 4 } as const;
