// Envoy as contender: gRPC and HTTP/2.

import { ENVOY, startEnvoy } from '../proxy/envoy.ts';
import type { ProtocolContender } from './contender.ts';

const { name, needs } = ENVOY;

export const ENVOY_GRPC: ProtocolContender = {
  name,
  needs,
  start: async (site, at) => [await startEnvoy(site, at, { downstream: 'HTTP2', upstream: 'HTTP2' })],
};

export const ENVOY_HTTP2: ProtocolContender = {
  name,
  needs,
  start: async (site, at) => [await startEnvoy(site, at, { downstream: 'HTTP2', upstream: 'HTTP1' })],
};
