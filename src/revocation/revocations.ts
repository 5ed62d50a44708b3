// Everything that is revoked at present, compiled: an identity is asked about with a few map reads, however long the lists are.

import type { Certificate } from '../pki/certificate.ts';
import type { Crl } from '../pki/crl.ts';
import { spkiSha256 } from '../pki/key-fingerprint.ts';
import { matchesIdPattern } from '../spiffe/id-pattern.ts';
import type { JwtSvid } from '../spiffe/jwt-svid.ts';
import { pathOf, type SpiffeId, trustDomainOf } from '../spiffe/spiffe-id.ts';
import type { X509Svid } from '../spiffe/x509-svid.ts';
import { isCrlOf } from './crl-issuer.ts';
import { formatIdPattern, type Revocation, revocationKey } from './revocation.ts';

/** Why an identity is trusted no more. */
export interface RevocationMatch {
  readonly source: 'list' | 'crl';
  /** What was listed, as `revocationKey` has it. */
  readonly key: string;
  readonly reason: string;
  readonly atMs: number;
}

export interface RevocationSources {
  readonly entries: readonly Revocation[];
  readonly crls: readonly Crl[];
}

type Patterned = Revocation & { readonly target: { readonly kind: 'id' } };

/** Immutable; a change of any list makes another one. */
export class Revocations {
  /** Different things listed, whether or not their entries have expired. */
  readonly count: number;
  readonly crlCount: number;
  /** Over all CRLs. */
  readonly crlSerials: number;
  readonly #isEmpty: boolean;
  readonly #ids = new Map<string, Revocation>();
  /** By trust domain and first segment, `*` for any: a match costs more than a read of a map. */
  readonly #patterns = new Map<string, Patterned[]>();
  /** By serial number, which almost never has an entry, then by issuer, which costs a hash. */
  readonly #certificates = new Map<string, Map<string, Revocation>>();
  readonly #keys = new Map<string, Revocation>();
  readonly #tokens = new Map<string, Revocation>();
  readonly #crls: readonly Crl[];
  /** By the Name of their issuer. */
  readonly #crlsOf = new Map<string, Crl[]>();

  constructor({ entries, crls }: RevocationSources) {
    const listed = longestLasting(entries);
    for (const entry of listed) this.#add(entry);
    for (const crl of crls) groupOf(this.#crlsOf, toText(crl.issuer), () => []).push(crl);
    this.count = listed.length;
    this.crlCount = crls.length;
    this.crlSerials = crls.reduce((sum, { revokedSerials }) => sum + revokedSerials.size, 0);
    this.#crls = crls;
    this.#isEmpty = listed.length === 0 && this.crlSerials === 0;
  }

  /**
   * The ID, the key and the serial number of the leaf, key and serial number of every certificate between it and the authority, and the
   * authority's key: what a revoked key signed is revoked with it.
   */
  findSvid({ id, chain }: Pick<X509Svid, 'id' | 'chain'>, nowMs: number): RevocationMatch | null {
    if (this.#isEmpty) return null;
    const byId = this.#findId(id, nowMs);
    if (byId !== null) return byId;
    for (const [index, certificate] of chain.entries()) {
      const match = this.#findKey(certificate, nowMs) ?? this.#findCertificate(certificate, chain[index + 1], nowMs);
      if (match !== null) return match;
    }
    return null;
  }

  /** The token itself, the key that signed it and its subject. */
  findToken(
    { id, tokenId, keySha256 }: Pick<JwtSvid, 'id' | 'tokenId' | 'keySha256'>,
    nowMs: number,
  ): RevocationMatch | null {
    if (this.#isEmpty) return null;
    const listed = tokenId === null ? undefined : this.#tokens.get(tokenId);
    return toMatch(listed, nowMs) ?? toMatch(this.#keys.get(keySha256), nowMs) ?? this.#findId(id, nowMs);
  }

  /** CRLs whose successor is overdue. They still revoke what they list; what was revoked since, nobody knows. */
  staleCrlCount(nowMs: number): number {
    return this.#crls.filter(({ nextUpdateMs }) => nextUpdateMs !== null && nextUpdateMs <= nowMs).length;
  }

  #add(entry: Revocation): void {
    const { target } = entry;
    switch (target.kind) {
      case 'id': {
        const { segments, rest, trustDomain } = target.pattern;
        if (!rest && !segments.includes(null)) this.#ids.set(formatIdPattern(target.pattern), entry);
        else groupOf(this.#patterns, `${trustDomain}/${segments[0] ?? '*'}`, () => []).push({ ...entry, target });
        return;
      }
      case 'certificate':
        groupOf(this.#certificates, target.serialNumber, () => new Map()).set(target.issuer, entry);
        return;
      case 'key':
        this.#keys.set(target.spkiSha256, entry);
        return;
      case 'token':
        this.#tokens.set(target.tokenId, entry);
    }
  }

  #findId(id: SpiffeId, nowMs: number): RevocationMatch | null {
    const exact = toMatch(this.#ids.get(id), nowMs);
    if (exact !== null || this.#patterns.size === 0) return exact;
    const trustDomain = trustDomainOf(id);
    return (
      this.#findPattern(`${trustDomain}${firstSegmentOf(id)}`, id, nowMs) ??
      this.#findPattern(`${trustDomain}/*`, id, nowMs)
    );
  }

  #findPattern(group: string, id: SpiffeId, nowMs: number): RevocationMatch | null {
    for (const entry of this.#patterns.get(group) ?? []) {
      const match = matchesIdPattern(entry.target.pattern, id) ? toMatch(entry, nowMs) : null;
      if (match !== null) return match;
    }
    return null;
  }

  #findKey({ publicKey }: Certificate, nowMs: number): RevocationMatch | null {
    return this.#keys.size === 0 ? null : toMatch(this.#keys.get(spkiSha256(publicKey)), nowMs);
  }

  /** `issuer` is the one that signed the certificate; an authority's is not known, and nothing but its key can be revoked. */
  #findCertificate(certificate: Certificate, issuer: Certificate | undefined, nowMs: number): RevocationMatch | null {
    if (issuer === undefined) return null;
    const byIssuer = this.#certificates.get(certificate.serialNumber);
    const listed = byIssuer === undefined ? null : toMatch(byIssuer.get(spkiSha256(issuer.publicKey)), nowMs);
    return listed ?? (this.#crlsOf.size === 0 ? null : this.#findInCrls(certificate, issuer));
  }

  /** A list past its next update counts, and so does an older one beside a newer: better one revocation too many. */
  #findInCrls({ serialNumber, issuer: issuerName }: Certificate, issuer: Certificate): RevocationMatch | null {
    for (const crl of this.#crlsOf.get(toText(issuerName)) ?? []) {
      const revoked = crl.revokedSerials.get(serialNumber);
      if (revoked === undefined || !isCrlOf(crl, issuer)) continue;
      const target = { kind: 'certificate', issuer: spkiSha256(issuer.publicKey), serialNumber } as const;
      return { source: 'crl', key: revocationKey(target), reason: revoked.reason, atMs: revoked.revokedMs };
    }
    return null;
  }
}

export function compileRevocations(from: RevocationSources): Revocations {
  return new Revocations(from);
}

export const NO_REVOCATIONS: Revocations = compileRevocations({ entries: [], crls: [] });

/** One entry for each thing: where several lists name it, the one that counts longest. */
function longestLasting(entries: readonly Revocation[]): readonly Revocation[] {
  const longest = new Map<string, Revocation>();
  for (const entry of entries) {
    const key = revocationKey(entry.target);
    const existing = longest.get(key);
    if (existing === undefined || endOf(entry) > endOf(existing)) longest.set(key, entry);
  }
  return [...longest.values()];
}

function endOf({ expiresMs }: Revocation): number {
  return expiresMs ?? Infinity;
}

function toMatch(entry: Revocation | undefined, nowMs: number): RevocationMatch | null {
  if (entry === undefined || nowMs >= endOf(entry)) return null;
  return { source: 'list', key: revocationKey(entry.target), reason: entry.reason, atMs: entry.atMs };
}

/** With its slash. */
function firstSegmentOf(id: SpiffeId): string {
  const path = pathOf(id);
  const end = path.indexOf('/', 1);
  return end < 0 ? path : path.slice(0, end);
}

function groupOf<K, V>(groups: Map<K, V>, key: K, create: () => V): V {
  const existing = groups.get(key);
  if (existing !== undefined) return existing;
  const created = create();
  groups.set(key, created);
  return created;
}

/** One character an octet, so that equal text is equal bytes. */
function toText(name: Buffer): string {
  return name.toString('latin1');
}
