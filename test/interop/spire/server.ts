// A real spire-server for one test: a trust domain with short lifetimes, its registration entries and its federation.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExternalProcess } from '../external-process.ts';
import { freePort } from '../../support/free-port.ts';
import { command, type SpirePrograms } from './programs.ts';

export interface SpireServerOptions {
  readonly programs: SpirePrograms;
  readonly trustDomain: string;
  /** Default: 10m */
  readonly caTtl?: string;
  /**
   * Default: 6s, which makes the agent renew with every synchronisation. SPIRE dates SVIDs back by 10 s and renews when
   * about half of that longer life is over: one of 20 s after some 5 s.
   */
  readonly x509SvidTtl?: string;
  /** Default: 10s */
  readonly jwtSvidTtl?: string;
}

export interface SpireEntry {
  readonly parentId: string;
  readonly spiffeId: string;
  /** As `unix:uid:0`; all of them have to apply. */
  readonly selectors: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly x509SvidTtlSeconds?: number;
  readonly jwtSvidTtlSeconds?: number;
  /** Names of trust domains. */
  readonly federatesWith?: readonly string[];
  readonly hint?: string;
}

export interface SpireFederation {
  readonly trustDomain: string;
  readonly url: string;
  /** Null for `https_web`. */
  readonly endpointSpiffeId: string | null;
  /** A SPIFFE bundle document. */
  readonly bundle: string;
}

export class SpireServer {
  readonly trustDomain: string;
  readonly port: number;
  /** With the profile `https_spiffe` and the server's own SVID. */
  readonly bundleEndpoint: { readonly url: string; readonly spiffeId: string };
  readonly #programs: SpirePrograms;
  readonly #directory: string;
  readonly #runs: ExternalProcess[] = [];

  static async start(options: SpireServerOptions): Promise<SpireServer> {
    const server = new SpireServer(options, { api: await freePort(), bundle: await freePort() });
    await server.start();
    return server;
  }

  private constructor(options: SpireServerOptions, ports: { readonly api: number; readonly bundle: number }) {
    this.trustDomain = options.trustDomain;
    this.port = ports.api;
    this.bundleEndpoint = {
      url: `https://127.0.0.1:${ports.bundle}`,
      spiffeId: `spiffe://${options.trustDomain}/spire/server`,
    };
    this.#programs = options.programs;
    this.#directory = mkdtempSync(join(tmpdir(), 'sallyport-spire-server-'));
    writeFileSync(this.#at('server.conf'), configuration(options, this.#directory, ports));
  }

  /** Everything it has said, over all its runs. */
  get log(): string {
    return this.#runs.flatMap(({ lines }) => lines).join('\n');
  }

  /** Runs it, or runs it again with the same keys, entries and ports. */
  async start(): Promise<void> {
    const run = new ExternalProcess(this.#programs.server, ['run', '-config', this.#at('server.conf')]);
    this.#runs.push(run);
    // It says so once for TCP and once for the Unix socket that the commands need.
    await Promise.all(['network=tcp', 'network=unix', 'addr="127.0.0.1:'].map((text) => run.writes(text)));
  }

  async stop(): Promise<void> {
    await this.#runs.at(-1)?.end('SIGKILL');
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Gives the ID of the entry. */
  async createEntry(entry: SpireEntry): Promise<string> {
    const answer = await this.command('entry', 'create', '-output', 'json', ...entryFlags(entry));
    const id = /"id":\s*"([^"]+)"/.exec(answer)?.[1];
    if (id === undefined) throw new Error(`no entry was created: ${answer}`);
    return id;
  }

  /** Changes an entry as a whole. */
  async updateEntry(id: string, entry: SpireEntry): Promise<void> {
    await this.command('entry', 'update', '-entryID', id, ...entryFlags(entry));
  }

  async deleteEntry(id: string): Promise<void> {
    await this.command('entry', 'delete', '-entryID', id);
  }

  /** Our own bundle. */
  bundle(format: 'spiffe' | 'pem'): Promise<string> {
    return this.command('bundle', 'show', '-format', format);
  }

  /** A JWT-SVID, without an agent or an entry. */
  async mintJwt(spiffeId: string, audience: string): Promise<string> {
    return (await this.command('jwt', 'mint', '-spiffeID', spiffeId, '-audience', audience)).trim();
  }

  /** A token with which one agent may join, and the SPIFFE ID that it will have. */
  async createJoinToken(): Promise<{ readonly token: string; readonly agentId: string }> {
    const token = /Token: (\S+)/.exec(await this.command('token', 'generate'))?.[1];
    if (token === undefined) throw new Error('no join token was generated');
    return { token, agentId: `spiffe://${this.trustDomain}/spire/agent/join_token/${token}` };
  }

  /** An X.509-SVID, without an agent or an entry. */
  async mintX509(spiffeId: string): Promise<{ readonly certificatePem: string; readonly privateKeyPem: string }> {
    const answer = await this.command('x509', 'mint', '-spiffeID', spiffeId);
    const [svid = '', privateKeyPem = ''] = answer.split(/^Private key:$|^Root CAs:$/m).map((part) => part.trim());
    return { certificatePem: svid.slice(svid.indexOf('-----BEGIN')), privateKeyPem };
  }

  async federate({ trustDomain, url, endpointSpiffeId, bundle }: SpireFederation): Promise<void> {
    writeFileSync(this.#at('partner.json'), bundle);
    const profile = endpointSpiffeId === null ? 'https_web' : 'https_spiffe';
    const endpoint = ['-bundleEndpointURL', url, '-bundleEndpointProfile', profile];
    if (endpointSpiffeId !== null) endpoint.push('-endpointSpiffeID', endpointSpiffeId);
    const initial = ['-trustDomainBundlePath', this.#at('partner.json'), '-trustDomainBundleFormat', 'spiffe'];
    await this.command('federation', 'create', '-trustDomain', trustDomain, ...endpoint, ...initial);
  }

  /** Fetches the partner's bundle now; SPIRE itself does so once a minute at most. */
  async refreshFederation(trustDomain: string): Promise<void> {
    await this.command('federation', 'refresh', '-id', trustDomain);
  }

  /** The bundle of a partner as it is known here, as a SPIFFE bundle document. */
  partnerBundle(trustDomain: string): Promise<string> {
    return this.command('bundle', 'list', '-format', 'spiffe', '-id', `spiffe://${trustDomain}`);
  }

  /** Ends the relationship, and takes its bundle from every entry. */
  async endFederation(trustDomain: string): Promise<void> {
    await this.command('federation', 'delete', '-id', trustDomain);
    await this.command('bundle', 'delete', '-id', `spiffe://${trustDomain}`, '-mode', 'dissociate');
  }

  /** Issues from a new authority from now on; the old one remains in the bundle until it is revoked. */
  async rotateAuthority(): Promise<void> {
    const prepared = await this.#localAuthority('prepare', '-output', 'json');
    await this.#localAuthority('activate', '-authorityID', authorityId(prepared, 'prepared_authority'));
  }

  /** Makes agents renew what the authority before the present one has issued: at once for workloads, soon for themselves. */
  async taintOldAuthority(): Promise<void> {
    await this.#localAuthority('taint', '-authorityID', await this.#oldAuthority());
  }

  /** Takes a tainted authority out of the bundle: agents that have not renewed their own SVID by then are locked out. */
  async revokeOldAuthority(): Promise<void> {
    await this.#localAuthority('revoke', '-authorityID', await this.#oldAuthority());
  }

  /** `spire-server …` on this server. */
  command(...parameters: readonly string[]): Promise<string> {
    return command(this.#programs.server, [...parameters, '-socketPath', this.#at('api.sock')]);
  }

  async #oldAuthority(): Promise<string> {
    return authorityId(await this.#localAuthority('show', '-output', 'json'), 'old');
  }

  #localAuthority(...parameters: readonly string[]): Promise<string> {
    return this.command('localauthority', 'x509', ...parameters);
  }

  #at(name: string): string {
    return join(this.#directory, name);
  }
}

function configuration(
  { trustDomain, caTtl = '10m', x509SvidTtl = '6s', jwtSvidTtl = '10s' }: SpireServerOptions,
  directory: string,
  ports: { readonly api: number; readonly bundle: number },
): string {
  return `server {
  bind_address = "127.0.0.1"
  bind_port = ${ports.api}
  socket_path = "${join(directory, 'api.sock')}"
  data_dir = "${directory}"
  trust_domain = "${trustDomain}"
  log_level = "INFO"
  ca_ttl = "${caTtl}"
  agent_ttl = "1h"
  default_x509_svid_ttl = "${x509SvidTtl}"
  default_jwt_svid_ttl = "${jwtSvidTtl}"
  experimental { cache_reload_interval = "500ms" }
  federation {
    bundle_endpoint {
      address = "127.0.0.1"
      port = ${ports.bundle}
      profile "https_spiffe" {}
    }
  }
}
plugins {
  DataStore "sql" {
    plugin_data {
      database_type = "sqlite3"
      connection_string = "${join(directory, 'entries.sqlite3')}"
    }
  }
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "disk" { plugin_data { keys_path = "${join(directory, 'keys.json')}" } }
}
`;
}

function entryFlags(entry: SpireEntry): readonly string[] {
  const flag = (name: string, values: readonly (string | number)[]): readonly string[] =>
    values.flatMap((value) => [name, String(value)]);
  return [
    ...flag('-parentID', [entry.parentId]),
    ...flag('-spiffeID', [entry.spiffeId]),
    ...flag('-selector', entry.selectors),
    ...flag('-dns', entry.dnsNames ?? []),
    ...flag('-x509SVIDTTL', entry.x509SvidTtlSeconds === undefined ? [] : [entry.x509SvidTtlSeconds]),
    ...flag('-jwtSVIDTTL', entry.jwtSvidTtlSeconds === undefined ? [] : [entry.jwtSvidTtlSeconds]),
    ...flag(
      '-federatesWith',
      (entry.federatesWith ?? []).map((name) => `spiffe://${name}`),
    ),
    ...flag('-hint', entry.hint === undefined ? [] : [entry.hint]),
  ];
}

function authorityId(answer: string, role: string): string {
  const parsed: Readonly<Record<string, { readonly authority_id?: string } | undefined>> = JSON.parse(answer);
  const id = parsed[role]?.authority_id;
  if (id === undefined || id === '') throw new Error(`no ${role} authority in ${answer}`);
  return id;
}
