// The header by which a TCP upstream is told who connects (PROXY protocol version 2, HAProxy's proxy-protocol.txt §2.2). Only ever sent:
// whatever a peer sends, be it such a header, is the upstream's to read.

import { isIPv4, isIPv6 } from 'node:net';

export interface ProxiedConnection {
  readonly peer: { readonly address: string; readonly port: number };
  readonly listener: { readonly address: string; readonly port: number };
  /** As OpenSSL names it, such as `TLSv1.3`. */
  readonly tlsVersion: string;
  readonly spiffeId: string;
  /** By which the upstream's log and ours can be brought together; up to 128 ASCII characters. */
  readonly decisionId: string;
}

/** In the range that is left to applications (§2.2.8): the SPIFFE ID of the peer, proven. */
export const PP2_TYPE_SPIFFE_ID = 0xe5;

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const VERSION_2_PROXY = 0x21;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;
const PP2_TYPE_CRC32C = 0x03;
const PP2_TYPE_UNIQUE_ID = 0x05;
const PP2_TYPE_SSL = 0x20;
const PP2_SUBTYPE_SSL_VERSION = 0x21;
// Over TLS, with a certificate on this connection and, since none is resumed, in this session.
const PP2_CLIENT_SSL_CERT_CONN_SESS = 0x07;
const VERIFIED = Buffer.alloc(4);

/** @throws {Error} when the connection has no addresses any more. */
export function encodeProxyHeader({ peer, listener, tlsVersion, spiffeId, decisionId }: ProxiedConnection): Buffer {
  const from = octetsOf(peer.address);
  const to = octetsOf(listener.address);
  const isIPv4Pair = from.length === to.length && from.length === 4;
  const client = Buffer.of(PP2_CLIENT_SSL_CERT_CONN_SESS);
  const version = tlv(PP2_SUBTYPE_SSL_VERSION, Buffer.from(tlsVersion));
  const checksum = tlv(PP2_TYPE_CRC32C, Buffer.alloc(4));
  const rest = Buffer.concat([
    isIPv4Pair ? from : asIPv6(from),
    isIPv4Pair ? to : asIPv6(to),
    uint16(peer.port),
    uint16(listener.port),
    tlv(PP2_TYPE_SSL, Buffer.concat([client, VERIFIED, version])),
    tlv(PP2_TYPE_SPIFFE_ID, Buffer.from(spiffeId)),
    tlv(PP2_TYPE_UNIQUE_ID, Buffer.from(decisionId)),
    checksum,
  ]);
  const family = isIPv4Pair ? TCP_OVER_IPV4 : TCP_OVER_IPV6;
  const header = Buffer.concat([SIGNATURE, Buffer.of(VERSION_2_PROXY, family), uint16(rest.length), rest]);
  // §2.2.3: computed over the whole header, its own field being zero.
  header.writeUInt32BE(crc32c(header), header.length - 4);
  return header;
}

function tlv(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.of(type), uint16(value.length), value]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

const MAPPED = '::ffff:';
const MAPPED_PREFIX = Buffer.from('00000000000000000000ffff', 'hex');

/** Of an IPv4 peer on a socket for both families, those of IPv4. */
function octetsOf(address: string): Buffer {
  const bare =
    address.startsWith(MAPPED) && isIPv4(address.slice(MAPPED.length)) ? address.slice(MAPPED.length) : address;
  if (isIPv4(bare)) return Buffer.from(bare.split('.').map(Number));
  // A link-local address says by which interface, and the header cannot.
  const [unscoped = ''] = bare.split('%');
  if (!isIPv6(unscoped)) throw new Error(`\`${address}\` is not the address of a connection`);
  return ipv6Octets(unscoped);
}

function asIPv6(octets: Buffer): Buffer {
  return octets.length === 4 ? Buffer.concat([MAPPED_PREFIX, octets]) : octets;
}

/** RFC 4291 §2.2. */
function ipv6Octets(address: string): Buffer {
  const [head = '', tail] = address.split('::');
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  const zeros = Array<number>(8 - before.length - after.length).fill(0);
  return Buffer.concat([...before, ...zeros, ...after].map(uint16));
}

function groupsOf(text: string): readonly number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return Number.parseInt(group, 16);
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

/** RFC 9260, appendix A: reflected, with the polynomial 0x1EDC6F41. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}
