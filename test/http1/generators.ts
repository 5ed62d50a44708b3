// Arbitrary messages: canonical ones, and ones with a taste for what has broken proxies.

import * as fc from 'fast-check';

const TOKEN_CHARACTERS = Array.from("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz");

/** A name without a role in framing or for the hop; lower case. */
export const fieldName: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom('accept', 'cookie', 'x-request-id', '__proto__', 'constructor', 'x_y', 'etag'),
  fc.string({ unit: fc.constantFrom(...TOKEN_CHARACTERS), minLength: 1 }).map((name) => `x${name}`),
);

/** Visible latin1 with inner spaces and tabs, as a decoder gives it: without whitespace around it. */
export const fieldValue: fc.Arbitrary<string> = fc
  .array(fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff }), fc.constant(0x09)))
  .map((octets) => String.fromCharCode(...octets).replace(/^[ \t]+|[ \t]+$/g, ''));

/** A path and perhaps a query that the path policy lets through. */
export const canonicalTarget: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(fc.constantFrom('v1', 'models', 'a.b', '...', '%20', '%c3%a9', 'm:predict', '%2B', 'x_~-', '@'), {
      maxLength: 6,
    }),
    fc.constantFrom('', '?', '?a=b', '?a?b&c=%2f'),
  )
  .map(([segments, query]) => `/${segments.join('/')}${query}`);

const lineEnd = weighted('\r\n', 60, ['\n', '\r', '\r\r\n', '\n\r', '\r\n\r\n', '']);
const colon = weighted(': ', 30, [':', ' : ', '\t:', ':\t', ' :', ':\x0b', ':\xa0', ': \r\n ', '::']);

const method = weighted('POST', 12, [
  'GET',
  'PUT',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'GeT',
  'PROPFIND',
  'CONNECT',
  'TRACE',
  'PRI',
  'FOO',
  'SOURCE',
  'DESCRIBE',
  'QUERY',
  'M-SEARCH',
  '',
  'P OST',
  'POST\t',
  '\0',
]);
const target = weighted('/x', 12, [
  '/',
  '/v1/models?a=b',
  '/x?',
  '//x',
  '/x/../y',
  '/%2e',
  'http://b/x',
  '*',
  'b:443',
  '/a b',
  '/\xe9',
  '/x#y',
  '/x\t',
  '',
]);
const version = weighted('HTTP/1.1', 16, [
  'HTTP/1.0',
  'HTTP/2.0',
  'HTTP/1.2',
  'http/1.1',
  'HTTP/1.1 ',
  ' HTTP/1.1',
  'HTTP/11',
  'HTTP/0.9',
  'HTTP/1.1\0',
  '',
]);

const lengthName = weighted('Content-Length', 12, [
  'content-length',
  'Content_Length',
  'Content-Length ',
  ' Content-Length',
  'Content-Length\0',
  'CONTENT-LENGTH',
  'Content-Lengt\u0068',
]);
const codingName = weighted('Transfer-Encoding', 12, [
  'transfer-encoding',
  'Transfer_Encoding',
  'Transfer-Encoding ',
  '\tTransfer-Encoding',
  'Transfer-Encodin\x67',
  'Transfer\r-Encoding',
]);
const length = weighted('5', 6, [
  '0',
  '3',
  '13',
  '+5',
  '-0',
  '05',
  '5,5',
  '5, 5',
  '0x5',
  '5 ',
  ' 5',
  '5\0',
  '',
  '5;',
  '1e1',
  '99999999999999999999',
  '9007199254740993',
  '18446744073709551621',
]);
const coding = weighted('chunked', 8, [
  'Chunked',
  'chunked, identity',
  'identity',
  'gzip, chunked',
  'chunked, chunked',
  'xchunked',
  'chunked;q=1',
  '"chunked"',
  'chunked ',
  '\x0bchunked',
  '',
  ',chunked',
  'chunke\xe4',
]);

const framingField: fc.Arbitrary<string> = fc.oneof(line(lengthName, length), line(codingName, coding));

const otherField: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 6,
    arbitrary: line(
      weighted('X-A', 12, ['X_A', 'X A', 'X\0', '', 'X\xe9', '(X)', ' X']),
      weighted('y', 6, ['', ' y ', 'y\tz', 'y\0', 'y\x7f', '\xe9', 'y\rz', 'y\r\n z', 'GET / HTTP/1.1']),
    ),
  },
  {
    weight: 3,
    arbitrary: line(
      fc.constant('Connection'),
      fc.constantFrom('keep-alive', 'close', 'upgrade', 'x-a, te', 'content-length', 'transfer-encoding', ','),
    ),
  },
  {
    weight: 3,
    arbitrary: line(
      fc.constantFrom('Expect', 'Upgrade', 'TE', 'Trailer', 'HTTP2-Settings', 'Keep-Alive'),
      fc.constantFrom('100-continue', 'x', 'h2c', 'websocket', 'trailers', ''),
    ),
  },
  {
    weight: 1,
    arbitrary: line(
      weighted('Host', 8, ['host', 'Host ', 'X-Host']),
      weighted('a.example', 8, ['b:80', '', 'a b', 'a,b', 'u@a']),
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom('X-A', ':', ' ', '\t\r\n', 'X-A\r\n') },
);

const size = weighted('5', 10, [
  '0',
  '00005',
  '5;a=b',
  '5 ',
  ' 5',
  '0x5',
  '+5',
  'A',
  '5\n',
  '',
  '-1',
  'fffffffffffffffff',
  '10000000000000005',
  '5;\n',
  '5;a\r',
]);
const chunk: fc.Arbitrary<string> = fc
  .tuple(size, lineEnd, weighted('hello', 12, ['hell', 'hello!', '\r\n', '0\r\n\r\n']), lineEnd)
  .map((parts) => parts.join(''));
const trailer = fc.oneof(
  { weight: 4, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: fc.oneof(framingField, otherField) },
);
const chunkedBody: fc.Arbitrary<string> = fc
  .tuple(fc.array(chunk, { maxLength: 3 }), weighted('0\r\n', 8, ['0\n', '00\r\n', '0;a\r\n', '']), trailer, lineEnd)
  .map(([chunks, last, trailers, end]) => chunks.join('') + last + trailers + end);
const body = fc.oneof(fc.constant(''), fc.constant('hello'), chunkedBody, chunkedBody);

/** Well-formed ones in between: what comes before and after a dubious message is where a disagreement shows. */
const soundRequest: fc.Arbitrary<string> = fc.constantFrom(
  'GET /sound HTTP/1.1\r\nHost: a.example\r\n\r\n',
  'PUT /sound HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello',
  'POST /sound HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n',
);

const dubiousRequest: fc.Arbitrary<string> = fc
  .tuple(requestLine(), message(), weighted('\r\n', 20, ['\n', '\r', '']), body)
  .map((parts) => parts.join(''));

/** One or more requests, mostly nearly right, as latin1; biased to what makes two parsers disagree. */
export const dubiousRequests: fc.Arbitrary<string> = mangled(
  fc.array(fc.oneof(soundRequest, dubiousRequest), { minLength: 1, maxLength: 4 }).map((requests) => requests.join('')),
);

const statusLine = fc
  .tuple(
    weighted('HTTP/1.1', 14, ['HTTP/1.0', 'HTTP/2.0', 'HTTP/1.2', 'http/1.1', 'ICY', '']),
    weighted(' ', 20, ['  ', '\t', '']),
    weighted('200', 10, ['204', '304', '100', '103', '101', '404', '599', '600', '099', '20', '2000', '+20', '']),
    weighted(' OK', 10, ['', ' ', '  ', '\tOK', ' \xe9', ' \0', ' O\rK', 'OK']),
    lineEnd,
  )
  .map((parts) => parts.join(''));

/** A response and what may come with it. */
export const dubiousResponses: fc.Arbitrary<string> = mangled(
  fc
    .array(
      fc
        .tuple(
          statusLine,
          fc.array(fc.oneof(framingField, otherField), { maxLength: 3 }),
          weighted('\r\n', 20, ['\n', '\r', '']),
          body,
        )
        .map(([start, fields, end, octets]) => start + fields.join('') + end + octets),
      { minLength: 1, maxLength: 2 },
    )
    .map((responses) => responses.join('')),
);

/** Positions, as fractions, where bytes are cut into pushes. */
export const cuts: fc.Arbitrary<number[]> = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });

function requestLine(): fc.Arbitrary<string> {
  const space = weighted(' ', 30, ['  ', '\t', '', '\x0b']);
  return fc.tuple(method, space, target, space, version, lineEnd).map((parts) => parts.join(''));
}

/** Mostly one Host and one framing field. */
function message(): fc.Arbitrary<string> {
  const framing = fc.oneof(
    { weight: 3, arbitrary: fc.constant('Content-Length: 5\r\n') },
    { weight: 6, arbitrary: fc.constant('Transfer-Encoding: chunked\r\n') },
    { weight: 4, arbitrary: framingField },
    { weight: 2, arbitrary: fc.tuple(framingField, framingField).map((fields) => fields.join('')) },
    { weight: 3, arbitrary: fc.constant('') },
  );
  const host = weighted('Host: a.example\r\n', 15, ['', 'Host: a\r\nHost: a\r\n', 'Host: a\n']);
  const others = fc.array(otherField, { maxLength: 2 });
  return fc
    .tuple(host, others, framing, others)
    .map(([first, before, middle, after]) => first + before.join('') + middle + after.join(''));
}

function line(name: fc.Arbitrary<string>, value: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(name, colon, value, lineEnd).map((parts) => parts.join(''));
}

/** One of `others` once in `weight` + 1 times. */
function weighted(usual: string, weight: number, others: readonly string[]): fc.Arbitrary<string> {
  return fc.oneof({ weight, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });
}

/** Now and then one octet is put in, taken out or replaced. */
function mangled(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const octet = fc.oneof(
    fc.constantFrom('\r', '\n', '\0', ' ', '\t', ':', ',', ';', '0', '\x0b', '\x80', '\xff'),
    fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  );
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    removed: fc.constantFrom(0, 1),
    inserted: fc.oneof(fc.constant(''), octet),
  });
  const edits = fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(edit, { maxLength: 2 }) },
  );
  return fc.tuple(text, edits).map(([whole, changes]) =>
    changes.reduce((current, { at, removed, inserted }) => {
      const index = Math.floor(at * current.length);
      return current.slice(0, index) + inserted + current.slice(index + removed);
    }, whole),
  );
}
