// The upstreams of our own, on the CPU of the load.

import { join } from 'node:path';
import { LOAD_CPU } from '../proxy/contender.ts';
import { freePort, type Program, startProgram } from '../proxy/programs.ts';

export async function startOwnUpstream(
  kind: 'grpc' | 'tcp',
): Promise<{ readonly port: number; readonly program: Program }> {
  const port = await freePort();
  const file = join(import.meta.dirname, `${kind}.ts`);
  return { port, program: await startProgram([process.execPath, file, String(port)], { cpu: LOAD_CPU, port }) };
}
