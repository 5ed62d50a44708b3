// Host names that a certificate may carry beside a SPIFFE ID.
// RFC 1123 §2.1, RFC 6125 §6.4.3

const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const DNS_NAME = new RegExp(`^(?:\\*\\.)?(?:${LABEL}\\.)*${LABEL}$`, 'i');
const MAX_LENGTH = 253;

/** True for a host name; its first label may be `*`. */
export function isDnsName(text: string): boolean {
  return text.length <= MAX_LENGTH && DNS_NAME.test(text);
}
