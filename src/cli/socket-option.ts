// `--socket`: a path as people type it, or an address as SPIFFE_ENDPOINT_SOCKET has it.

import { resolve } from 'node:path';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { type EndpointAddress, parseEndpointAddress } from '../workload-api/endpoint-address.ts';

class SocketOptionError extends SallyportError<'not-a-socket-name'> {}

const IS_URI = /^[A-Za-z][A-Za-z0-9+.-]*:/;

/** @throws {SocketOptionError | EndpointAddressError} */
export function parseSocketOption(text: string): EndpointAddress {
  if (IS_URI.test(text)) return parseEndpointAddress(text);
  if (text === '' || text.endsWith('/')) {
    throw new SocketOptionError('not-a-socket-name', `${quote(text)} does not name a socket`);
  }
  return { kind: 'unix', path: resolve(text) };
}
