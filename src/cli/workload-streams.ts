// Streams of an agent for a command: the first message, or every one until it is told to end.

import { type Clock, type Schedule, systemClock, systemSchedule } from '../core/clock.ts';
import { AgentStream } from '../workload-api/agent-stream.ts';
import { maxBackoffMs } from '../workload-api/backoff.ts';
import { type Agent, openStream } from '../workload-api/client.ts';
import type { EmptyRequest, Method } from '../workload-api/messages.ts';
import type { StreamState } from '../workload-api/stream-state.ts';

export interface FetchPorts {
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** From 0 up to 1. */
  readonly random: () => number;
}

export const systemFetchPorts: FetchPorts = { clock: systemClock, schedule: systemSchedule, random: Math.random };

/** @throws {AgentError | MessageError} */
export async function fetchFirst<Response>(agent: Agent, method: Method<EmptyRequest, Response>): Promise<Response> {
  const message = await new Promise<Buffer>((resolve, reject) => {
    const close = openStream(agent, method, {
      onMessage: (first) => {
        close();
        resolve(first);
      },
      onEnd: reject,
    });
  });
  return method.response.decode(message);
}

export interface WatchedStream {
  readonly method: Method<EmptyRequest, unknown>;
  /** Is given every message. @throws {SallyportError} when it cannot be read */
  readonly show: (message: Uint8Array) => void;
}

export interface WatchOptions {
  readonly agent: Agent;
  readonly ports: FetchPorts;
  /** Ends it. */
  readonly stop: AbortSignal;
  readonly complain: (message: string) => void;
}

/** Resolves when it was told to end, or when the agent has refused every stream for good. */
export function watchStreams(streams: readonly WatchedStream[], options: WatchOptions): Promise<'stopped' | 'refused'> {
  return new Promise((resolve) => {
    let running = streams.length;
    const opened = streams.map((stream) =>
      watchStream(stream, options, () => {
        running -= 1;
        if (running === 0) end('refused');
      }),
    );
    const end = (how: 'stopped' | 'refused'): void => {
      for (const stream of opened) stream.close();
      resolve(how);
    };
    if (options.stop.aborted) end('stopped');
    options.stop.addEventListener('abort', () => end('stopped'));
  });
}

function watchStream(
  { method, show }: WatchedStream,
  { agent, ports, complain }: WatchOptions,
  onRefused: () => void,
): AgentStream<null> {
  let told = '';
  const tell = (message: string): void => {
    if (message !== told) complain(message);
    told = message;
  };
  const stream = new AgentStream<null>(
    { agent, clock: ports.clock, random: ports.random },
    {
      method,
      read: (message) => {
        show(message);
        told = '';
        return { kind: 'materials', materials: null, rejected: [] };
      },
      maxBackoffMs: () => maxBackoffMs(0),
      onChange: () => {
        const { state } = stream;
        if (state.kind === 'current') return;
        tell(state.reason);
        if (isOver(state)) onRefused();
      },
      report: (report) => {
        if (report.kind === 'message-discarded') tell(report.error.message);
      },
    },
  );
  stream.start();
  return stream;
}

/** No message will follow. */
function isOver(state: StreamState<null>): boolean {
  return (
    state.kind === 'stopped' || ((state.kind === 'stale' || state.kind === 'withdrawn') && state.nextAttemptMs === null)
  );
}
