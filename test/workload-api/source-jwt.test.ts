import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WorkloadMaterials } from '../../src/workload-api/source.ts';
import { jwks, jwtResponse, svidMessage, x509Response } from './agent-messages.ts';
import { type AgentCall, type FakeAgent, STATUS } from './fake-agent.ts';
import { type Followed, ID, idOf, JWT, OTHER_ID, SourceSetting, until, X509 } from './source-setting.ts';

let setting: SourceSetting;

beforeEach(() => {
  setting = new SourceSetting();
});

afterEach(() => setting.close());

const keysOf = ({ bundles }: WorkloadMaterials): unknown =>
  [...bundles].map(([name, { jwtAuthorities }]) => [name, [...jwtAuthorities.keys()]]);

describe('source: JWT bundles', () => {
  const both = { 'spiffe://ai.example': jwks('a'), 'spiffe://partner.example': jwks('b') };

  async function followBoth(): Promise<{
    readonly one: Followed;
    readonly x509: AgentCall;
    readonly jwt: AgentCall;
    readonly from: FakeAgent;
  }> {
    const { one, call, from } = await setting.followCurrent({ jwtBundles: true });
    const jwt = await from.nextCall(JWT);
    jwt.send(jwtResponse(both));
    await one.reach('current');
    return { one, x509: call, jwt, from };
  }

  it('joins them to the X.509 bundles of the same trust domain, and stands for itself where there is none', async () => {
    const { one } = await followBoth();
    const { state } = one.source;
    if (state.kind !== 'current') throw new Error(state.kind);
    expect(keysOf(state.materials)).toEqual([
      ['ai.example', ['a']],
      ['partner.example', ['b']],
    ]);
    const bundles = [...state.materials.bundles.values()];
    expect(bundles.map(({ authorities }) => authorities.length)).toEqual([1, 0]);
    expect(state.materials.jwtBundles?.kind).toBe('current');
  });

  it('tells of no JWT bundles while there is no SVID', async () => {
    const from = await setting.listen();
    const one = setting.follow({ jwtBundles: true });
    const x509 = await from.nextCall(X509);
    (await from.nextCall(JWT)).send(jwtResponse(both));
    await until(() => setting.time.delaysMs.length === 1);
    x509.end(STATUS.permissionDenied);
    expect((await one.next()).kind).toBe('withdrawn');
    (await setting.retry(from)).send(x509Response([svidMessage(ID)]));
    const { materials } = await one.reach('current');
    expect(keysOf(materials)).toEqual([
      ['ai.example', ['a']],
      ['partner.example', ['b']],
    ]);
  });

  it('WA-158 has no keys that the last message does not have', async () => {
    const { one, jwt } = await followBoth();
    jwt.send(jwtResponse({ 'spiffe://partner.example': jwks('c') }));
    expect(keysOf((await one.reach('current')).materials)).toEqual([
      ['ai.example', []],
      ['partner.example', ['c']],
    ]);
  });

  it('WA-156 gives up the keys alone when the agent denies them', async () => {
    const { one, jwt, from } = await followBoth();
    jwt.end(STATUS.permissionDenied, 'no');
    const { materials } = await one.reach('current');
    expect(keysOf(materials)).toEqual([['ai.example', []]]);
    expect(materials.jwtBundles).toMatchObject({ kind: 'withdrawn', nextAttemptMs: 1_100 });
    (await setting.retry(from, JWT)).send(jwtResponse(both));
    expect(keysOf((await one.reach('current')).materials)).toEqual([
      ['ai.example', ['a']],
      ['partner.example', ['b']],
    ]);
  });

  it('WA-156 serves X.509 with an agent that has no JWT bundles, and asks it no more', async () => {
    const { one, call, from } = await setting.followCurrent({ jwtBundles: true });
    (await from.nextCall(JWT)).end(STATUS.unimplemented, 'unknown method');
    const { materials } = await one.reach('current');
    expect(materials.jwtBundles).toMatchObject({
      kind: 'stopped',
      reason: expect.stringContaining('FetchJWTBundles') as string,
    });
    expect(keysOf(materials)).toEqual([['ai.example', []]]);
    expect(setting.time.delaysMs).toEqual([]);
    call.send(x509Response([svidMessage(OTHER_ID)]));
    expect(idOf((await one.reach('current')).materials)).toBe(OTHER_ID);
  });

  it('keeps the keys while the stream is away, as it keeps the SVID', async () => {
    const { one, jwt } = await followBoth();
    jwt.end(STATUS.unavailable);
    const { materials } = await one.reach('current');
    expect(keysOf(materials)).toEqual([
      ['ai.example', ['a']],
      ['partner.example', ['b']],
    ]);
    expect(materials.jwtBundles?.kind).toBe('stale');
  });

  it('WA-157 counts a broken message of either stream, and keeps what it had', async () => {
    const { one, x509, jwt } = await followBoth();
    const before = one.source.state;
    jwt.send(jwtResponse({ 'spiffe://ai.example': '{' }));
    x509.send(x509Response([]));
    await one.reported(2);
    expect(one.source.state).toBe(before);
    expect(one.source.discardedMessages).toBe(2);
    expect(new Set(one.reports.map(({ method }) => method))).toEqual(new Set([JWT, X509]));
  });

  it('gives up the keys with the SVID', async () => {
    const { one, x509 } = await followBoth();
    x509.end(STATUS.permissionDenied);
    expect('materials' in (await one.reach('withdrawn'))).toBe(false);
  });
});
