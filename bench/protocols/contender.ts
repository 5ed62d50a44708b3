// What a proxy, or a pair of them, is to the measurements of protocols.

import { cpuSeconds } from '../proxy/process-accounting.ts';
import type { Contender, Site } from '../proxy/contender.ts';
import type { Program } from '../proxy/programs.ts';

export interface ProtocolContender extends Pick<Contender, 'name' | 'needs'> {
  /** Starts it listening on `port`, or at `socketPath`, in a directory of its own. @returns what its CPU is the sum of. */
  start(site: Site, at: Place): Promise<readonly Program[]>;
}

export interface Place {
  readonly directory: string;
  readonly port: number;
}

export interface Serving {
  readonly name: string;
  readonly port: number;
  cpuSeconds(): number;
}

export function toServing({ name }: ProtocolContender, port: number, programs: readonly Program[]): Serving {
  return { name, port, cpuSeconds: () => programs.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0) };
}

/** What every call of gRPC asks for. */
export const INFER_PATH = '/inference.GRPCInferenceService/ModelInfer';
