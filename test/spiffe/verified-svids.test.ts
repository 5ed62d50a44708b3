// The memo of verified identities: never longer than the chain is valid, never across bundles, never for refusals.

import { describe, expect, it } from 'vitest';
import { SnapshotCell } from '../../src/core/snapshot.ts';
import type { TrustBundles } from '../../src/spiffe/trust-bundle.ts';
import { VerifiedSvids } from '../../src/spiffe/verified-svids.ts';
import { X509SvidError } from '../../src/spiffe/x509-svid-error.ts';
import { issueAuthority, issueSvid, selfSigned, type TestCertificate } from '../support/certificate-builder.ts';
import { bundlesOf } from '../support/trust.ts';

const now = Date.now();
const second = Math.floor(now / 1000) * 1000;
const root = selfSigned();
const leaf = issueSvid(root, 'spiffe://ai.example/x');

/** A memo whose presented chains are counted. */
function counted(trust: SnapshotCell<TrustBundles>, maxEntries = 10) {
  const memo = new VerifiedSvids(maxEntries);
  let walks = 0;
  const verify = (chain: readonly TestCertificate[], nowMs = now, claimed = chain[0]?.sha256 ?? '') =>
    memo.verify(
      claimed,
      () => {
        walks += 1;
        return chain.map(({ der }) => der);
      },
      trust.current,
      nowMs,
    );
  return { verify, walks: () => walks };
}

const trusting = (...authorities: readonly TestCertificate[]): TrustBundles => bundlesOf({ 'ai.example': authorities });

describe('VerifiedSvids', () => {
  it('walks the path of a leaf once', () => {
    const { verify, walks } = counted(new SnapshotCell(trusting(root)));
    const first = verify([leaf]);
    expect(verify([leaf])).toBe(first);
    expect(first.leafSha256).toBe(leaf.sha256);
    expect(walks()).toBe(1);
  });

  it('remembers no refusal', () => {
    const { verify, walks } = counted(new SnapshotCell(trusting(selfSigned())));
    expect(() => verify([leaf])).toThrow(X509SvidError);
    expect(() => verify([leaf])).toThrow(X509SvidError);
    expect(walks()).toBe(2);
  });

  it('CA-119 verifies again once the chain has expired, the intermediate as well as the leaf', () => {
    const intermediate = issueAuthority(root, { notAfter: new Date(second + 10_000) });
    const below = issueSvid(intermediate, 'spiffe://ai.example/x', { notAfter: new Date(second + 60_000) });
    const { verify, walks } = counted(new SnapshotCell(trusting(root)));
    verify([below, intermediate]);
    verify([below, intermediate], second + 9999);
    expect(walks()).toBe(1);
    expect(() => verify([below, intermediate], second + 10_000)).toThrow(X509SvidError);
    expect(walks()).toBe(2);
  });

  it('does not accept before the chain is valid, when the clock steps back', () => {
    const fresh = issueSvid(root, 'spiffe://ai.example/x', { notBefore: new Date(second) });
    const { verify } = counted(new SnapshotCell(trusting(root)));
    verify([fresh]);
    expect(() => verify([fresh], second - 1)).toThrow(X509SvidError);
  });

  it('CE-47 forgets everything when the bundles are swapped', () => {
    const trust = new SnapshotCell(trusting(root));
    const { verify, walks } = counted(trust);
    verify([leaf]);
    trust.swap(trusting(selfSigned()));
    expect(() => verify([leaf])).toThrow(X509SvidError);
    trust.swap(trusting(root));
    verify([leaf]);
    expect(walks()).toBe(3);
  });

  it('walks again for a new epoch even when the bundles are the same', () => {
    const trust = new SnapshotCell(trusting(root));
    const { verify, walks } = counted(trust);
    verify([leaf]);
    trust.swap(trust.current.value);
    verify([leaf]);
    expect(walks()).toBe(2);
  });

  it('is not confused by two snapshots of one epoch', () => {
    const memo = new VerifiedSvids(10);
    memo.verify(leaf.sha256, () => [leaf.der], { epoch: 1, value: trusting(root) }, now);
    const other = { epoch: 1, value: trusting(selfSigned()) };
    expect(() => memo.verify(leaf.sha256, () => [leaf.der], other, now)).toThrow(X509SvidError);
  });

  it('never lends an identity to another leaf, whatever hash is claimed', () => {
    const other = issueSvid(root, 'spiffe://ai.example/other');
    const { verify, walks } = counted(new SnapshotCell(trusting(root)));
    expect(verify([leaf], now, other.sha256).id).toBe('spiffe://ai.example/x');
    expect(verify([other]).id).toBe('spiffe://ai.example/other');
    expect(walks()).toBe(2);
  });

  it('keeps no more than it may, and those used last', () => {
    const leaves = ['a', 'b', 'c'].map((name) => issueSvid(root, `spiffe://ai.example/${name}`));
    const [a, b, c] = leaves.map((certificate) => [certificate]);
    const { verify, walks } = counted(new SnapshotCell(trusting(root)), 2);
    for (const chain of [a, b, a, c]) verify(chain ?? []);
    expect(walks()).toBe(3);
    verify(a ?? []);
    expect(walks()).toBe(3);
    verify(b ?? []);
    expect(walks()).toBe(4);
  });
});
