// What the codec costs per message: heads, chunks and encoding.

import { encodeRequestHead } from '../src/http1/encode.ts';
import { encodeFields } from '../src/http1/field-lines.ts';
import { RequestDecoder } from '../src/http1/request-decoder.ts';
import { ResponseDecoder } from '../src/http1/response-decoder.ts';
import { type Summary, summarise } from './summary.ts';

const LIMITS = { maxHeadBytes: 16 * 1024, maxFieldCount: 100 };

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

export interface CodecFigure {
  readonly name: string;
  readonly microsPerMessage: Summary;
}

/** Rounds are interleaved, so that whatever else the machine does falls on all alike. */
export function measureCodec(effort: {
  readonly rounds: number;
  readonly messagesPerRound: number;
}): readonly CodecFigure[] {
  const samples = createCases().map(({ name, run }) => ({ name, run, micros: [] as number[] }));
  // The first round is for the compiler.
  for (let round = -1; round < effort.rounds; round += 1) {
    for (const { run, micros } of samples) {
      const startedAt = process.hrtime.bigint();
      for (let message = 0; message < effort.messagesPerRound; message += 1) run();
      const spent = Number(process.hrtime.bigint() - startedAt) / effort.messagesPerRound / 1000;
      if (round >= 0) micros.push(spent);
    }
  }
  return samples.map(({ name, micros }) => ({ name, microsPerMessage: summarise(micros) }));
}

interface CodecCase {
  readonly name: string;
  readonly run: () => void;
}

function createCases(): readonly CodecCase[] {
  const requests = new RequestDecoder(LIMITS);
  const responses = new ResponseDecoder(LIMITS);
  const decodeRequest = (bytes: Buffer): void => {
    requests.push(bytes);
    while (requests.next() !== 'need-more');
  };
  const decodeResponse = (bytes: Buffer): void => {
    responses.begin('GET');
    responses.push(bytes);
    while (responses.next() !== 'need-more');
  };
  decodeRequest(REQUEST);
  const { method, path, fields } = requests.head;
  const forwarded = [
    'host',
    'registry',
    ...fields,
    'x-spiffe-id',
    'spiffe://ai.example/training/job',
    'x-forwarded-for',
    '127.0.0.1',
  ];
  return [
    { name: 'request, 1 field', run: () => decodeRequest(SMALL) },
    { name: `request, 10 fields, ${REQUEST.length} bytes`, run: () => decodeRequest(REQUEST) },
    { name: `response, 7 fields, ${RESPONSE.length} bytes`, run: () => decodeResponse(RESPONSE) },
    { name: `response, 16 chunks, ${CHUNKED.length} bytes`, run: () => decodeResponse(CHUNKED) },
    {
      name: `encode a request head, ${forwarded.length / 2} fields`,
      run: () => void encodeRequestHead({ method, target: path, lines: encodeFields(forwarded) }),
    },
  ];
}
