import { webcrypto } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Observation } from '../../src/app/demo/decision-tap.ts';
import { demoFilesIn } from '../../src/app/demo/demo-files.ts';
import { BACKGROUND_PEERS, WORKLOADS } from '../../src/app/demo/identities.ts';
import { ANY_PORTS } from '../../src/app/demo/listeners.ts';
import { openStage, type Stage } from '../../src/app/demo/stage.ts';
import { Tally } from '../../src/app/demo/tally.ts';
import type { Traffic, TrafficCounts } from '../../src/app/demo/traffic.ts';
import { tryRevocation, tryRotation } from '../../src/app/demo/trials.ts';
import { Turns } from '../../src/app/demo/turns.ts';
import { writeCredentialFiles } from '../../src/cli/credential-files.ts';
import { record } from '../telemetry/request-record.ts';

const SHIPPED_POLICY = fileURLToPath(new URL('../../policies/ai-platform.yaml', import.meta.url));
const NEVER = AbortSignal.any([]);
const [TRAINER, SCORER] = [WORKLOADS.training.id, WORKLOADS.inference.id];

describe('what is counted of a peer', () => {
  it.each<[string, readonly number[], Partial<Tally>]>([
    ['answers', [200, 200], { answered: 2, refused: 0, failed: 0 }],
    ['refusals', [200, 401, 403], { answered: 1, refused: 2, failed: 0 }],
    ['other answers as failures', [500, 404], { answered: 0, failed: 2 }],
    ['one without an answer as nothing yet', [0], { refused: 0, failed: 0, isInDoubt: true }],
    ['one without an answer as a failure when the next is answered', [0, 200], { answered: 1, failed: 1 }],
    ['one without an answer as a refusal when the next is refused', [200, 0, 401], { refused: 2, failed: 0 }],
    ['all but the last of several without an answer as failures', [0, 0, 0], { failed: 2, isInDoubt: true }],
    ['no more than one of those as a refusal', [0, 0, 401], { refused: 2, failed: 1, isInDoubt: false }],
    ['one without an answer before a failure as another', [0, 503], { failed: 2, isInDoubt: false }],
  ])('takes %s', (_name, statuses, counted) => {
    const tally = new Tally();
    for (const status of statuses) tally.settle(status);
    expect(tally).toMatchObject(counted);
  });
});

describe('what is told of peers that are there all the time', () => {
  const allowed: Observation = { effect: 'allow', reason: '', detail: '', status: 200, overheadSeconds: 0 };
  const refused: Observation = { ...allowed, effect: 'refuse', status: 401, reason: 'revoked' };
  const cut: Observation = { ...allowed, effect: 'cut', reason: 'revoked' };
  const by = (principal: string | null) => record({ principal });

  it('is not that they are allowed, and of others everything', () => {
    const turns = new Turns(BACKGROUND_PEERS);
    const other = by('spiffe://ai.example/training/job-1');
    expect([turns.isTurn(allowed, by(TRAINER)), turns.isTurn(allowed, other)]).toEqual([false, true]);
    expect([turns.isTurn(refused, other), turns.isTurn(refused, other)]).toEqual([true, true]);
    expect(turns.isTurn(refused, by(null))).toBe(true);
  });

  it('is that their stream is cut and that they are let in again, not how often they are refused in between', () => {
    const turns = new Turns(BACKGROUND_PEERS);
    const anonymous = { ...refused, detail: `\`${TRAINER}\` is revoked: stolen` };
    expect(turns.isTurn(cut, by(TRAINER))).toBe(true);
    expect(turns.isTurn(refused, by(TRAINER))).toBe(false);
    expect(turns.isTurn(anonymous, by(null))).toBe(false);
    expect(turns.isTurn(allowed, by(SCORER))).toBe(false);
    expect(turns.isTurn(allowed, by(TRAINER))).toBe(true);
    expect(turns.isTurn(allowed, by(TRAINER))).toBe(false);
  });

  it('is the first refusal where no stream was open, and that a stream is cut also after a refusal', () => {
    const turns = new Turns(BACKGROUND_PEERS);
    expect(turns.isTurn(refused, by(TRAINER))).toBe(true);
    expect(turns.isTurn(cut, by(TRAINER))).toBe(true);
    expect(turns.isTurn({ ...allowed, effect: 'would-deny' }, by(TRAINER))).toBe(true);
  });
});

describe('what is tried while peers are connected', () => {
  const WELL: TrafficCounts = { requests: 0, failed: 0, refused: 0, streaming: 3, broken: 0 };

  /** Traffic in which everything comes about that is waited for, unless it is said not to. */
  function scene(more: {
    readonly counts?: Partial<TrafficCounts>;
    readonly isReceived?: boolean;
    readonly isCut?: boolean;
    readonly othersCut?: boolean;
    readonly isBack?: boolean;
  }) {
    const { isReceived = true, isCut = true, othersCut = false, isBack = true } = more;
    const lists: (readonly string[])[] = [];
    let tell = (): void => undefined;
    let requests = 0;
    let isRevoked = false;
    let wasRevoked = false;
    const isStreaming = (): boolean => (isRevoked ? !isCut : !wasRevoked || isBack);
    const traffic: Pick<Traffic, 'counts' | 'isStreaming' | 'until'> = {
      get counts() {
        const streaming = (isStreaming() ? 1 : 0) + (isRevoked && othersCut ? 1 : 2);
        return { ...WELL, streaming, requests, ...more.counts };
      },
      isStreaming,
      until: async (isSo) => {
        requests += 100;
        return isSo();
      },
    };
    const stage = {
      agent: { rotateNow: async () => (isReceived ? tell() : undefined) },
      onOwnSvid: (onSvid: (svid: { sha256: string; notAfterMs: number }) => void) => {
        tell = () => onSvid({ sha256: '', notAfterMs: 0 });
        return () => undefined;
      },
      revoke: async (patterns: readonly string[]) => {
        lists.push(patterns);
        isRevoked = patterns.length > 0;
        wasRevoked = true;
      },
    };
    return { stage, traffic, lists };
  }

  it.each<[string, Parameters<typeof scene>[0], string | null]>([
    ['as expected', {}, null],
    ['not, when a request fails', { counts: { failed: 1 } }, '1 requests failed, 0 streams were broken'],
    ['not, when a stream is broken', { counts: { broken: 2 } }, '0 requests failed, 2 streams were broken'],
    ['not, when nothing rotates', { isReceived: false }, 'the sidecar or a peer has not received its SVID'],
    ['not, when a peer has no stream', { counts: { streaming: 2 } }, 'the sidecar or a peer has not received its SVID'],
  ])('is a rotation, %s', async (_name, more, complaint) => {
    const { stage, traffic } = scene(more);
    const trial = await tryRotation(stage, traffic, NEVER);
    expect(trial.complaint).toBe(complaint);
    if (complaint === null) expect(trial.text).toMatch(/^5 new SVIDs of the sidecar in \d\.\d s, under 600 requests/);
  });

  it.each<[string, Parameters<typeof scene>[0], string | null]>([
    ['as expected', {}, null],
    ['not, when the stream goes on', { isCut: false }, 'the stream of a revoked peer went on'],
    ['not, when another is cut', { othersCut: true }, 'the stream of a peer that is not revoked was cut'],
    ['not, when it stays out', { isBack: false }, 'the peer that is not revoked any more has no stream'],
    ['not, when a request fails', { counts: { failed: 1 } }, '1 requests failed, 0 streams were broken'],
  ])('is a revocation, %s', async (_name, more, complaint) => {
    const { stage, traffic, lists } = scene(more);
    const whileRevoked = async (): Promise<number> => lists.length;
    const { trial, found } = await tryRevocation(stage, traffic, { whileRevoked, stop: NEVER });
    expect(trial.complaint).toBe(complaint);
    expect(found).toBe(1);
    expect(lists).toEqual([['/training/*'], []]);
  });
});

describe('traffic', () => {
  let directory: string;
  let policyFile: string;
  let stage: Stage;
  let traffic: Traffic;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sallyport-demo-'));
    policyFile = join(directory, 'policy.yaml');
    copyFileSync(SHIPPED_POLICY, policyFile);
    stage = await openStage({
      paths: demoFilesIn(join(directory, 'certs-dev')),
      policyFile,
      preferredPorts: ANY_PORTS,
      writeFiles: (files) => writeCredentialFiles(files, 'replace'),
      issuing: () => ({ nowMs: Date.now(), crypto: webcrypto }),
      stop: NEVER,
    });
    traffic = stage.startTraffic({ pauseMs: 1 });
    expect(await traffic.until(() => traffic.counts.streaming === 3 && traffic.counts.requests > 20, NEVER)).toBe(true);
  });

  afterEach(async () => {
    await stage.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it('goes on while everybody’s SVID is replaced', async () => {
    const svids = new Set<string>();
    stage.onOwnSvid(({ sha256 }) => svids.add(sha256));
    for (let rotation = 1; rotation <= 3; rotation += 1) {
      await stage.agent.rotateNow();
      const due = traffic.counts.requests + 20;
      expect(await traffic.until(() => svids.size === rotation && traffic.counts.requests > due, NEVER)).toBe(true);
    }
    expect(traffic.counts).toMatchObject({ failed: 0, refused: 0, streaming: 3, broken: 0 });
  });

  it('comes with new connections when its SVIDs are replaced', async () => {
    const handshakes = async (): Promise<number> => {
      const metrics = await (await fetch(`${stage.admin}/metrics`)).text();
      const accepted = /^sallyport_handshakes_total\{[^}]*result="accepted"[^}]*\} (\d+)$/gm;
      return [...metrics.matchAll(accepted)].reduce((sum, [, count]) => sum + Number(count), 0);
    };
    const before = await handshakes();
    expect(before).toBe(6);
    await stage.agent.rotateNow();
    const due = traffic.counts.requests + 60;
    await traffic.until(() => traffic.counts.requests > due, NEVER);
    // The streams go on with what they began with.
    expect(await handshakes()).toBe(9);
  });

  it('counts what fails when the service goes away', async () => {
    await stage.services['feature-store'].close();
    expect(await traffic.until(() => traffic.counts.failed > 0 && traffic.counts.broken >= 3, NEVER)).toBe(true);
    expect(traffic.counts).toMatchObject({ refused: 0, streaming: 0 });
  });

  it('counts who is revoked as refused, and nobody else, and nothing as failed', async () => {
    await stage.revoke([TRAINER]);
    expect(await traffic.until(() => traffic.counts.refused > 1, NEVER)).toBe(true);
    expect(traffic.isStreaming(TRAINER)).toBe(false);
    expect(BACKGROUND_PEERS.filter((id) => traffic.isStreaming(id))).toHaveLength(2);
    await stage.revoke([]);
    expect(await traffic.until(() => traffic.isStreaming(TRAINER), NEVER)).toBe(true);
    expect(traffic.counts).toMatchObject({ failed: 0, broken: 0, streaming: 3 });
  });

  it('is cut as well by a policy that allows it no more', async () => {
    const cuts: string[] = [];
    stage.tap.listen(({ effect, reason }, { principal }) => {
      if (effect === 'cut') cuts.push(`${principal} ${reason}`);
    });
    const policy = readFileSync(policyFile, 'utf8');
    const stricter = policy.replace('- registry: [read]\n      - feature-store', '- registry: [read]');
    expect(stricter).not.toBe(policy);
    writeFileSync(policyFile, stricter);
    expect(await traffic.until(() => traffic.counts.refused > 1, NEVER)).toBe(true);
    expect(cuts).toEqual([`${SCORER} policy-changed`]);
    expect(traffic.counts).toMatchObject({ failed: 0, broken: 0, streaming: 2 });
  });

  it('is waited for no longer than until the demo is to stop', async () => {
    const stop = new AbortController();
    const waiting = traffic.until(() => false, stop.signal);
    stop.abort();
    expect(await waiting).toBe(false);
    expect(await traffic.until(() => true, stop.signal)).toBe(false);
  });

  it('is over when it is closed', async () => {
    const { requests } = traffic.counts;
    const reached = stage.services['feature-store'].requests;
    await traffic.close();
    expect(traffic.counts.requests - requests).toBeLessThan(10);
    const after = { ...traffic.counts, reached: stage.services['feature-store'].requests };
    await stage.agent.rotateNow();
    expect({ ...traffic.counts, reached: stage.services['feature-store'].requests }).toEqual(after);
    expect(after).toMatchObject({ failed: 0, broken: 0 });
    expect(after.reached).toBeGreaterThanOrEqual(reached);
  });
});
