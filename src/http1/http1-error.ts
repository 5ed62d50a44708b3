// Every way a message can be refused by the codec: one closed list of codes, each with its status and its sentence.

import { SallyportError } from '../core/error.ts';

export type Http1Status = 400 | 414 | 417 | 431 | 500 | 501 | 502 | 505;

/** Whose message was malformed: a request's code decides its status, a response is always a 502 to the peer. */
export type MessageSide = 'request' | 'response';

interface Refusal {
  /** For a request; see MessageSide. */
  readonly status: Http1Status;
  readonly sentence: string;
}

// Sentences never quote the input: they end up in logs and the input is the attacker's.
const REFUSALS = {
  // Start line: RFC 9112 §3 and §4.
  'invalid-method': { status: 400, sentence: 'the message does not begin with a method token (RFC 9112 §3.1)' },
  'method-not-supported': {
    status: 501,
    sentence: 'CONNECT, TRACE and PRI are not proxied (RFC 9110 §9.3.6, §9.3.8, RFC 9113 §11.6)',
  },
  'http2-preface': { status: 505, sentence: 'an HTTP/2 connection preface arrived on HTTP/1.1 (RFC 9113 §3.4)' },
  'invalid-request-line': {
    status: 400,
    sentence: 'the request line is not `method SP target SP version` (RFC 9112 §3)',
  },
  'version-not-supported': { status: 505, sentence: 'the version is neither HTTP/1.1 nor HTTP/1.0 (RFC 9112 §2.3)' },
  'target-form': { status: 400, sentence: 'the request target is not in origin form (RFC 9112 §3.2.1)' },
  'target-too-long': { status: 414, sentence: 'the request target is too long (RFC 9110 §15.5.15)' },
  'invalid-status-line': { status: 400, sentence: 'the status line is malformed (RFC 9112 §4)' },
  // Target: RFC 3986 §3.3, §3.4 and the path policy of request-target.ts.
  'path-octet': { status: 400, sentence: 'the path holds an octet that RFC 3986 §3.3 does not allow raw' },
  'path-parameter': { status: 400, sentence: 'the path holds `;`, raw or encoded, which servers disagree about' },
  'path-backslash': {
    status: 400,
    sentence: 'the path holds a backslash, raw or encoded, which some servers take for `/`',
  },
  'path-encoded-slash': { status: 400, sentence: 'the path holds an encoded `/`' },
  'path-encoded-control': { status: 400, sentence: 'the path holds an encoded control character' },
  'path-encoded-unreserved': { status: 400, sentence: 'the path encodes an unreserved character (RFC 3986 §2.3)' },
  'path-double-encoding': {
    status: 400,
    sentence: 'the path holds an encoded percent sign that begins another escape',
  },
  'path-percent': { status: 400, sentence: 'a `%` in the path is not followed by two hex digits (RFC 3986 §2.1)' },
  'path-utf8': { status: 400, sentence: 'the decoded path is not UTF-8 (RFC 3629 §3)' },
  'path-empty-segment': { status: 400, sentence: 'the path holds an empty segment' },
  'path-dot-segment': { status: 400, sentence: 'the path holds a dot segment (RFC 3986 §3.3)' },
  'target-fragment': { status: 400, sentence: 'the request target holds a fragment (RFC 9110 §7.1)' },
  'query-octet': { status: 400, sentence: 'the query holds an octet that is not allowed raw (RFC 3986 §3.4)' },
  'query-percent': { status: 400, sentence: 'a `%` in the query is not followed by two hex digits (RFC 3986 §2.1)' },
  'query-control': { status: 400, sentence: 'the query encodes NUL, CR or LF' },
  // Field section: RFC 9112 §5, RFC 9110 §5.
  'bare-cr': { status: 400, sentence: 'a CR is not followed by LF (RFC 9112 §2.2)' },
  'bare-lf': { status: 400, sentence: 'an LF is not preceded by CR (RFC 9112 §2.2)' },
  'head-too-large': { status: 431, sentence: 'the head or trailer section is too large (RFC 6585 §5)' },
  'too-many-fields': { status: 431, sentence: 'the head or trailer section has too many fields (RFC 6585 §5)' },
  'invalid-field-name': { status: 400, sentence: 'a field name is not a token (RFC 9110 §5.1)' },
  'space-before-colon': {
    status: 400,
    sentence: 'whitespace stands between a field name and its colon (RFC 9112 §5.1)',
  },
  'obs-fold': { status: 400, sentence: 'a field line begins with whitespace (RFC 9112 §5.2)' },
  'invalid-field-value': { status: 400, sentence: 'a field value holds a control character (RFC 9110 §5.5)' },
  'duplicate-field': { status: 400, sentence: 'a field that may occur once occurs twice (RFC 9110 §5.3)' },
  // Framing and connection: RFC 9112 §6, §7, §9; RFC 9110 §7.6.1, §7.8, §10.1.1.
  'missing-host': { status: 400, sentence: 'the request has no Host field (RFC 9112 §3.2)' },
  'invalid-host': { status: 400, sentence: 'the Host field is not `host[:port]` (RFC 9110 §7.2)' },
  'invalid-content-length': { status: 400, sentence: 'Content-Length is not one decimal number (RFC 9110 §8.6)' },
  'invalid-transfer-encoding': { status: 400, sentence: 'Transfer-Encoding is not exactly `chunked` (RFC 9112 §6.1)' },
  'transfer-encoding-in-http-1-0': { status: 400, sentence: 'HTTP/1.0 has no Transfer-Encoding (RFC 9112 §6.1)' },
  'conflicting-framing': { status: 400, sentence: 'Content-Length and Transfer-Encoding both occur (RFC 9112 §6.3)' },
  'body-not-allowed': { status: 400, sentence: 'a 1xx or 204 response announces a body (RFC 9110 §6.4.1)' },
  'invalid-connection': { status: 400, sentence: 'Connection is not a list of tokens (RFC 9110 §7.6.1)' },
  'forbidden-connection-option': {
    status: 400,
    sentence: 'Connection names a field meant for the recipient (RFC 9110 §7.6.1)',
  },
  'expectation-failed': {
    status: 417,
    sentence: 'Expect holds something other than `100-continue` (RFC 9110 §10.1.1)',
  },
  'invalid-upgrade': { status: 400, sentence: 'Upgrade is not one protocol (RFC 9110 §7.8)' },
  'upgrade-with-body': { status: 400, sentence: 'a request to upgrade has a body: whose bytes follow it is ambiguous' },
  // Body: RFC 9112 §7.1.
  'invalid-chunk-size': { status: 400, sentence: 'a chunk size is not a bounded hexadecimal number (RFC 9112 §7.1)' },
  'chunk-extension': {
    status: 400,
    sentence: 'a chunk has an extension, which no proxied service needs (RFC 9112 §7.1.1)',
  },
  'invalid-chunk-end': { status: 400, sentence: 'chunk data is not followed by CRLF (RFC 9112 §7.1)' },
  'forbidden-trailer': { status: 400, sentence: 'a trailer field changes framing or routing (RFC 9110 §6.5.1)' },
  // Only a response can be these.
  'closing-informational': { status: 502, sentence: 'a 1xx response says that it is the last on its connection' },
  'too-many-informational': { status: 502, sentence: 'too many 1xx responses came before the final one' },
  'unexpected-response': { status: 502, sentence: 'bytes arrived that answer no request' },
  'no-response': { status: 502, sentence: 'the connection ended before the first octet of a response' },
  'truncated-head': { status: 502, sentence: 'the connection ended inside a response head (RFC 9112 §8)' },
  'truncated-body': { status: 502, sentence: 'the connection ended inside a response body (RFC 9112 §8)' },
  // Only what we were about to send can be these.
  'unencodable-start-line': { status: 500, sentence: 'a start line to be sent holds a forbidden octet' },
  'unencodable-field': { status: 500, sentence: 'a field to be sent holds a forbidden octet' },
} as const satisfies Record<string, Refusal>;

export type Http1ErrorCode = keyof typeof REFUSALS;

/** Every code there is, for tables that must be complete. */
export const HTTP1_ERROR_CODES: readonly Http1ErrorCode[] = Object.keys(REFUSALS) as Http1ErrorCode[];

/** A message that is refused; the connection it came on cannot be used further. */
export class Http1Error extends SallyportError<Http1ErrorCode> {
  /** What to answer the peer. */
  readonly status: Http1Status;

  constructor(code: Http1ErrorCode, side: MessageSide) {
    super(code, REFUSALS[code].sentence);
    this.status = side === 'response' ? 502 : REFUSALS[code].status;
  }
}
