// Listening where the configuration says, and saying where it says so when that fails.

import type { BindAddress } from '../admin/bind-address.ts';
import { toListenError } from '../admin/listen.ts';
import { formatProblem, type SourcePosition } from '../core/source-position.ts';
import { StartError, toProblem } from './start-error.ts';

/** Permissions of a Unix socket, by who may open it. */
export const SOCKET_MODES = { owner: 0o600, group: 0o660 } as const;

/** @throws {StartError} with the place where the configuration gives the address. */
export async function listenAt<Address>(
  { bind, position }: { readonly bind: BindAddress; readonly position: SourcePosition },
  start: () => Promise<Address>,
): Promise<Address> {
  try {
    return await start();
  } catch (error) {
    const failure = toListenError(error, bind);
    throw new StartError([formatProblem(toProblem(failure, position))], { cause: failure });
  }
}
