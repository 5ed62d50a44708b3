// Domain names in policies: the CNI turns them into addresses as they are resolved.

import { ALL_ADDRESSES } from './address-set.ts';
import { doubt } from './answer.ts';
import { ALL_BUT_METADATA, mayNameMetadata } from './metadata-address.ts';
import { outsideOnly, someOutside } from './peer-test.ts';
import type { PeerTest } from './traffic-policy.ts';

/** Addresses a name may come to have. That of the instance metadata is not among them unless the name is one of its own. */
export function domainName(name: string): PeerTest {
  const code = /^[*.]+$/.test(name) ? 'any-domain-name' : 'domain-name';
  const reason = doubt(code, `\`${name}\` stands for addresses that are not known here`);
  return outsideOnly(someOutside(mayNameMetadata(name) ? ALL_ADDRESSES : ALL_BUT_METADATA, reason));
}
