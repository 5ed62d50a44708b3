// Which addresses stay on this machine: what may carry plaintext and development certificates.

/** True for 127.0.0.0/8, `::1` (also IPv4-mapped) and the name `localhost`; takes a host without brackets or port. */
export function isLoopbackHost(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  const ipv4 = host.startsWith('::ffff:') ? host.slice('::ffff:'.length) : host;
  return /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(ipv4);
}
