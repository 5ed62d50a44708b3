// HAProxy as contender: gRPC, HTTP/2 and TCP.

import { HAPROXY, startHaproxy } from '../proxy/haproxy.ts';
import type { ProtocolContender } from './contender.ts';

const { name, needs } = HAPROXY;

export const HAPROXY_GRPC: ProtocolContender = {
  name,
  needs,
  start: async (site, at) => [await startHaproxy(site, at, { mode: 'http', bind: 'alpn h2', server: 'proto h2' })],
};

export const HAPROXY_HTTP2: ProtocolContender = {
  name,
  needs,
  start: async (site, at) => [
    await startHaproxy(site, at, { mode: 'http', bind: 'alpn h2', server: 'pool-max-conn 512' }),
  ],
};

export const HAPROXY_TCP: ProtocolContender = {
  name,
  needs,
  start: async (site, at) => [await startHaproxy(site, at, { mode: 'tcp', bind: '', server: '' })],
};
