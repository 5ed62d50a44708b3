// A service of gRPC with a method of each kind whose messages are bytes: no code generator, no schema.

import {
  type Client,
  credentials,
  makeGenericClientConstructor,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
  type ClientOptions,
} from '@grpc/grpc-js';
import { onTestFinished } from 'vitest';
import type { ProxyFixture } from './proxy-fixture.ts';
import type { TestSvid } from './svid-fixtures.ts';

function method(name: string, requestStream: boolean, responseStream: boolean): MethodDefinition<Buffer, Buffer> {
  const same = (bytes: Buffer): Buffer => bytes;
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}

export const ECHO = {
  unary: method('Unary', false, false),
  collect: method('Collect', true, false),
  expand: method('Expand', false, true),
  chat: method('Chat', true, true),
} as const satisfies ServiceDefinition;

/** @returns the port it listens on, without TLS. */
export async function startEcho(implementation: UntypedServiceImplementation): Promise<number> {
  const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });
  server.addService(ECHO, implementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  onTestFinished(() => server.forceShutdown());
  return port;
}

const EchoClient = makeGenericClientConstructor(ECHO, 'Echo');

/** As `spiffe://ai.example/training/job`, over mTLS; without a certificate when `svid` is null. */
export function connectEcho(
  proxy: ProxyFixture,
  options: ClientOptions = {},
  svid: TestSvid | null = proxy.authority.issue('/training/job'),
): Client {
  const secure = credentials.createSsl(
    Buffer.from(proxy.authority.certificatePem),
    svid === null ? null : Buffer.from(svid.privateKeyPem),
    svid === null ? null : Buffer.from(svid.certificatePem),
    { checkServerIdentity: () => undefined },
  );
  const client = new EchoClient(`127.0.0.1:${proxy.port}`, secure, {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.enable_retries': 0,
    'grpc.ssl_target_name_override': 'localhost',
    ...options,
  });
  onTestFinished(() => client.close());
  return client;
}
