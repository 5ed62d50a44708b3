// Where a redirect may not take us, whatever its host is called: this machine, the link, and what clouds hide behind fixed addresses.
// A bundle endpoint that could send us there would make us ask in its name what it cannot ask itself (SSRF).

import { BlockList, isIPv4, type LookupFunction } from 'node:net';
import { quote } from '../core/quote.ts';
import { FederationError } from './federation-error.ts';

/** Network and prefix length. */
const IPV4_NETWORKS: readonly (readonly [string, number])[] = [
  // "This host on this network": Linux connects 0.0.0.0 to loopback.
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  // Link-local, and with it 169.254.169.254: the metadata of AWS, Azure, GCP, OpenStack and more.
  ['169.254.0.0', 16],
  ['224.0.0.0', 4],
  ['255.255.255.255', 32],
  // Metadata and wire servers outside of link-local: Alibaba, Azure, Oracle.
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['192.0.0.192', 32],
];
const IPV6_NETWORKS: readonly (readonly [string, number])[] = [
  // Unspecified, loopback, and every IPv4 address in the deprecated compatible form.
  ['::', 96],
  ['fe80::', 10],
  ['ff00::', 8],
  // Metadata: AWS, GCP, Oracle.
  ['fd00:ec2::254', 128],
  ['fd20:ce::254', 128],
  ['fd00:c1::a9fe:a9fe', 128],
  // 6to4 carries an IPv4 address, and nobody serves from there any more.
  ['2002::', 16],
];
const NAT64_PREFIX_BITS = 96;

const OFF_LIMITS = createBlockList();

/** Private networks are not off limits: partners inside one company live there. */
export function isOffLimits(address: string): boolean {
  // BlockList does not know addresses with a zone (`fe80::1%eth0`).
  const plain = address.replace(/%.*$/, '');
  // For an IPv4-mapped IPv6 address it asks the IPv4 networks by itself.
  return OFF_LIMITS.check(plain, isIPv4(plain) ? 'ipv4' : 'ipv6');
}

/**
 * Resolves as `lookup` does and fails when any of the addresses is off limits. The addresses it gives are those that are connected to,
 * so a name that resolves differently the next time gains nothing.
 */
export function guardLookup(lookup: LookupFunction, isForbidden: (address: string) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, resolved) => {
      if (error !== null) return callback(error, []);
      const addresses = typeof resolved === 'string' ? [] : resolved;
      const forbidden = addresses.find(({ address }) => isForbidden(address));
      if (forbidden !== undefined) {
        const message = `the redirect to ${quote(hostname)} leads to \`${forbidden.address}\`, where no redirect may lead`;
        return callback(new FederationError('redirect', message), []);
      }
      const [first] = addresses;
      if (options.all === true || first === undefined) return callback(null, addresses);
      callback(null, first.address, first.family);
    });
  };
}

function createBlockList(): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of IPV4_NETWORKS) {
    list.addSubnet(network, prefix, 'ipv4');
    // RFC 6052 §2.1: what a NAT64 translates to the same place.
    list.addSubnet(`64:ff9b::${network}`, NAT64_PREFIX_BITS + prefix, 'ipv6');
  }
  for (const [network, prefix] of IPV6_NETWORKS) list.addSubnet(network, prefix, 'ipv6');
  return list;
}
