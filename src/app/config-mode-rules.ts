// What must hold between the mode of a listener and its other keys.

import { quote } from '../core/quote.ts';
import type { Conflict, Path } from './config-conflict.ts';
import type { Sound } from './config-document.ts';
import type { ConfigDocument } from './config-schema.ts';
import { formatUpstream, isEncrypted } from './config-upstreams.ts';

type SoundListener = NonNullable<NonNullable<Sound<ConfigDocument>['listeners']>[number]>;

export function* findModeConflicts({ listeners }: Sound<ConfigDocument>): Iterable<Conflict> {
  for (const [at, listener] of (listeners ?? []).entries()) {
    if (listener?.mode === undefined) continue;
    const path = ['listeners', at];
    if (listener.http2 !== undefined && listener.mode !== 'http') {
      const message = 'only peers of a listener of `mode: http` are offered HTTP/2; leave this out';
      yield { code: 'conflict', path: [...path, 'http2'], message };
    }
    switch (listener.mode) {
      case 'http':
      case 'egress':
        yield* findHttpConflicts(listener, path);
        break;
      case 'tcp':
        yield* findTcpConflicts(listener, path);
        break;
      case 'tcp-egress':
        yield* findTcpConflicts(listener, path);
        yield* findTcpEgressConflicts(listener, path);
    }
  }
}

function* findHttpConflicts({ upstream, routes, proxyProtocol }: SoundListener, path: Path): Iterable<Conflict> {
  const upstreams = [
    { place: [...path, 'upstream'], scheme: upstream?.scheme },
    ...(routes ?? []).map((route, index) => ({
      place: [...path, 'routes', index, 'upstream'],
      scheme: route?.upstream?.scheme,
    })),
  ];
  for (const { place, scheme } of upstreams) {
    if (scheme !== 'tcp' && scheme !== 'tls') continue;
    const message = `requests go to an upstream that speaks HTTP; write \`${scheme === 'tcp' ? 'http' : 'https'}://host:port\`, or \`mode: tcp\` for the listener`;
    yield { code: 'conflict', path: place, message };
  }
  if (proxyProtocol === undefined) return;
  const message = 'an upstream of requests is told who asks in their fields; leave this out, or write `mode: tcp`';
  yield { code: 'conflict', path: [...path, 'proxyProtocol'], message };
}

function* findTcpConflicts(
  { mode, upstream, routes, authenticate, jwt }: SoundListener,
  path: Path,
): Iterable<Conflict> {
  if (routes !== undefined) {
    const message = 'a TCP connection has no host and no path to be routed by; write `component` and `upstream`';
    yield { code: 'conflict', path: [...path, 'routes'], message };
  }
  if (mode === 'tcp' && (jwt !== undefined || authenticate?.includes('jwt') === true)) {
    const message = 'a TCP connection carries no token that could be read; its peer proves itself by certificate alone';
    yield { code: 'conflict', path: [...path, jwt === undefined ? 'authenticate' : 'jwt'], message };
  }
  if (upstream === undefined || upstream.scheme === 'tcp' || upstream.scheme === 'tls') return;
  // `unix:/path` says nothing of what is spoken there.
  if (upstream.scheme === 'http' && upstream.address.kind === 'unix') return;
  const instead = formatUpstream({ ...upstream, scheme: isEncrypted(upstream) ? 'tls' : 'tcp' });
  const message = `what goes over a TCP connection is not looked at, so it need not be HTTP; write ${quote(instead)}`;
  yield { code: 'conflict', path: [...path, 'upstream'], message };
}

function* findTcpEgressConflicts({ upstream, proxyProtocol }: SoundListener, path: Path): Iterable<Conflict> {
  if (upstream?.scheme === 'tcp' || (upstream?.scheme === 'http' && upstream.address.kind === 'unix')) {
    const message =
      'the own program is let out over mTLS; write `tls://host:port` and the `serverId` of whoever is there';
    yield { code: 'conflict', path: [...path, 'upstream'], message };
  }
  if (proxyProtocol === undefined) return;
  const message = 'the server learns from our SVID who connects; leave this out, or write `mode: tcp`';
  yield { code: 'conflict', path: [...path, 'proxyProtocol'], message };
}
