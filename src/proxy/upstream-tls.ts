// mTLS to upstreams: connects with our own SVID, and hands a connection over only when its server has proven to be one the route expects.
//
// For any protocol: `dialTo(terms)` is a `Dial` (upstream-dial.ts). The socket it hands over by `dialled` has been proven in the same turn of
// the event loop, and comes with a lease that its user has to ask before each new use of the connection, on every change of a snapshot and a
// few times a second. The user limits how long dialling takes, destroys what took too long, and listens for 'error' and 'close'.

import { isIP, type OnReadOpts, Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { parseCertificate } from '../pki/certificate.ts';
import { CertificateError } from '../pki/certificate-error.ts';
import { type IdPattern, matchesIdPattern } from '../spiffe/id-pattern.ts';
import { leafIdOf } from '../spiffe/leaf-rules.ts';
import type { OwnIdentity } from '../spiffe/own-identity.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { AdmissionSources } from './context.ts';
import { type HandshakeFailure, handshakeFailure } from './handshake-failure.ts';
import type { LapseReason } from './lease.ts';
import type { AnonymousReason } from './peer.ts';
import { usableIdentity } from './own-admission.ts';
import { ServerAdmission } from './server-admission.ts';
import { admitPeer, type SvidAdmission } from './svid-admission.ts';
import { contextSettings } from './tls-settings.ts';
import { type Dial, type DialUser, endpointOf, type UpstreamAddress } from './upstream-dial.ts';

export interface ServerTerms {
  readonly address: UpstreamAddress;
  /** A DNS name for SNI; anything else is not sent (RFC 6066 §3). */
  readonly serverName: string | null;
  /** The server's ID has to match one of them. */
  readonly serverIds: readonly IdPattern[];
  /** What ALPN offers, nothing when null. A server that answers no ALPN speaks HTTP/1.1, and never HTTP/2. */
  readonly protocol: 'http/1.1' | 'h2' | null;
}

export interface ServerFault {
  readonly address: UpstreamAddress;
  readonly reason: AnonymousReason | HandshakeFailure | LapseReason | 'unexpected-server-id';
  readonly detail: string;
  /** What the certificate says, be it proven or not; null when it says nothing that can be read. */
  readonly serverId: SpiffeId | null;
  readonly expected: readonly IdPattern[];
}

/** Told of every server that did not prove itself, and of every connection whose server does not any longer. */
export type OnServerFault = (fault: ServerFault) => void;

type Judgement =
  | { readonly kind: 'proven'; readonly admission: SvidAdmission }
  | { readonly kind: 'refused'; readonly fault: Pick<ServerFault, 'reason' | 'detail' | 'serverId'> };

export class UpstreamTls {
  readonly #sources: AdmissionSources;
  readonly #onFault: OnServerFault;
  /** Of the snapshots it was made from: to read every bundle for each connection would cost more than the handshake. */
  #context: { readonly of: SecureContext; readonly identityEpoch: number; readonly trustEpoch: number } | null = null;

  constructor(sources: AdmissionSources, onFault: OnServerFault) {
    this.#sources = sources;
    this.#onFault = onFault;
  }

  dialTo(terms: ServerTerms): Dial {
    return (user, onread) => this.#dial(terms, user, onread);
  }

  #dial(terms: ServerTerms, user: DialUser, onread: OnReadOpts | null): Socket {
    const own = usableIdentity(this.#sources);
    if (own === null) return refusedSocket(user);
    const { serverName, protocol } = terms;
    const socket = connect({
      ...endpointOf(terms.address),
      secureContext: this.#contextFor(own),
      servername: serverName !== null && isIP(serverName) === 0 ? serverName : '',
      ...(protocol === null ? {} : { ALPNProtocols: [protocol] }),
      ...(onread === null ? {} : { onread }),
      // Refused below, where it is known why, before anybody may write.
      rejectUnauthorized: false,
      // The SPIFFE ID takes the place of the host name.
      checkServerIdentity: () => undefined,
    });
    let reached = false;
    let isOver = false;
    const fail = (reason: HandshakeFailure, detail: string): void => {
      // That it cannot be reached is for whoever hears of the error as well to say.
      if (!reached || isOver) return;
      isOver = true;
      this.#report(terms, { reason, detail, serverId: null });
      user.dialRefused('upstream-handshake-failed');
      socket.destroy();
    };
    socket.on('connect', () => {
      reached = true;
    });
    socket.on('end', () => fail('peer-closed', 'the server has closed the connection'));
    socket.on('error', (error) => fail(handshakeFailure(error), describeFailure(error)));
    socket.on('secureConnect', () => {
      isOver = true;
      this.#judge(socket, terms, { own, user });
    });
    return socket;
  }

  #judge(
    socket: TLSSocket,
    terms: ServerTerms,
    { own, user }: { readonly own: OwnIdentity; readonly user: DialUser },
  ): void {
    // What will be forwarded has been decided for whom we are now.
    if (this.#sources.identity.current.value?.svid.id !== own.svid.id) {
      user.dialRefused('own-svid-withdrawn');
      socket.destroy();
      return;
    }
    const judgement = this.#prove(socket, terms);
    if (judgement.kind === 'refused') {
      this.#report(terms, judgement.fault);
      user.dialRefused('upstream-untrusted');
      socket.destroy();
      return;
    }
    const { admission } = judgement;
    const onLapse = (reason: LapseReason): void =>
      this.#report(terms, {
        reason,
        detail: 'its connections are not used any more',
        serverId: admission.svid.id,
      });
    user.dialled(new ServerAdmission(admission, own, { sources: this.#sources, onLapse }));
  }

  #prove(socket: TLSSocket, { serverIds, protocol }: ServerTerms): Judgement {
    if (protocol === 'h2' && socket.alpnProtocol !== protocol) {
      return refused('no-shared-protocol', 'the server does not speak HTTP/2', presentedId(socket));
    }
    const admitted = admitPeer(socket, this.#sources);
    if (admitted.kind === 'anonymous') return refused(admitted.reason, admitted.detail, presentedId(socket));
    const { id } = admitted.admission.svid;
    if (!serverIds.some((pattern) => matchesIdPattern(pattern, id))) {
      return refused('unexpected-server-id', 'the server is another than the route expects', id);
    }
    return { kind: 'proven', admission: admitted.admission };
  }

  #contextFor(own: OwnIdentity): SecureContext {
    const { identity, trust } = this.#sources;
    const [identityEpoch, trustEpoch] = [identity.current.epoch, trust.current.epoch];
    if (this.#context?.identityEpoch === identityEpoch && this.#context.trustEpoch === trustEpoch) {
      return this.#context.of;
    }
    const of = createSecureContext(contextSettings(own, trust.current.value));
    this.#context = { of, identityEpoch, trustEpoch };
    return of;
  }

  #report({ address, serverIds }: ServerTerms, fault: Pick<ServerFault, 'reason' | 'detail' | 'serverId'>): void {
    this.#onFault({ address, expected: serverIds, ...fault });
  }
}

function refused(reason: ServerFault['reason'], detail: string, serverId: SpiffeId | null): Judgement {
  return { kind: 'refused', fault: { reason, detail, serverId } };
}

/** One that was never connected, so that whoever dials has one way to fail. */
function refusedSocket(user: DialUser): Socket {
  const socket = new Socket();
  process.nextTick(() => {
    user.dialRefused('own-svid-withdrawn');
    socket.destroy();
  });
  return socket;
}

/** In OpenSSL's own words, without where in its source. */
function describeFailure(error: Error): string {
  return 'reason' in error && typeof error.reason === 'string' ? error.reason : error.message;
}

/** For people to read: nothing has been verified. */
function presentedId(socket: TLSSocket): SpiffeId | null {
  const leaf: { readonly raw?: Buffer } | null = socket.getPeerCertificate();
  if (leaf?.raw === undefined) return null;
  try {
    const leafId = leafIdOf(parseCertificate(leaf.raw));
    return leafId.kind === 'id' ? leafId.id : null;
  } catch (error) {
    if (error instanceof CertificateError) return null;
    throw error;
  }
}
