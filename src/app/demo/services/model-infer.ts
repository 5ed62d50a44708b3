// The two messages of the Open Inference Protocol that the demo sends and gets, as far as it fills them in.
// https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/open_inference_grpc.proto

import { messageCodec, repeatedBytes, stringField } from '../../../protobuf/protobuf-message.ts';

/** The `:path` of the call. */
export const MODEL_INFER = '/inference.GRPCInferenceService/ModelInfer';

interface ModelInferRequest {
  readonly modelName: string;
  /** FP32, little endian. */
  readonly rawInputContents: readonly Uint8Array[];
}

interface ModelInferResponse {
  readonly modelName: string;
  readonly rawOutputContents: readonly Uint8Array[];
}

export const MODEL_INFER_REQUEST = messageCodec<ModelInferRequest>('ModelInferRequest', {
  modelName: stringField(1),
  rawInputContents: repeatedBytes(7),
});

export const MODEL_INFER_RESPONSE = messageCodec<ModelInferResponse>('ModelInferResponse', {
  modelName: stringField(1),
  rawOutputContents: repeatedBytes(6),
});

const PREFIX_BYTES = 5;

/** Length-prefixed and not compressed, as gRPC has it on the wire. */
export function frameMessage(message: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The one message that `bytes` are, or null when they are none. */
export function unframeMessage(bytes: Buffer): Buffer | null {
  const isWhole =
    bytes.length >= PREFIX_BYTES && bytes[0] === 0 && bytes.readUInt32BE(1) === bytes.length - PREFIX_BYTES;
  return isWhole ? bytes.subarray(PREFIX_BYTES) : null;
}

export function toFloats(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeFloatLE(value, 4 * index);
  return bytes;
}

export function fromFloats(bytes: Uint8Array): readonly number[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(view.length / 4) }, (_, index) => view.readFloatLE(4 * index));
}
