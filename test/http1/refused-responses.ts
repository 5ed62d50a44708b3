// Responses that must be refused, always as a 502: [name, bytes as latin1 up to the end of the connection, code].

import type { Http1ErrorCode } from '../../src/http1/http1-error.ts';

export type RefusedResponse = readonly [name: string, bytes: string, code: Http1ErrorCode];

function ok(fields: string, body = ''): string {
  return `HTTP/1.1 200 OK\r\n${fields}\r\n${body}`;
}

const CHUNKED = 'Transfer-Encoding: chunked\r\n';

export const REFUSED_RESPONSES: readonly RefusedResponse[] = [
  [
    'H1-65 Content-Length and Transfer-Encoding',
    ok(`Content-Length: 5\r\n${CHUNKED}`, '0\r\n\r\n'),
    'conflicting-framing',
  ],
  ['H1-66 equal Content-Length twice', ok('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'), 'duplicate-field'],
  ['H1-66 Content-Length as a list', ok('Content-Length: 5, 5\r\n', 'hello'), 'invalid-content-length'],
  ['H1-66 Content-Length with a sign', ok('Content-Length: +5\r\n', 'hello'), 'invalid-content-length'],
  ['H1-67 gzip, chunked', ok('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'), 'invalid-transfer-encoding'],
  ['H1-67 identity', ok('Transfer-Encoding: identity\r\n', 'hello'), 'invalid-transfer-encoding'],
  ['H1-67 Transfer-Encoding twice', ok(CHUNKED + CHUNKED, '0\r\n\r\n'), 'duplicate-field'],
  ['H1-68 bare LF', 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n', 'bare-lf'],
  ['H1-68 bare CR', ok('X: a\rSet-Cookie: b\r\n'), 'bare-cr'],
  ['H1-69 space before the colon', ok('Content-Length : 5\r\n', 'hello'), 'space-before-colon'],
  ['H1-69 NUL in a value', ok('X: a\0b\r\n'), 'invalid-field-value'],
  ['H1-69 a name that is not a token', ok('X(: y\r\n'), 'invalid-field-name'],
  ['a folded field', ok('X: a\r\n b\r\n'), 'obs-fold'],
  ['H1-70 chunk extension', ok(CHUNKED, '5;a\r\nhello\r\n0\r\n\r\n'), 'chunk-extension'],
  ['H1-70 chunk size', ok(CHUNKED, '5g\r\nhello\r\n0\r\n\r\n'), 'invalid-chunk-size'],
  ['H1-70 chunk end', ok(CHUNKED, '5\r\nhelloXX0\r\n\r\n'), 'invalid-chunk-end'],
  ['H1-70 trailer that changes framing', ok(CHUNKED, '0\r\nContent-Length: 1\r\n\r\n'), 'forbidden-trailer'],
  [
    'H1-73 HTTP/1.0 with Transfer-Encoding',
    `HTTP/1.0 200 OK\r\n${CHUNKED}\r\n0\r\n\r\n`,
    'transfer-encoding-in-http-1-0',
  ],
  ['H1-73 HTTP/2.0', 'HTTP/2.0 200 OK\r\n\r\n', 'version-not-supported'],
  ['H1-73 HTTP/0.9', '<html>hello</html>\r\n\r\n', 'invalid-status-line'],
  ['another protocol', 'HTP/1.1 200 OK\r\n\r\n', 'invalid-status-line'],
  ['a leading empty line', '\r\nHTTP/1.1 200 OK\r\n\r\n', 'invalid-status-line'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n', 'invalid-status-line'],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n', 'invalid-status-line'],
  ['a status of no digits', 'HTTP/1.1 OK\r\n\r\n', 'invalid-status-line'],
  ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n', 'invalid-status-line'],
  ['a status above 599', 'HTTP/1.1 600 OK\r\n\r\n', 'invalid-status-line'],
  ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n', 'invalid-status-line'],
  ['a tab after the status', 'HTTP/1.1 200\tOK\r\n\r\n', 'invalid-status-line'],
  ['a control in the reason', 'HTTP/1.1 200 O\x07K\r\n\r\n', 'invalid-status-line'],
  ['two Content-Type fields', ok('Content-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: 0\r\n'), 'duplicate-field'],
  [
    'Connection that names Content-Length',
    ok('Connection: content-length\r\nContent-Length: 5\r\n', 'hello'),
    'forbidden-connection-option',
  ],
  ['a 204 with chunks', `HTTP/1.1 204 No Content\r\n${CHUNKED}\r\n0\r\n\r\n`, 'body-not-allowed'],
  ['H1-80 a 204 with a length', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello', 'body-not-allowed'],
  ['H1-80 a 100 with a length', 'HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello', 'body-not-allowed'],
  ['H1-80 a 103 with chunks', `HTTP/1.1 103 Early Hints\r\n${CHUNKED}\r\n0\r\n\r\n`, 'body-not-allowed'],
  [
    'H1-80 a 1xx that closes the connection',
    'HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
    'closing-informational',
  ],
  ['H1-80 a 1xx of HTTP/1.0', 'HTTP/1.0 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', 'closing-informational'],
  ['H1-80 a flood of 1xx', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(33), 'too-many-informational'],
  ['H1-80 a second response', ok('Content-Length: 0\r\n', ok('Content-Length: 0\r\n')), 'unexpected-response'],
  ['H1-80 a body longer than its length', ok('Content-Length: 5\r\n', 'hello!'), 'unexpected-response'],
  [
    'H1-80 a body after a response without one',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello',
    'unexpected-response',
  ],
  ['H1-80 a body shorter than its length', ok('Content-Length: 5\r\n', 'hell'), 'truncated-body'],
  ['H1-80 chunks without the last', ok(CHUNKED, '5\r\nhello\r\n'), 'truncated-body'],
  ['H1-80 a last chunk without its empty line', ok(CHUNKED, '0\r\n'), 'truncated-body'],
  ['H1-80 trailers without an end', ok(CHUNKED, '0\r\nX: y\r\n'), 'truncated-body'],
  ['a head without an end', 'HTTP/1.1 200 OK\r\nX: y\r\n', 'truncated-head'],
  ['a 1xx and nothing more', 'HTTP/1.1 100 Continue\r\n\r\n', 'truncated-head'],
  ['nothing at all', '', 'no-response'],
  ['H1-81 a head that is too large', ok(`X: ${'a'.repeat(17_000)}\r\n`), 'head-too-large'],
  ['a status line that is too large', `HTTP/1.1 200 ${'a'.repeat(17_000)}`, 'head-too-large'],
  ['H1-81 too many fields', ok('a: b\r\n'.repeat(101)), 'too-many-fields'],
];
