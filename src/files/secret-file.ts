// Whether a file that holds a secret may be read by more than need to.

import { quote } from '../core/quote.ts';
import type { FileWarning, GroupFile } from './file-group.ts';

const GROUP_OR_OTHERS_MAY_READ = 0o044;
const OTHERS_MAY_READ = 0o004;

// A file of another user, as in a volume of Kubernetes, is ours to read only through its group.
export function judgeSecretFile(
  what: 'private key' | 'password',
  { path, mode, isOurs }: GroupFile,
): readonly FileWarning[] {
  if ((mode & (isOurs ? GROUP_OR_OTHERS_MAY_READ : OTHERS_MAY_READ)) === 0) return [];
  const enough = isOurs ? '0600' : '0640';
  const message = `the ${what} ${quote(path)} may be read by more than need to; its permissions are 0${mode.toString(8)}, ${enough} is enough`;
  return [{ code: what === 'password' ? 'readable-password' : 'readable-private-key', message }];
}
