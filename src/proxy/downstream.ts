// The peer's side of an exchange: who asks, and the way back to them as one protocol implements it.

import type { FieldLines } from '../http1/field-lines.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import type { Trailers } from '../http1/trailers.ts';
import type { CachePartition } from '../policy/decision-cache.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { Lease } from './lease.ts';
import type { Loan } from './read-buffers.ts';
import type { Refusal, Termination } from './refusal.ts';

/** The way back to the peer, as one protocol implements it. */
export interface Downstream {
  /** An interim response; only where the protocol version has them. `lines`: its fields. */
  sendInformational(head: ResponseHead, lines: FieldLines): void;
  /** `lines`: the fields of `head` that are passed on. */
  sendHead(head: ResponseHead, lines: FieldLines): void;
  /** Holds `loan` for as long as it needs the bytes. */
  sendData(bytes: Buffer, loan: Loan): void;
  /** Everything one turn of the upstream brought has been sent. */
  flush(): void;
  sendEnd(trailers: Trailers): void;
  /** Answers in the upstream's place. */
  refuse(refusal: Refusal): void;
  /** Ends the response where it stands, so that the peer can tell it is not whole. */
  cut(termination: Termination): void;
  /** True while the peer takes what it is sent more slowly than it comes. */
  readonly isCongested: boolean;
  /** The exchange can take no request body until it resumes it: there is nowhere to send it to. */
  pauseRequestBody(): void;
  /** The exchange can take request body again. */
  resumeRequestBody(): void;
  /** The exchange is over and recorded. */
  exchangeEnded(): void;
}

/** Who asks, proven: the peer of the connection, or whoever the token of the request names. */
export interface ExchangePeer {
  readonly id: SpiffeId;
  /** The mTLS peer, where it carries the token of another. */
  readonly actor: SpiffeId | null;
  /** How long that holds. */
  readonly lease: Lease;
  readonly partition: CachePartition;
  /** Authorization was the peer's credential for us, and is nobody else's to see. */
  readonly consumesAuthorization: boolean;
  readonly connectionLines: FieldLines;
  readonly serverName: string | null;
}
