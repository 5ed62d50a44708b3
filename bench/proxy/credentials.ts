// The certificates of a run: one authority, the proxies' SVID, and clients with an SPIFFE ID each.

import { webcrypto } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAuthority, toAuthorityFiles } from '../../src/devca/authority.ts';
import { issueSvid } from '../../src/devca/svid.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';

const DAY_MS = 86_400_000;

/** Writes `bundle.pem`, `server.pem`, `server.key`, `server-both.pem`, and `client-N.pem` and `client-N.key`. */
export async function writeCredentials(directory: string, clients: number): Promise<void> {
  const issuing = { nowMs: Date.now(), crypto: webcrypto };
  const trustDomain = parseTrustDomain('ai.example');
  const authority = await createAuthority(
    { trustDomain, ttlMs: 2 * DAY_MS, keyType: 'p256', signWith: 'root' },
    issuing,
  );
  writeFileSync(join(directory, 'bundle.pem'), toAuthorityFiles(authority).bundlePem);
  const names: (readonly [string, string])[] = [['server', 'spiffe://ai.example/registry/proxy']];
  for (let index = 0; index < clients; index += 1)
    names.push([`client-${index}`, `spiffe://ai.example/training/job-${index}`]);
  for (const [name, id] of names) {
    const svid = await issueSvid(
      authority,
      { id: parseSpiffeId(id), ttlMs: DAY_MS, keyType: 'p256', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] },
      issuing,
    );
    writeFileSync(join(directory, `${name}.pem`), svid.certificatePem);
    writeFileSync(join(directory, `${name}.key`), svid.privateKeyPem, { mode: 0o600 });
    if (name !== 'server') continue;
    // HAProxy wants both in one file.
    writeFileSync(join(directory, 'server-both.pem'), `${svid.certificatePem}${svid.privateKeyPem}`, { mode: 0o600 });
  }
}
