// What the codec costs per message: heads, chunks and encoding, each the median of several rounds, in microseconds.

import { encodeRequestHead } from '../src/http1/encode.ts';
import { RequestDecoder } from '../src/http1/request-decoder.ts';
import { ResponseDecoder } from '../src/http1/response-decoder.ts';

const LIMITS = { maxHeadBytes: 16 * 1024, maxFieldCount: 100 };
const ROUNDS = 9;
const MESSAGES = 50_000;

const REQUEST = Buffer.from(
  [
    'POST /api/2.0/mlflow/runs/search?max_results=100 HTTP/1.1',
    'Host: registry.ai.example:8443',
    'User-Agent: python-requests/2.32.3',
    'Accept-Encoding: gzip, deflate, br',
    'Accept: application/json, text/plain, */*',
    'Connection: keep-alive',
    'Content-Type: application/json',
    'Content-Length: 0',
    'Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789',
    'X-Request-Id: 0f8fad5b-d9cb-469f-a165-70867728950e',
    'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    '\r\n',
  ].join('\r\n'),
  'latin1',
);
const SMALL = Buffer.from('GET /healthz HTTP/1.1\r\nHost: localhost:8080\r\n\r\n', 'latin1');
const RESPONSE = Buffer.from(
  [
    'HTTP/1.1 200 OK',
    'Server: gunicorn',
    'Date: Mon, 06 Jul 2026 12:00:00 GMT',
    'Connection: keep-alive',
    'Content-Type: application/json',
    'Content-Length: 5',
    'ETag: "0f8fad5b"',
    'Cache-Control: no-store',
    '',
    'hello',
  ].join('\r\n'),
  'latin1',
);
const CHUNKED = Buffer.from(
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'20\r\ndata: {"token":"0123456789abcd"}\r\n'.repeat(16)}0\r\n\r\n`,
  'latin1',
);

function measure(name: string, run: () => void): void {
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const startedAt = process.hrtime.bigint();
    for (let message = 0; message < MESSAGES; message += 1) run();
    rounds.push(Number(process.hrtime.bigint() - startedAt) / MESSAGES / 1000);
  }
  const sorted = rounds.toSorted((a, b) => a - b);
  const median = sorted[ROUNDS >> 1] ?? Number.NaN;
  process.stdout.write(`${name.padEnd(48)} ${median.toFixed(2)} µs (best ${(sorted[0] ?? Number.NaN).toFixed(2)})\n`);
}

const requests = new RequestDecoder(LIMITS);
function decodeRequest(bytes: Buffer): void {
  requests.push(bytes);
  while (requests.next() !== 'need-more');
}

const responses = new ResponseDecoder(LIMITS);
function decodeResponse(bytes: Buffer): void {
  responses.begin('GET');
  responses.push(bytes);
  while (responses.next() !== 'need-more');
}

measure('request, 1 field', () => decodeRequest(SMALL));
measure(`request, 10 fields, ${REQUEST.length} bytes`, () => decodeRequest(REQUEST));
measure(`response, 7 fields, ${RESPONSE.length} bytes`, () => decodeResponse(RESPONSE));
measure(`response, 16 chunks, ${CHUNKED.length} bytes`, () => decodeResponse(CHUNKED));

decodeRequest(REQUEST);
const { method, path, fields } = requests.head;
const forwarded = [
  'host',
  '127.0.0.1:5000',
  ...fields,
  'x-spiffe-id',
  'spiffe://ai.example/training/job',
  'x-forwarded-for',
  '127.0.0.1',
];
measure(`encode a request head, ${forwarded.length / 2} fields`, () =>
  encodeRequestHead({ method, target: path, fields: forwarded }),
);
