// The revocation file of the demo: empty for whoever wants to try it, and filled for a moment to show what it does.

import { EMPTY_REVOCATION_DOCUMENT, addRevocation } from '../../revocation/edit-document.ts';
import { parseIdPattern } from '../../spiffe/id-pattern.ts';
import type { WriteCredentialFiles } from './credentials.ts';
import { TRUST_DOMAIN } from './identities.ts';

const HEADER =
  '# Who is trusted no more. The sidecar reads it again as soon as it changes; `revoke add | list | remove` edit it.\n';
const REASON = 'shown in the demo';

/** Puts a list with these ID patterns, and nobody else, in place of what is there. */
export async function writeRevocations(
  path: string,
  patterns: readonly string[],
  { writeFiles, nowMs }: { readonly writeFiles: WriteCredentialFiles; readonly nowMs: number },
): Promise<void> {
  const contents = patterns.reduce((text, pattern) => {
    const target = { kind: 'id', pattern: parseIdPattern(pattern, TRUST_DOMAIN) } as const;
    const revocation = { target, reason: REASON, atMs: nowMs, expiresMs: null };
    return addRevocation({ text, file: path, own: TRUST_DOMAIN }, revocation);
  }, HEADER + EMPTY_REVOCATION_DOCUMENT);
  await writeFiles([{ path, contents, readers: 'everybody' }]);
}
