// Answers of an API server: their bodies within a limit, and what it says when it refuses.

import type { IncomingMessage } from 'node:http';
import { createGunzip } from 'node:zlib';
import { own } from '../audit/kube-object.ts';
import { quote } from '../core/quote.ts';
import { ApiError, statusToCode } from './api-error.ts';
import { ConnectionError } from './connection-error.ts';

/** @throws {ApiError} too-large */
export async function readBody(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const isCompressed = response.headers['content-encoding'] === 'gzip';
  const body = isCompressed ? response.pipe(createGunzip()) : response;
  // An error of the source does not reach what it is piped into.
  if (isCompressed) response.on('error', (error) => body.destroy(error));
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) {
      response.destroy();
      throw new ApiError('too-large', `the answer has more than the ${maxBytes} bytes that are read`);
    }
  }
  return Buffer.concat(chunks);
}

const MAX_REFUSAL_BYTES = 256 * 1024;

/** https://kubernetes.io/docs/reference/using-api/api-concepts/ , and `Status` of meta/v1 */
export async function readRefusal(response: IncomingMessage, path: string): Promise<ApiError> {
  const status = response.statusCode ?? 0;
  const answer = parse(await readBody(response, MAX_REFUSAL_BYTES));
  const message = own(answer, 'message');
  const seconds = own(own(answer, 'details'), 'retryAfterSeconds');
  const words = typeof message === 'string' && message !== '' ? `: ${quote(message)}` : '';
  return new ApiError(statusToCode(status), `${path}: the API server answered ${status}${words}`, {
    retryAfterMs: retryAfterOf(response) ?? (typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : null),
  });
}

/** @throws whatever is neither an error of the system nor one of ours */
export function toApiError(
  error: unknown,
  { path, signal }: { readonly path: string; readonly signal: AbortSignal },
): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof ApiError || error instanceof ConnectionError) return error;
  if (error instanceof SyntaxError) return new ApiError('malformed', `${path}: the answer is no JSON`);
  if (!(error instanceof Error && 'code' in error)) return error;
  const code = String(error.code);
  if (CERTIFICATE_FAULTS.test(code)) {
    const message = `the certificate of the API server is not what the configuration asks for: ${error.message} (${code})`;
    return new ApiError('untrusted-server', message, { cause: error });
  }
  return new ApiError('unreachable', `${path}: the API server cannot be reached: ${quote(error.message)} (${code})`, {
    cause: error,
  });
}

const CERTIFICATE_FAULTS =
  /^(?:CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_(?:GET|VERIFY|DECRYPT|DECODE)_|ERR_TLS_CERT_ALTNAME|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED)/;

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    // Something between us and the API server has answered; its status says enough.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** In seconds; a date is not worth a clock. */
function retryAfterOf({ headers }: IncomingMessage): number | null {
  const seconds = Number(headers['retry-after']);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : null;
}
