// One trust domain of SPIRE for a test: a server and an agent that has joined it.

import { SpireAgent } from './agent.ts';
import { SpireServer, type SpireServerOptions } from './server.ts';

export interface Spire {
  readonly server: SpireServer;
  readonly agent: SpireAgent;
  /** Everything that both have said, for when a test fails. */
  readonly log: string;
  close(): Promise<void>;
}

export async function startSpire(options: SpireServerOptions): Promise<Spire> {
  const server = await SpireServer.start(options);
  try {
    const agent = await SpireAgent.start(options.programs, server);
    return {
      server,
      agent,
      get log() {
        return `spire-server of ${server.trustDomain}:\n${server.log}\nspire-agent:\n${agent.log}`;
      },
      close: async () => {
        await agent.close();
        await server.close();
      },
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}
