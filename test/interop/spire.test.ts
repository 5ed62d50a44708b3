// A real SPIRE beside go-spiffe: what its agent says when an entry comes and goes, a partner is federated, an authority is
// replaced, and the agent or the server is away. What is expected of Sallyport's own client elsewhere rests on this.

import { afterAll, beforeAll, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import { type Change, startJwt, startWatcher, type Watcher } from './go-peer.ts';
import { buildGoProgram, GO_BUILDS_WITHIN_MS, type GoProgram } from './go-program.ts';
import { selectorsOf } from './spire/agent.ts';
import { findSpire, SPIRE_IS_MISSING } from './spire/programs.ts';
import { type SpireEntry, SpireServer } from './spire/server.ts';
import { type Spire, startSpire } from './spire/spire.ts';

const programs = findSpire();
const ID = 'spiffe://ai.example/peer';
let peer: GoProgram = { kind: 'missing', reason: 'not built' };
let spire: Spire;

beforeAll(async () => {
  if (programs === null) return;
  peer = await buildGoProgram('go-spiffe peer');
  spire = await startSpire({ programs, trustDomain: 'ai.example' });
}, GO_BUILDS_WITHIN_MS);

afterAll(async () => {
  if (peer.kind === 'built') peer.remove();
  await spire?.close();
});

beforeEach(({ onTestFailed, skip }) => {
  if (programs === null) skip(SPIRE_IS_MISSING);
  if (peer.kind === 'missing') skip(peer.reason);
  onTestFailed(() => void process.stderr.write(spire.log));
});

/** A workload with this entry, its first SVID in hand. */
async function register(
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  entry: Partial<SpireEntry> = {},
): Promise<{ readonly program: string; readonly watcher: Watcher; readonly entryId: string }> {
  if (peer.kind === 'missing') throw new Error(peer.reason);
  const parentId = spire.agent.spiffeId;
  const entryId = await spire.server.createEntry({
    parentId,
    spiffeId: ID,
    selectors: selectorsOf(peer.path),
    ...entry,
  });
  const watcher = startWatcher(peer.path, spire.agent.socket);
  onTestFinished(async () => {
    await watcher.close();
    await spire.server.deleteEntry(entryId).catch(() => {});
  });
  await watcher.find(hasSvid);
  return { program: peer.path, watcher, entryId };
}

const hasSvid = (change: Change): boolean => change.event === 'x509' && change.svids.length > 0;
const isDenied = (change: Change): boolean => change.event === 'x509-error' && change.code === 'PermissionDenied';

function authoritiesOf(change: Change, trustDomain: string): readonly string[] {
  return change.event === 'x509' ? (change.bundles[trustDomain] ?? []) : [];
}

describe('SPIRE and go-spiffe (skipped where SPIRE is not built)', () => {
  it('renews SVIDs of seconds, each with its key', async (context) => {
    const { watcher } = await register(context, { hint: 'internal' });
    const serials = new Set<string>();
    await watcher.find((change) => {
      if (change.event === 'x509') for (const { serial } of change.svids) serials.add(serial);
      return serials.size === 4;
    });
    const svids = watcher.changes.flatMap((change) => (change.event === 'x509' ? change.svids : []));
    for (const svid of svids) expect(svid).toMatchObject({ id: ID, hint: 'internal', keyMatches: true });
  });

  it('issues JWT-SVIDs that both go-spiffe and the agent accept, for their audience only', async (context) => {
    const { program } = await register(context);
    const jwt = startJwt(program, spire.agent.socket);
    context.onTestFinished(() => jwt.close());
    const { token } = await jwt.fetch({ fetch: 'registry' });
    const accepted = await jwt.validate({ validate: token, audience: 'registry' });
    expect(accepted).toMatchObject({ here: { id: ID, error: '' }, there: { id: ID, error: '' } });
    const refused = await jwt.validate({ validate: token, audience: 'billing' });
    expect([refused.here.error, refused.there.error]).toEqual([
      expect.stringContaining('expected audience'),
      expect.stringContaining('expected audience'),
    ]);
  });

  it('answers PermissionDenied once the entry is gone', async (context) => {
    const { watcher, entryId } = await register(context);
    const before = watcher.changes.length;
    await spire.server.deleteEntry(entryId);
    await watcher.find(isDenied, before);
  });

  it('delivers the bundle of a federated trust domain, and no longer after the relationship ends', async (context) => {
    if (programs === null) return;
    const partner = await SpireServer.start({ programs, trustDomain: 'partner.example' });
    context.onTestFinished(() => partner.close());
    const { url, spiffeId } = partner.bundleEndpoint;
    const bundle = await partner.bundle('spiffe');
    await spire.server.federate({ trustDomain: 'partner.example', url, endpointSpiffeId: spiffeId, bundle });
    const { watcher } = await register(context, { federatesWith: ['partner.example'] });
    await watcher.find((change) => authoritiesOf(change, 'partner.example').length === 1);

    await partner.rotateAuthority();
    await spire.server.refreshFederation('partner.example');
    await watcher.find((change) => authoritiesOf(change, 'partner.example').length === 2);

    const before = watcher.changes.length;
    await spire.server.endFederation('partner.example');
    await watcher.find((change) => hasSvid(change) && authoritiesOf(change, 'partner.example').length === 0, before);
  });

  it('replaces an authority: first both, then the new one alone', async (context) => {
    const { watcher } = await register(context);
    const [old] = authoritiesOf(await watcher.find(hasSvid), 'ai.example');
    await spire.server.rotateAuthority();
    await watcher.find((change) => authoritiesOf(change, 'ai.example').length === 2);
    await spire.server.taintOldAuthority();
    await spire.agent.says('Successfully rotated agent SVID');
    await spire.server.revokeOldAuthority();
    const last = await watcher.find((change) => {
      const authorities = authoritiesOf(change, 'ai.example');
      return authorities.length === 1 && authorities[0] !== old;
    });
    expect(hasSvid(last)).toBe(true);
  });

  it('is the same after the agent was killed and started again', async (context) => {
    const { watcher } = await register(context);
    await spire.agent.kill();
    await watcher.find((change) => change.event === 'x509-error' && change.code === 'Unavailable');
    const before = watcher.changes.length;
    await spire.agent.start();
    await watcher.find(hasSvid, before);
  }, 60_000);
});
