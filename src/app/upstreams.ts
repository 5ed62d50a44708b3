// Where routes lead: one pool of connections for each upstream, whoever leads there.

import { isIP } from 'node:net';
import type { AdmissionSources } from '../proxy/context.ts';
import { Http2Pool } from '../proxy/http2-pool.ts';
import { TcpUpstream } from '../proxy/tcp-upstream.ts';
import { plainDial } from '../proxy/upstream-dial.ts';
import { UpstreamPool } from '../proxy/upstream-pool.ts';
import { type ServerFault, type ServerTerms, UpstreamTls } from '../proxy/upstream-tls.ts';
import type { Upstream } from '../proxy/upstream.ts';
import { RateLimit } from '../telemetry/rate-limit.ts';
import type { Config, RouteConfig } from './config.ts';
import { formatUpstream, isEncrypted } from './config-upstreams.ts';
import { formatAddress } from './config-values.ts';
import type { DecisionParts } from './decision-parts.ts';

/** A destination of the configuration. */
type Destination = Pick<RouteConfig, 'host' | 'upstream' | 'serverIds'>;

/** Each one is in the metrics, as a refusal. */
const MAX_FAULT_LINES_PER_SECOND = 20;

export class Upstreams {
  readonly #options: Config['upstream'];
  readonly #parts: Pick<DecisionParts, 'log' | 'clock'>;
  readonly #tls: UpstreamTls;
  readonly #pools = new Map<string, Upstream>();
  readonly #overTcp = new Map<string, TcpUpstream>();
  readonly #faultLines: RateLimit;

  constructor(config: Config, sources: AdmissionSources, parts: Pick<DecisionParts, 'log' | 'clock'>) {
    this.#options = config.upstream;
    this.#parts = parts;
    this.#tls = new UpstreamTls(sources, (fault) => this.#tell(fault));
    // As a limit over all workers.
    this.#faultLines = new RateLimit(MAX_FAULT_LINES_PER_SECOND / config.workers);
  }

  /** The same for all that any connection of it does for. */
  of(destination: Destination): Upstream {
    const key = keyOf(destination);
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = this.#create(destination);
      this.#pools.set(key, pool);
    }
    return pool;
  }

  /** Likewise, where whatever comes is carried. */
  overTcp(destination: Destination): TcpUpstream {
    const key = keyOf(destination);
    let upstream = this.#overTcp.get(key);
    if (upstream === undefined) {
      const { address } = destination.upstream;
      const isPlain = !isEncrypted(destination.upstream);
      const dial = isPlain ? plainDial(address) : this.#tls.dialTo(termsOf(destination, null));
      upstream = new TcpUpstream(dial, this.#options);
      this.#overTcp.set(key, upstream);
    }
    return upstream;
  }

  close(): void {
    for (const pool of this.#pools.values()) pool.close();
    for (const upstream of this.#overTcp.values()) upstream.close();
  }

  #create(destination: Destination): Upstream {
    const { clock } = this.#parts;
    const { scheme, address } = destination.upstream;
    switch (scheme) {
      case 'http':
        return new UpstreamPool(plainDial(address), this.#options, clock);
      case 'h2c':
        return new Http2Pool({ dial: plainDial(address), scheme: 'http' }, this.#options, clock);
      case 'https':
        return new UpstreamPool(this.#tls.dialTo(termsOf(destination, 'http/1.1')), this.#options, clock);
      case 'h2': {
        const dial = this.#tls.dialTo(termsOf(destination, 'h2'));
        return new Http2Pool({ dial, scheme: 'https' }, this.#options, clock);
      }
      case 'tcp':
      case 'tls':
        throw new Error(`requests cannot be forwarded to ${formatUpstream(destination.upstream)}`);
    }
  }

  #tell({ address, reason, detail, serverId, expected }: ServerFault): void {
    const upstream = formatAddress(address);
    // By upstream, so that one that is wrong does not take the lines of the others.
    if (!this.#faultLines.admits(upstream, this.#parts.clock.monotonicMs())) return;
    const expectedIds = expected.map(({ text }) => text);
    this.#parts.log.warn({ upstream, reason, detail, serverId, expectedIds }, 'upstream server not trusted');
  }
}

function keyOf(destination: Destination): string {
  const patterns = destination.serverIds.map(({ text }) => text).toSorted();
  return JSON.stringify([formatUpstream(destination.upstream), serverNameOf(destination), patterns]);
}

function termsOf(destination: Destination, protocol: ServerTerms['protocol']): ServerTerms {
  const { upstream, serverIds } = destination;
  return { address: upstream.address, serverName: serverNameOf(destination), serverIds, protocol };
}

/**
 * SNI says what Host says where the route knows it: a server with routes by host refuses a request for another name than the one its
 * connection was opened for (RFC 9110 §15.5.20).
 */
function serverNameOf({ host, upstream }: Destination): string | null {
  if (!isEncrypted(upstream)) return null;
  const name = host ?? (upstream.address.kind === 'tcp' ? upstream.address.host : '');
  // RFC 6066 §3: without the dot at the end, and never an IP address.
  return name === '' || isIP(name) !== 0 ? null : name.replace(/\.$/, '');
}
