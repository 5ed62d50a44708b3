// The messages of gRPC that the bench sends and gets: as long as a small inference, and nobody looks into them.

export const GRPC_QUESTION = toMessage(Buffer.alloc(120, 'question '));
export const GRPC_ANSWER = toMessage(Buffer.alloc(60, 'answer '));

/** Length-prefixed and not compressed, as gRPC has it in DATA. */
export function toMessage(content: Buffer): Buffer {
  const message = Buffer.alloc(5 + content.length);
  message.writeUInt32BE(content.length, 1);
  content.copy(message, 5);
  return message;
}
