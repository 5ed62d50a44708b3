// Paths that metadata declare: names below a directory, or an attempt to leave it.

export type ArtifactPath =
  | { readonly kind: 'inside'; readonly segments: readonly string[] }
  | { readonly kind: 'escape'; readonly detail: string }
  | { readonly kind: 'malformed'; readonly detail: string };

const MAX_LENGTH = 4096;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//;

export function parseArtifactPath(text: string): ArtifactPath {
  if (text === '') return { kind: 'malformed', detail: 'the path is empty' };
  if (text.length > MAX_LENGTH)
    return { kind: 'malformed', detail: `the path is longer than ${MAX_LENGTH} characters` };
  // oxlint-disable-next-line no-control-regex -- the control characters are what a path must not have
  if (/[\u0000-\u001f\u007f]/.test(text)) return { kind: 'malformed', detail: 'the path holds a control character' };
  if (SCHEME.test(text)) return { kind: 'malformed', detail: 'it is an address, of which nothing lies in the run' };
  // An absolute path replaces the directory that it is joined to.
  if (text.startsWith('/') || /^[A-Za-z]:[\\/]/.test(text) || text.startsWith('~')) {
    return { kind: 'escape', detail: 'the path is absolute' };
  }
  // Windows takes it for a separator, and other systems for a part of a name.
  if (text.includes('\\'))
    return { kind: 'escape', detail: 'the path holds a backslash, which systems read differently' };
  const segments = text.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (segments.includes('..')) return { kind: 'escape', detail: 'the path holds `..`' };
  return { kind: 'inside', segments };
}
