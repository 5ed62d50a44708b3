// A real spire-agent for one test: joined with a token, attests workloads by their user and program, serves the Workload API.

import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExternalProcess } from '../external-process.ts';
import type { SpirePrograms } from './programs.ts';
import type { SpireServer } from './server.ts';

export class SpireAgent {
  /** The parent of the entries of its workloads. */
  readonly spiffeId: string;
  /** For `SPIFFE_ENDPOINT_SOCKET`: `unix:///…` */
  readonly socket: string;
  readonly #program: string;
  readonly #directory: string;
  readonly #token: string;
  readonly #runs: ExternalProcess[] = [];

  static async start(programs: SpirePrograms, server: SpireServer): Promise<SpireAgent> {
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-spire-agent-'));
    writeFileSync(join(directory, 'bootstrap.pem'), await server.bundle('pem'));
    writeFileSync(join(directory, 'agent.conf'), configuration(server, directory));
    const { token, agentId } = await server.createJoinToken();
    const agent = new SpireAgent(programs.agent, directory, { token, agentId });
    await agent.start();
    return agent;
  }

  private constructor(
    program: string,
    directory: string,
    joined: { readonly token: string; readonly agentId: string },
  ) {
    this.#program = program;
    this.#directory = directory;
    this.#token = joined.token;
    this.spiffeId = joined.agentId;
    this.socket = `unix://${join(directory, 'api.sock')}`;
  }

  /** Everything it has said, over all its runs. */
  get log(): string {
    return this.#runs.flatMap(({ lines }) => lines).join('\n');
  }

  /** Runs it, or runs it again as the agent that has joined. */
  async start(): Promise<void> {
    // The token counts once; later on its own SVID, which it keeps, lets it in.
    const parameters = ['run', '-config', join(this.#directory, 'agent.conf'), '-joinToken', this.#token];
    const run = new ExternalProcess(this.#program, parameters);
    this.#runs.push(run);
    await run.writes('Starting Workload and SDS APIs');
  }

  /** Resolves when its present run has said this. */
  async says(text: string): Promise<void> {
    await this.#runs.at(-1)?.writes(text);
  }

  /** Without the chance to say goodbye to anyone. */
  async kill(): Promise<void> {
    await this.#runs.at(-1)?.end('SIGKILL');
  }

  /** As an administrator does: it closes its connections. */
  async stop(): Promise<void> {
    await this.#runs.at(-1)?.end('SIGTERM');
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Selectors of whoever runs this program as this user: `process.execPath` for this process. */
export function selectorsOf(program: string): readonly string[] {
  return [`unix:uid:${process.getuid?.()}`, `unix:path:${realpathSync(program)}`];
}

function configuration({ trustDomain, port }: SpireServer, directory: string): string {
  return `agent {
  data_dir = "${directory}"
  log_level = "INFO"
  server_address = "127.0.0.1"
  server_port = ${port}
  socket_path = "${join(directory, 'api.sock')}"
  trust_bundle_path = "${join(directory, 'bootstrap.pem')}"
  trust_domain = "${trustDomain}"
  experimental { sync_interval = "500ms" }
}
plugins {
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "disk" { plugin_data { directory = "${directory}" } }
  WorkloadAttestor "unix" {
    plugin_data {
      discover_workload_path = true
      workload_size_limit = -1
    }
  }
}
`;
}
