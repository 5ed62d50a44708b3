// What a development agent answers, composed from what it has issued and whom it trusts.
// SPIFFE_Workload_API.md §5.1, §6.1

import { createPrivateKey } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { type DevelopmentJwtAuthority, issueJwtSvid } from '../devca/jwt.ts';
import type { Issuing } from '../devca/sign.ts';
import type { IssuedSvid } from '../devca/svid.ts';
import { toJsonWebKey } from '../spiffe/json-web-key.ts';
import { verifyJwtSvid } from '../spiffe/jwt-svid.ts';
import { JwtSvidError } from '../spiffe/jwt-svid-error.ts';
import { parseSpiffeId, type SpiffeId, SpiffeIdError } from '../spiffe/spiffe-id.ts';
import type { TrustBundle, TrustBundles } from '../spiffe/trust-bundle.ts';
import { encodeStruct } from '../protobuf/struct.ts';
import {
  FETCH_JWT_BUNDLES,
  FETCH_JWT_SVID,
  FETCH_X509_BUNDLES,
  FETCH_X509_SVID,
  type JwtSvidRequest,
  type X509SvidMessage,
} from './messages.ts';
import type { Answer, StreamedAnswers } from './server.ts';
import type { AgentEntry } from './server-entries.ts';
import { NO_IDENTITY } from './server-stream.ts';
import { VALIDATE_JWT_SVID, type ValidateJwtSvidRequest } from './server-validation.ts';

export interface IssuedEntry {
  readonly entry: AgentEntry;
  readonly svid: IssuedSvid;
}

export interface AgentTrust {
  readonly own: TrustBundle;
  /** Of other trust domains. */
  readonly federated: TrustBundles;
  /** DER. */
  readonly crls: readonly Uint8Array[];
}

export interface JwtSvidIssue {
  readonly id: SpiffeId;
  readonly audiences: readonly string[];
  readonly expiresMs: number;
}

/** Null without an entry: whoever has no identity is told nothing, as SPIRE does. */
export function composeStreamed(issued: readonly IssuedEntry[], trust: AgentTrust): StreamedAnswers | null {
  if (issued.length === 0) return null;
  const { own, federated, crls } = trust;
  const bundle = concatenatedDer(own);
  const federatedBundles = new Map<string, Uint8Array>();
  for (const foreign of federated.values()) {
    // No certificates and no bundle mean the same: nobody of that trust domain is trusted.
    if (foreign.authorities.length > 0) federatedBundles.set(idOf(foreign), concatenatedDer(foreign));
  }
  const jwtBundles = new Map([own, ...federated.values()].map((each) => [idOf(each), jwkSetOf(each)]));
  return {
    x509Svids: FETCH_X509_SVID.response.encode({
      svids: issued.map((each) => toMessage(each, bundle)),
      crls,
      federatedBundles,
    }),
    x509Bundles: FETCH_X509_BUNDLES.response.encode({
      crls,
      bundles: new Map([[idOf(own), bundle], ...federatedBundles]),
    }),
    jwtBundles: FETCH_JWT_BUNDLES.response.encode({ bundles: jwtBundles }),
  };
}

/** `onIssued` is told of each token. */
export function answerJwtSvid(
  request: JwtSvidRequest,
  from: { readonly entries: readonly AgentEntry[]; readonly authority: DevelopmentJwtAuthority },
  issuing: Issuing & { readonly onIssued: (issue: JwtSvidIssue) => void },
): Answer {
  const { audiences, spiffeId } = request;
  if (audiences.length === 0 || audiences.includes('')) return invalid('audience must be specified');
  if (spiffeId !== '') {
    try {
      parseSpiffeId(spiffeId);
    } catch (error) {
      if (!(error instanceof SpiffeIdError)) throw error;
      return invalid(`invalid requested SPIFFE ID: ${error.message}`);
    }
  }
  const entries = from.entries.filter(({ id }) => spiffeId === '' || id === spiffeId);
  if (entries.length === 0) return { kind: 'refused', refusal: NO_IDENTITY };
  const svids = entries.map(({ id, hint, ttlMs }) => {
    const { token, expiresMs } = issueJwtSvid(from.authority, { id, audiences, ttlMs }, issuing);
    issuing.onIssued({ id, audiences, expiresMs });
    return { spiffeId: id, svid: token, hint };
  });
  return { kind: 'answered', message: FETCH_JWT_SVID.response.encode({ svids }) };
}

/** Also for a caller without identity, who then is told about our own trust domain alone. */
export function answerValidation(request: ValidateJwtSvidRequest, bundles: TrustBundles, nowMs: number): Answer {
  const { audience, svid } = request;
  if (audience === '') return invalid('audience must be specified');
  if (svid === '') return invalid('svid must be specified');
  try {
    const expectation = { audiences: [audience], maxAudiences: Number.MAX_SAFE_INTEGER };
    const { id } = verifyJwtSvid(svid, { ...expectation, bundles, nowMs });
    const message = VALIDATE_JWT_SVID.response.encode({ spiffeId: id, claims: encodeStruct(claimsOf(svid)) });
    return { kind: 'answered', message };
  } catch (error) {
    if (!(error instanceof JwtSvidError)) throw error;
    return invalid(error.message);
  }
}

function toMessage({ entry, svid }: IssuedEntry, bundle: Uint8Array): X509SvidMessage {
  return {
    spiffeId: entry.id,
    chain: Buffer.concat(svid.chainDer),
    privateKey: createPrivateKey(svid.privateKeyPem).export({ type: 'pkcs8', format: 'der' }),
    bundle,
    hint: entry.hint,
  };
}

function idOf({ trustDomain }: TrustBundle): string {
  return `spiffe://${trustDomain}`;
}

function concatenatedDer({ authorities }: TrustBundle): Uint8Array {
  return Buffer.concat(authorities.map(({ der }) => der));
}

/**
 * §6.2.2, §6.3: the JWT keys and no others, as any validator of JWTs reads them. Without `use`, which SPIRE leaves out as well: those that
 * know RFC 7517 alone skip keys for `jwt-svid`.
 */
function jwkSetOf({ jwtAuthorities }: TrustBundle): Uint8Array {
  const keys = [...jwtAuthorities.values()].flatMap(({ keyId, publicKey }) => {
    const key = toJsonWebKey(publicKey);
    return key === null ? [] : [{ ...key, kid: keyId }];
  });
  return Buffer.from(JSON.stringify({ keys }));
}

/** Of a token that has been verified. `aud` is a list also where the token has one string, as SPIRE answers. */
function claimsOf(token: string): object {
  const [, payload = ''] = token.split('.');
  const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  if (typeof claims !== 'object' || claims === null) throw new Error('verified claims are not an object');
  return 'aud' in claims && typeof claims.aud === 'string' ? { ...claims, aud: [claims.aud] } : claims;
}

function invalid(details: string): Answer {
  return { kind: 'refused', refusal: { code: status.INVALID_ARGUMENT, details } };
}
