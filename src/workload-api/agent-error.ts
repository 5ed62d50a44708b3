// Why a call to the agent failed, in words that tell an operator what to do about it.
// SPIFFE_Workload_Endpoint.md §6, appendix A

import { status } from '@grpc/grpc-js';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { type EndpointAddress, formatEndpointAddress } from './endpoint-address.ts';

export type AgentErrorCode =
  /** PermissionDenied: the agent has nothing for this workload, or has it no more. */
  | 'permission-denied'
  /** InvalidArgument: the agent takes the request for wrong; not to be retried. */
  | 'invalid-argument'
  /** Unimplemented: the agent does not have the method; not to be retried. */
  | 'unimplemented'
  /** Nobody answers at the address. */
  | 'unreachable'
  /** No message in time, whether connected or not. */
  | 'no-answer'
  /** The agent ended a stream without an error. */
  | 'stream-ended'
  /** The answer was larger than what is read of one. */
  | 'response-too-large'
  /** The answer cannot be used; `cause` says why. */
  | 'malformed-response'
  /** Any other status, among them Unavailable. */
  | 'failed';

export class AgentError extends SallyportError<AgentErrorCode> {}

/** What grpc-js tells of the end of a call: the agent's words or its own, or, where one of its filters fails, an Error without either. */
export interface CallStatus {
  readonly code?: status;
  readonly details?: string;
  readonly message?: string;
}

interface Meaning {
  readonly code: AgentErrorCode;
  readonly what: string;
}

const MEANINGS: ReadonlyMap<status, Meaning> = new Map<status, Meaning>([
  [status.OK, { code: 'stream-ended', what: 'ended the stream' }],
  [
    status.PERMISSION_DENIED,
    {
      code: 'permission-denied',
      what: 'has nothing for this workload; is there a registration entry whose selectors it has?',
    },
  ],
  [status.INVALID_ARGUMENT, { code: 'invalid-argument', what: 'refuses the request for good' }],
  [status.UNIMPLEMENTED, { code: 'unimplemented', what: 'does not offer the method; is it a SPIFFE Workload API?' }],
  [status.RESOURCE_EXHAUSTED, { code: 'response-too-large', what: 'sends more than is read, or has too much to do' }],
  [status.UNAVAILABLE, { code: 'failed', what: 'is not available' }],
]);
const OTHER_FAILURE: Meaning = { code: 'failed', what: 'failed' };

/** The status with which a call of `method`, a path, ended. */
export function toAgentError(ended: CallStatus, address: EndpointAddress, method: string): AgentError {
  const statusCode = ended.code ?? status.UNKNOWN;
  const details = ended.details ?? ended.message ?? '';
  const unreachable = statusCode === status.UNAVAILABLE ? explainConnectError(details, address) : null;
  if (unreachable !== null) return new AgentError('unreachable', unreachable);
  const { code, what } = MEANINGS.get(statusCode) ?? OTHER_FAILURE;
  const where = quote(formatEndpointAddress(address));
  const name = status[statusCode] ?? `status ${statusCode}`;
  const said = details === '' ? name : `${name} ${quote(details)}`;
  return new AgentError(code, `the agent at ${where} ${what} (${method}: ${said})`);
}

export function noAnswer(address: EndpointAddress, timeoutMs: number): AgentError {
  const where = quote(formatEndpointAddress(address));
  return new AgentError('no-answer', `the agent at ${where} sent nothing within ${timeoutMs / 1000} s`);
}

/** gRPC tells failures to connect as text only. Null for any other failure. */
function explainConnectError(details: string, address: EndpointAddress): string | null {
  const where = quote(formatEndpointAddress(address));
  switch (/\bconnect (E[A-Z]+)\b/.exec(details)?.[1]) {
    case undefined:
      return null;
    case 'ENOENT':
      return `there is no socket at ${where}; is the agent running, and is its socket directory mounted here?`;
    case 'ECONNREFUSED':
      return `nobody listens at ${where}; has the agent ended, or not started yet?`;
    case 'EACCES':
    case 'EPERM':
      return `this process may not connect to ${where}; it must be able to write to the socket and to search its directories`;
    default:
      return `cannot connect to ${where} (${quote(details)})`;
  }
}
