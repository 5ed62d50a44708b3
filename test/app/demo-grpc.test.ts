import { connect } from 'node:http2';
import { buffer } from 'node:stream/consumers';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { startGrpcInferenceEndpoint } from '../../src/app/demo/services/grpc-inference-endpoint.ts';
import {
  frameMessage,
  fromFloats,
  MODEL_INFER,
  MODEL_INFER_REQUEST,
  MODEL_INFER_RESPONSE,
  toFloats,
  unframeMessage,
} from '../../src/app/demo/services/model-infer.ts';
import type { Service } from '../../src/app/demo/services/service.ts';

let service: Service;
afterEach(() => service.close());

interface Reply {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly status: unknown;
  readonly body: Buffer;
}

async function call(path: string, body: Buffer, fields: Readonly<Record<string, string>> = {}): Promise<Reply> {
  service = await startGrpcInferenceEndpoint();
  const session = connect(`http://127.0.0.1:${service.port}`);
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', ...fields });
  let headers: Reply['headers'] = {};
  let trailers: Reply['headers'] = {};
  stream.on('response', (received) => {
    headers = received;
  });
  stream.on('trailers', (received) => {
    trailers = received;
  });
  stream.end(body);
  const content = await buffer(stream);
  session.close();
  return { headers, status: trailers['grpc-status'] ?? headers['grpc-status'], body: content };
}

const question = (...rows: readonly (readonly number[])[]): Buffer =>
  frameMessage(MODEL_INFER_REQUEST.encode({ modelName: 'fraud', rawInputContents: rows.map(toFloats) }));

describe('the inference endpoint over gRPC', () => {
  it('answers each row with how likely it is fraud, and says who it was told is calling', async () => {
    const id = 'spiffe://ai.example/gateway/edge';
    const { headers, status, body } = await call(MODEL_INFER, question([1.5, 2.25, 0.5], [0, 0, 0]), {
      'x-spiffe-id': id,
    });
    expect(status).toBe('0');
    const answer = MODEL_INFER_RESPONSE.decode(unframeMessage(body) ?? Buffer.alloc(0));
    expect(answer.modelName).toBe('fraud');
    const [likely, unlikely] = fromFloats(answer.rawOutputContents[0] ?? Buffer.alloc(0));
    expect(likely).toBeCloseTo(0.944, 4);
    expect(unlikely).toBeCloseTo(0.1192, 4);
    expect(headers['demo-caller-spiffe-id']).toBe(id);
    expect(service.requests).toBe(1);
  });

  it.each([
    ['another method', '/inference.GRPCInferenceService/ModelReady', question(), '12'],
    ['no message', MODEL_INFER, Buffer.alloc(0), '3'],
    ['half a message', MODEL_INFER, question([1, 2, 3]).subarray(0, -1), '3'],
    ['a compressed message', MODEL_INFER, Buffer.from([1, 0, 0, 0, 0]), '3'],
    ['a message of something else', MODEL_INFER, frameMessage(Buffer.from('not protobuf')), '3'],
    ['more than it takes', MODEL_INFER, question(Array.from({ length: 20_000 }, () => 1)), '3'],
  ])('refuses %s', async (_name, path, body, status) => {
    expect(await call(path, body)).toMatchObject({ status, body: Buffer.alloc(0) });
  });
});

describe('a message of gRPC', () => {
  it('is what was framed, and nothing else is one', async () => {
    service = await startGrpcInferenceEndpoint();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ minLength: 1, maxLength: 5 }), (content, more) => {
        const framed = frameMessage(Buffer.from(content));
        expect(unframeMessage(framed)).toEqual(Buffer.from(content));
        expect(unframeMessage(Buffer.concat([framed, more]))).toBeNull();
        expect(unframeMessage(framed.subarray(0, -1))).toBeNull();
      }),
      { numRuns: 200 },
    );
  });
});
