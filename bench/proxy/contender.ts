// What a proxy of the comparison is to the measurements.

import { fileURLToPath } from 'node:url';
import type { Program } from './programs.ts';

/** The repository. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The proxy has one CPU for itself; load and upstream share the other. */
export const PROXY_CPU = '0';
export const LOAD_CPU = '1';
export const CLIENTS = 16;

/** What every proxy stands in front of, and with what. */
export interface Site {
  /** Of this run: certificates, configurations, logs. */
  readonly directory: string;
  readonly upstreamPort: number;
}

export interface Contender {
  readonly name: string;
  /** Named in the results when it cannot be measured. */
  readonly needs: {
    readonly program: string;
    readonly versionArgs: readonly string[];
    readonly install: string;
  } | null;
  /** What its requests ask for. */
  readonly path: string;
  /** Starts it listening on `port`, in a directory of its own. */
  start(site: Site, at: { readonly directory: string; readonly port: number }): Promise<Program>;
}

/** A model of a registry, the same for everybody. */
export const SMALL_PATH = '/api/2.0/mlflow-artifacts/artifacts/1/run/artifacts/model-00000000.json';
/** As long as that, and no other request asks for it: the decision cannot be remembered. */
export const UNIQUE_PATH = '/api/2.0/mlflow-artifacts/artifacts/1/run/artifacts/#';
export const STREAM_PATH = '/api/2.0/mlflow-artifacts/artifacts/1/run/artifacts/weights.bin';
