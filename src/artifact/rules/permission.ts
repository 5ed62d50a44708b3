// Whether a signer may sign for a stage. What no stage of the policy names, nobody may.

import type { SignatureReading, Signer } from '../signature.ts';
import type { SignerTerms, TrustDocument } from '../trust-document.ts';
import type { Trust } from '../trust.ts';

export type Permission =
  | { readonly kind: 'permitted'; readonly by: string }
  /** Nothing that was signed says which of several stages is meant. */
  | { readonly kind: 'ambiguous'; readonly detail: string }
  | { readonly kind: 'refused'; readonly detail: string };

export function mayPermit(
  { signers, statement }: Extract<SignatureReading, { kind: 'verified' }>,
  { document }: Trust,
  stage: string,
): Permission {
  const terms = document.stages.get(stage);
  if (terms === undefined)
    return { kind: 'refused', detail: `the policy has no stage \`${stage}\`, so nobody may sign for it` };
  if (statement.stage !== null && statement.stage !== stage) {
    return { kind: 'refused', detail: `it was signed for the stage \`${statement.stage}\`, not for \`${stage}\`` };
  }
  const permitted = signers.filter((signer) => terms.signers.some((term) => isMeant(signer, term)));
  // The metadata that claims the stage is signed by nobody: it cannot choose among those that a signer may sign for.
  const bound = permitted.find((signer) => statement.stage !== null || stagesOf(signer, document).length === 1);
  if (bound !== undefined) return { kind: 'permitted', by: formatSigner(bound) };
  const [first] = permitted;
  if (first !== undefined) {
    const detail = `${formatSigner(first)} may sign for ${stagesOf(first, document).join(', ')}, and the signed statement does not say which stage it is of`;
    return { kind: 'ambiguous', detail };
  }
  return { kind: 'refused', detail: `${signers.map(formatSigner).join(', ')} may not sign for \`${stage}\`` };
}

export function formatSigner(signer: Signer): string {
  return signer.kind === 'key' ? `key \`${signer.key}\`` : `\`${signer.identity}\` (${signer.issuer})`;
}

function stagesOf(signer: Signer, { stages }: TrustDocument): readonly string[] {
  return [...stages].flatMap(([name, { signers }]) => (signers.some((term) => isMeant(signer, term)) ? [name] : []));
}

function isMeant(signer: Signer, term: SignerTerms): boolean {
  if (signer.kind === 'key') return term.kind === 'key' && term.key === signer.key;
  if (term.kind === 'key' || term.root !== signer.root || term.issuer !== signer.issuer) return false;
  return compileIdentity(term.identity).test(signer.identity);
}

/** From end to end, every sign for itself: as a bare pattern, `https://a.example` would also match `https://evil/https://axexample`. */
export function compileIdentity(identity: string): RegExp {
  const parts = identity.split('*').map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('[^/]*')}$`);
}
