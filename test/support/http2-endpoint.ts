// Ends of HTTP/2 connections without the rest of a proxy: users that write down what they are told, a wire between two ends, and a socket.

import type { Socket } from 'node:net';
import { Http2Endpoint } from '../../src/http2/endpoint.ts';
import type {
  EndpointLimits,
  EndpointOutput,
  EndpointOwner,
  Http2Channel,
  PeerSettings,
  ReceivedFields,
  StreamReset,
  StreamUser,
  Violation,
} from '../../src/http2/endpoint-ports.ts';

export const LIMITS: EndpointLimits = {
  maxConcurrentStreams: 100,
  maxFieldSectionBytes: 16_384,
  maxFieldCount: 100,
  streamWindowBytes: 65_536,
  connectionWindowBytes: 1_048_576,
  enableConnectProtocol: false,
};

export const REQUEST: readonly string[] = [
  ':method POST',
  ':scheme https',
  ':authority registry',
  ':path /x',
  'content-type application/grpc',
  'te trailers',
].flatMap((field) => field.split(' '));
export const RESPONSE: readonly string[] = [':status', '200', 'content-type', 'application/grpc'];
export const TRAILERS: readonly string[] = ['grpc-status', '0'];

/** Writes down what it is told, as words; may be given something to do then. */
export class RecordingUser implements StreamUser {
  readonly told: string[] = [];
  readonly pieces: Buffer[] = [];
  head: ReceivedFields | null = null;
  lastFields: ReceivedFields | null = null;
  why: StreamReset | null = null;
  onTold: (word: string) => void = () => undefined;

  get body(): Buffer {
    return Buffer.concat(this.pieces);
  }

  headers(fields: ReceivedFields, endsStream: boolean): void {
    this.head = fields;
    this.#tell(endsStream ? 'headers+end' : 'headers');
  }

  trailers(fields: ReceivedFields): void {
    this.lastFields = fields;
    this.#tell('trailers');
  }

  data(bytes: Buffer): void {
    this.pieces.push(Buffer.from(bytes));
    this.#tell('data');
  }

  ended(): void {
    this.#tell('ended');
  }

  drained(): void {
    this.#tell('drained');
  }

  sent(): void {
    this.#tell('sent');
  }

  reset(why: StreamReset): void {
    this.why = why;
    this.#tell(`reset ${why.kind}${'code' in why ? ` ${why.code}` : ''}`);
  }

  closed(): void {
    this.#tell('closed');
  }

  #tell(word: string): void {
    this.told.push(word);
    this.onTold(word);
  }
}

export interface OpenedStream {
  readonly channel: Http2Channel;
  readonly user: RecordingUser;
  readonly fields: ReceivedFields;
  readonly endsStream: boolean;
}

/** Takes every request, resumes it, and leaves the rest to `onOpened`. */
export class RecordingOwner implements EndpointOwner {
  readonly opened: OpenedStream[] = [];
  readonly told: string[] = [];
  settingsTold: PeerSettings | null = null;
  broken = 0;
  idle = 0;
  violation: Violation | null = null;
  onOpened: (opened: OpenedStream) => void = ({ channel }) => channel.resume();
  onTold: (word: string) => void = () => undefined;
  refuses = false;

  settings(settings: PeerSettings): void {
    this.settingsTold = settings;
    this.#tell('settings');
  }

  streamOpened(channel: Http2Channel, fields: ReceivedFields, endsStream: boolean): StreamUser | null {
    this.#tell('opened');
    if (this.refuses) return null;
    const opened = { channel, user: new RecordingUser(), fields, endsStream };
    this.opened.push(opened);
    this.onOpened(opened);
    return opened.user;
  }

  streamBroken(): void {
    this.broken += 1;
    this.#tell('broken');
  }

  idleFrame(): void {
    this.idle += 1;
    this.#tell('idle');
  }

  pong(): void {
    this.#tell('pong');
  }

  goaway(code: number, lastStreamId: number): void {
    this.#tell(`goaway ${code} ${lastStreamId}`);
  }

  failed(violation: Violation): void {
    this.violation = violation;
    this.#tell(`failed ${violation.kind} ${violation.code}`);
  }

  outputWaits(): void {
    this.#tell('waits');
  }

  #tell(word: string): void {
    this.told.push(word);
    this.onTold(word);
  }
}

/** Takes all there is, as one piece of memory. */
export function flushed(endpoint: Http2Endpoint): Buffer {
  const pieces: Buffer[] = [];
  endpoint.flush({
    write: (bytes, written) => {
      pieces.push(Buffer.from(bytes));
      written?.();
      return true;
    },
  });
  return Buffer.concat(pieces);
}

/** Both ends of one connection in memory. */
export class EndpointPair {
  readonly clientOwner = new RecordingOwner();
  readonly serverOwner = new RecordingOwner();
  readonly client: Http2Endpoint;
  readonly server: Http2Endpoint;

  constructor({
    client = {},
    server = {},
  }: { client?: Partial<EndpointLimits>; server?: Partial<EndpointLimits> } = {}) {
    const clientLimits = { ...LIMITS, maxConcurrentStreams: 0, ...client };
    this.client = new Http2Endpoint({ role: 'client', limits: clientLimits, owner: this.clientOwner });
    this.server = new Http2Endpoint({ role: 'server', limits: { ...LIMITS, ...server }, owner: this.serverOwner });
  }

  /** Until neither has anything to say. */
  settle(): void {
    for (;;) {
      const request = flushed(this.client);
      if (request.length > 0) this.server.receive(request);
      const response = flushed(this.server);
      if (response.length > 0) this.client.receive(response);
      if (request.length + response.length === 0) return;
    }
  }
}

/** One end on a socket, which is ended when the end has failed. */
export function attachEndpoint(role: 'server' | 'client', socket: Socket, owner: RecordingOwner): Http2Endpoint {
  const endpoint = new Http2Endpoint({ role, limits: LIMITS, owner });
  const output: EndpointOutput = { write: (bytes, written) => socket.write(bytes, () => written?.()) };
  const flush = (): void => endpoint.flush(output);
  owner.onTold = (word) => {
    if (word === 'waits') process.nextTick(flush);
    if (word.startsWith('failed')) process.nextTick(() => socket.end());
  };
  socket.on('data', (bytes: Buffer) => {
    endpoint.receive(bytes);
    flush();
  });
  socket.on('drain', () => {
    endpoint.drained();
    flush();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => endpoint.disconnected());
  process.nextTick(flush);
  return endpoint;
}
