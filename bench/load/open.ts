// Who asks by the plan of a process: a connection each, or all streams of one.

import type { SecureContext } from 'node:tls';
import type { Asker, OnAnswer } from './asker.ts';
import { fail, loadClients } from './dial.ts';
import { createRequests, Http1Connection } from './http1-connection.ts';
import { Http2Session } from './http2-session.ts';
import type { LoadPlan } from './plan.ts';
import { TcpConnection } from './tcp-connection.ts';

/** Opens one more connection, as the next of the clients in turn. */
export type OpenConnection = (answer: OnAnswer) => Promise<readonly Asker[]>;

export function createOpener(plan: LoadPlan): OpenConnection {
  const contexts = loadClients(plan);
  const open = openerOf(plan);
  let opened = 0;
  return (answer) => {
    const context = contexts[opened % contexts.length];
    if (context === undefined) fail('there is no client');
    opened += 1;
    return open(context, answer);
  };
}

function openerOf(plan: LoadPlan): (context: SecureContext | null, answer: OnAnswer) => Promise<readonly Asker[]> {
  const { asks } = plan;
  switch (asks.protocol) {
    case 'http1': {
      const nextRequest = createRequests(asks.path);
      return async (context, answer) => [await Http1Connection.open(plan, context, { answer, nextRequest })];
    }
    case 'http2':
      return (context, answer) => Http2Session.open({ ...plan, asks }, context, answer);
    case 'tcp':
      return async (context, answer) => [await TcpConnection.open({ ...plan, asks }, context, answer)];
  }
}
