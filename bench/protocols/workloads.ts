// What is asked over each protocol, of whom, and how its figures are called.

import type { Asks, LoadPlan, Target } from '../load/plan.ts';
import { SMALL_PATH } from '../proxy/contender.ts';
import { BODY } from '../proxy/nginx.ts';
import { GRPC_ANSWER, GRPC_QUESTION } from '../upstreams/messages.ts';
import { INFER_PATH, type ProtocolContender } from './contender.ts';
import { ENVOY_GRPC, ENVOY_HTTP2 } from './envoy.ts';
import { HAPROXY_GRPC, HAPROXY_HTTP2 } from './haproxy.ts';
import { NGINX_GRPC, NGINX_HTTP2, NGINX_PAIR, NO_PROXY_HTTP2 } from './nginx.ts';
import type { SallyportContenders } from './sallyport.ts';

export interface Workload {
  readonly id: 'grpc' | 'http2' | 'pair';
  readonly title: string;
  /** What one of it is. */
  readonly one: 'call' | 'request';
  /** What is under way at a time. */
  readonly at: string;
  readonly upstream: 'grpc' | 'http1';
  readonly connections: number;
  readonly asks: Asks;
  readonly ratePerSecond: number;
  readonly contenders: readonly ProtocolContender[];
  /** Answers in the proxies' place; of its latency nothing is a proxy's. */
  readonly floor: ProtocolContender | null;
}

const SESSIONS = 4;
const STREAMS_EACH = 16;
const STREAMS = `${SESSIONS * STREAMS_EACH} streams of ${SESSIONS} connections`;
/** As much as an inference that is asked for over and over. */
export const GRPC_LOAD: Pick<LoadPlan, 'asks' | 'connections'> = {
  connections: SESSIONS,
  asks: {
    protocol: 'http2',
    path: INFER_PATH,
    streams: STREAMS_EACH,
    message: GRPC_QUESTION.toString('base64'),
    answer: GRPC_ANSWER.toString('base64'),
  },
};
export const HTTP2_LOAD: Pick<LoadPlan, 'asks' | 'connections'> = {
  connections: SESSIONS,
  asks: {
    protocol: 'http2',
    path: SMALL_PATH,
    streams: STREAMS_EACH,
    message: null,
    // As nginx reads it in its configuration.
    answer: Buffer.from(BODY.replace('\\n', '\n')).toString('base64'),
  },
};
const CONNECTIONS = 64;
const RATE = 2_000;

export function workloadsOf(own: SallyportContenders): readonly Workload[] {
  return [
    {
      id: 'grpc',
      title: 'gRPC',
      one: 'call',
      at: STREAMS,
      upstream: 'grpc',
      ...GRPC_LOAD,
      ratePerSecond: RATE,
      contenders: [NGINX_GRPC, HAPROXY_GRPC, ENVOY_GRPC, own.grpc],
      floor: null,
    },
    {
      id: 'http2',
      title: 'HTTP/2',
      one: 'request',
      at: STREAMS,
      upstream: 'http1',
      ...HTTP2_LOAD,
      ratePerSecond: RATE,
      contenders: [NGINX_HTTP2, HAPROXY_HTTP2, ENVOY_HTTP2, own.http2],
      floor: NO_PROXY_HTTP2,
    },
    {
      id: 'pair',
      title: 'Egress to ingress',
      one: 'request',
      at: `${CONNECTIONS} connections`,
      upstream: 'http1',
      connections: CONNECTIONS,
      asks: { protocol: 'http1', path: SMALL_PATH },
      ratePerSecond: RATE,
      contenders: [NGINX_PAIR, own.pair],
      floor: null,
    },
  ];
}

/** How a workload reaches whoever listens on `port`. */
export function targetOf({ id }: Pick<Workload, 'id'>, port: number): Target {
  return id === 'pair' ? { kind: 'plain', at: port } : { kind: 'mtls', port };
}
