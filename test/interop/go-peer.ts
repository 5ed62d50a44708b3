// The commands of go-spiffe/peer: a workload that is somebody else's, told what to do and asked what it sees.

import { ExternalProcess } from './external-process.ts';

export interface SeenSvid {
  readonly id: string;
  readonly hint: string;
  readonly serial: string;
  readonly notAfter: string;
  readonly keyMatches: boolean;
}

/** What a Workload API has said to go-spiffe. */
export type Change =
  | {
      readonly event: 'x509';
      readonly svids: readonly SeenSvid[];
      /** SHA-256 of every authority, by trust domain. */
      readonly bundles: Readonly<Record<string, readonly string[]>>;
    }
  | { readonly event: 'jwt-bundles'; readonly bundles: Readonly<Record<string, readonly string[]>> }
  | { readonly event: 'x509-error' | 'jwt-bundles-error'; readonly code: string; readonly message: string };

export interface Watcher {
  /** All that was seen so far. */
  readonly changes: readonly Change[];
  /** The first change, from that number on, that is like this. */
  find(isLike: (change: Change) => boolean, from?: number): Promise<Change>;
  close(): Promise<void>;
}

export function startWatcher(program: string, socket: string): Watcher {
  const running = new ExternalProcess(program, ['watch', socket]);
  return {
    get changes() {
      return running.lines.flatMap((line): readonly Change[] => (isJson(line) ? [JSON.parse(line)] : []));
    },
    find: (isLike, from = 0) => {
      let seen = -1;
      return running.find((line) => {
        if (!isJson(line)) return null;
        const change: Change = JSON.parse(line);
        seen += 1;
        return seen >= from && isLike(change) ? change : null;
      });
    },
    close: () => running.end('SIGKILL'),
  };
}

export interface PeerRequest {
  readonly url: string;
  readonly method?: string;
  readonly token?: string;
  readonly body?: string;
  /** Over a connection that no earlier request has used. */
  readonly fresh?: boolean;
}

export interface PeerResponse {
  /** 0 without a response. */
  readonly status: number;
  readonly body: string;
  /** The SPIFFE ID of the server. */
  readonly peer: string;
  /** Whether the connection was that of an earlier request. */
  readonly reused: boolean;
  readonly error: string;
}

export interface JwtToken {
  readonly id: string;
  readonly token: string;
  /** In seconds. */
  readonly expiry: number;
  readonly error: string;
}

export type JwtOrder = { readonly fetch: string; readonly subject?: string };
export type JwtQuestion = { readonly validate: string; readonly audience: string };
/** Of go-spiffe with the bundles of the Workload API, and of the Workload API itself. */
export type JwtJudgement = { readonly here: JwtToken; readonly there: JwtToken };

export interface PeerClient {
  send(request: PeerRequest): Promise<PeerResponse>;
  close(): Promise<void>;
}

export interface PeerJwt {
  fetch(order: JwtOrder): Promise<JwtToken>;
  validate(question: JwtQuestion): Promise<JwtJudgement>;
  close(): Promise<void>;
}

/** An HTTPS client with its SVID, which accepts no server but the one with that SPIFFE ID. */
export async function startClient(program: string, socket: string, serverId: string): Promise<PeerClient> {
  const running = new ExternalProcess(program, ['client', socket, serverId]);
  await running.writes('"ready"');
  return { send: (request) => ask(running, request), close: () => running.end('SIGKILL') };
}

export function startJwt(program: string, socket: string): PeerJwt {
  const running = new ExternalProcess(program, ['jwt', socket]);
  return {
    fetch: (order) => ask(running, order),
    validate: (question) => ask(running, question),
    close: () => running.end('SIGKILL'),
  };
}

/** An HTTPS server with its SVID, which answers nobody but the client with that SPIFFE ID. */
export async function startServer(
  program: string,
  socket: string,
  clientId: string,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const running = new ExternalProcess(program, ['server', socket, clientId]);
  const port = await running.find((line) => /"listening":"[^"]*:(\d+)"/.exec(line)?.[1] ?? null);
  return { port: Number(port), close: () => running.end('SIGKILL') };
}

function ask<Answer>(running: ExternalProcess, order: object): Promise<Answer> {
  const from = running.lines.length;
  running.write(JSON.stringify(order));
  return running.find((line): Answer | null => (isJson(line) ? JSON.parse(line) : null), from);
}

function isJson(line: string): boolean {
  return line.startsWith('{');
}
