// Methods that no proxy of requests can forward, whatever a policy says of them.

/** False for CONNECT, TRACE and PRI (RFC 9110 §9.3.6, §9.3.8, RFC 9113 §11.6): answered with 501. */
export function isProxiedMethod(method: string): boolean {
  return method !== 'CONNECT' && method !== 'TRACE' && method !== 'PRI';
}
