// Gives memory back to the system at once when the octets in it have been sent.

/**
 * Each read of a TLS socket comes in memory of its own, which the collector lets pile up to some 60 MiB before it looks at it.
 * Detaching frees it now. Memory that others have a part in is left to the collector.
 */
export function freeMemory(bytes: Buffer): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length) buffer.transfer(0);
}
