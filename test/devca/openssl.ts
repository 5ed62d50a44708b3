// The openssl command as a second opinion on what the development CA makes; tests that need it skip where it is missing.

import { spawnSync } from 'node:child_process';

export const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

/** Standard output; throws with standard error when openssl says no. */
export function openssl(args: readonly string[], input: string | Buffer = ''): string {
  const { status, stdout, stderr } = spawnSync('openssl', args, { input });
  if (status !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr.toString()}${stdout.toString()}`);
  return stdout.toString();
}

export function describeCertificate(pem: string): string {
  return openssl(['x509', '-noout', '-text'], pem);
}
