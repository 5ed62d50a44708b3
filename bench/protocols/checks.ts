// What an Envoy would ask the authorization service, and what the service answers it.

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { CHECK_PATH, CHECK_REQUEST, CHECK_RESPONSE } from '../../src/extauthz/messages.ts';
import type { Http2Asks } from '../load/plan.ts';
import { SMALL_PATH } from '../proxy/contender.ts';
import { toMessage } from '../upstreams/messages.ts';

/** The length, and that the check is answered with status 0: what follows is different in every answer. */
const COMPARED_BYTES = 7;

/** @throws {Error} when the service does not allow it. */
export async function askCheck(directory: string, socketPath: string, streams: number): Promise<Http2Asks> {
  const message = toMessage(encodeCheck(directory));
  const session = connect('http://localhost', { createConnection: () => createConnection(socketPath) });
  const stream = session.request({ ':method': 'POST', ':path': CHECK_PATH, 'content-type': 'application/grpc' });
  stream.end(message);
  const answer = await buffer(stream);
  session.close();
  const code = answer.length < COMPARED_BYTES ? null : CHECK_RESPONSE.decode(answer.subarray(5)).status?.code;
  if (code !== 0) throw new Error(`the check of the bench is answered with ${code ?? 'nothing'}`);
  return {
    protocol: 'http2',
    path: CHECK_PATH,
    streams,
    message: message.toString('base64'),
    answer: answer.subarray(0, COMPARED_BYTES).toString('base64'),
  };
}

function encodeCheck(directory: string): Buffer {
  const pem = new X509Certificate(readFileSync(join(directory, 'client-0.pem'))).toString();
  return CHECK_REQUEST.encode({
    attributes: {
      source: { principal: 'spiffe://ai.example/training/job-0', certificate: encodeURIComponent(pem) },
      request: {
        http: {
          method: 'GET',
          headers: Object.entries(FIELDS).map(([key, value]) => ({ key, value })),
          path: SMALL_PATH,
          host: 'localhost',
          query: '',
          fragment: '',
          headerMap: null,
        },
      },
      contextExtensions: [],
    },
  });
}

const FIELDS = {
  ':authority': 'localhost',
  ':method': 'GET',
  ':path': SMALL_PATH,
  ':scheme': 'https',
  'user-agent': 'bench',
  accept: '*/*',
  'accept-encoding': 'gzip',
  'x-request-id': '0123456789abcdef',
};
