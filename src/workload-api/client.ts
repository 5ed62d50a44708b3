// Calls to a SPIFFE Workload API: each has a connection of its own, so that no call inherits the state of an earlier one.
// SPIFFE_Workload_Endpoint.md §3; SPIFFE_Workload_API.md §4.2, §4.3

import { Client, type ClientUnaryCall, Metadata } from '@grpc/grpc-js';
import type { Schedule } from '../core/clock.ts';
import { quote } from '../core/quote.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { AgentError, type CallStatus, noAnswer, toAgentError } from './agent-error.ts';
import { type EndpointAddress, formatEndpointAddress } from './endpoint-address.ts';
import { type EmptyRequest, FETCH_JWT_SVID, type JwtSvidMessage, type Method, SECURITY_HEADER } from './messages.ts';
import { PlaintextCredentials } from './plaintext-credentials.ts';

export interface Agent {
  readonly address: EndpointAddress;
  /** For an answer that is not a stream, and for the first message of one; those after it may take as long as they like. */
  readonly answerTimeoutMs: number;
  readonly schedule: Schedule;
}

export interface StreamListener {
  /** One response, still encoded. */
  onMessage(message: Buffer): void;
  /** Once, and the last there is. */
  onEnd(error: AgentError): void;
}

export interface JwtSvidOrder {
  readonly audiences: readonly [string, ...string[]];
  /** Null for every identity that we have. */
  readonly id: SpiffeId | null;
}

/** The first message of a stream comes at once (§4.3); an agent that does not know us yet may first ask its server. */
export const ANSWER_TIMEOUT_MS = 10_000;

// A bundle of a hundred trust domains with ten authorities each has about 1 MiB.
const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;
// Servers of grpc-go take more than one ping in 5 minutes for an attack, unless they are told otherwise.
const KEEPALIVE_MS = 6 * 60_000;

/** Begins a stream; returns the way out, after which the listener hears nothing. */
export function openStream(agent: Agent, method: Method<EmptyRequest, unknown>, listener: StreamListener): () => void {
  const { address, answerTimeoutMs, schedule } = agent;
  const connection = connect(address);
  const request = method.request.encode({});
  const call = connection.client.makeServerStreamRequest(method.path, asTheyAre, asTheyAre, request, metadata());
  const cancelTimeout = schedule(answerTimeoutMs, () => end(noAnswer(address, answerTimeoutMs)));
  let isOpen = true;
  call.on('data', (message: Buffer) => {
    if (!isOpen) return;
    cancelTimeout();
    listener.onMessage(message);
  });
  call.on('error', (error: CallStatus) => end(toAgentError(error, address, method.path)));
  call.on('status', (ended: CallStatus) => end(toAgentError(ended, address, method.path)));
  return close;

  function end(error: AgentError): void {
    if (!isOpen) return;
    close();
    listener.onEnd(error);
  }

  function close(): void {
    isOpen = false;
    cancelTimeout();
    call.cancel();
    connection.close();
  }
}

/**
 * JWT-SVIDs for the audiences, the default identity's first.
 * @throws {AgentError}
 */
export async function fetchJwtSvids(agent: Agent, order: JwtSvidOrder): Promise<readonly JwtSvidMessage[]> {
  const request = FETCH_JWT_SVID.request.encode({ audiences: order.audiences, spiffeId: order.id ?? '' });
  const response = await callOnce(agent, FETCH_JWT_SVID.path, request);
  const { svids } = decodeResponse(() => FETCH_JWT_SVID.response.decode(response), agent);
  // §4.5, §6.2.1: svids, and in each of them all but the hint, is mandatory.
  const isComplete = svids.length > 0 && svids.every(({ spiffeId, svid }) => spiffeId !== '' && svid !== '');
  if (!isComplete) throw unusable(agent, 'it has no JWT-SVID, or one that is not complete');
  const other = svids.find(({ spiffeId }) => order.id !== null && spiffeId !== order.id);
  if (other !== undefined)
    throw unusable(agent, `it has a JWT-SVID of ${quote(other.spiffeId)}, not of \`${order.id}\``);
  return svids;
}

interface Connection {
  readonly client: Client;
  close(): void;
}

function connect(address: EndpointAddress): Connection {
  const credentials = new PlaintextCredentials();
  const client = new Client(targetOf(address), credentials, {
    'grpc.max_receive_message_length': MAX_RESPONSE_BYTES,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    // Otherwise a proxy that the environment names sees private keys, on their way to an agent that it cannot reach.
    'grpc.enable_http_proxy': 0,
    // Otherwise what was closed is remembered, to be shared with the next channel to the same target.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.enable_channelz': 0,
  });
  return {
    client,
    close() {
      client.close();
      credentials.close();
    },
  };
}

function targetOf(address: EndpointAddress): string {
  if (address.kind === 'unix') return `unix://${address.path}`;
  const { host, port } = address;
  return host.includes(':') ? `ipv6:[${host}]:${port}` : `ipv4:${host}:${port}`;
}

function metadata(): Metadata {
  const metadata = new Metadata();
  metadata.set(SECURITY_HEADER.name, SECURITY_HEADER.value);
  return metadata;
}

/** Messages are decoded by who judges them: gRPC would end the call when that fails. */
const asTheyAre = (message: Buffer): Buffer => message;

async function callOnce(agent: Agent, path: string, request: Buffer): Promise<Buffer> {
  const { address, answerTimeoutMs, schedule } = agent;
  const connection = connect(address);
  let cancelTimeout: () => void = () => undefined;
  try {
    return await new Promise((resolve, reject) => {
      const call: ClientUnaryCall = connection.client.makeUnaryRequest(
        path,
        asTheyAre,
        asTheyAre,
        request,
        metadata(),
        (error, response) => {
          if (error !== null) reject(toAgentError(error, address, path));
          else if (response === undefined) reject(unusable(agent, 'it is empty'));
          else resolve(response);
        },
      );
      cancelTimeout = schedule(answerTimeoutMs, () => {
        reject(noAnswer(address, answerTimeoutMs));
        call.cancel();
      });
    });
  } finally {
    cancelTimeout();
    connection.close();
  }
}

function decodeResponse<Response>(decode: () => Response, agent: Agent): Response {
  try {
    return decode();
  } catch (error) {
    throw unusable(agent, error instanceof Error ? error.message : 'unreadable', { cause: error });
  }
}

function unusable({ address }: Agent, why: string, options?: ErrorOptions): AgentError {
  const where = quote(formatEndpointAddress(address));
  return new AgentError('malformed-response', `the answer of the agent at ${where} cannot be used: ${why}`, options);
}
