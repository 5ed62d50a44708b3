import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Crl } from '../../src/pki/crl.ts';
import { makeCrl } from '../revocation/crl-builder.ts';
import { issueSvid } from '../support/certificate-builder.ts';
import { partnerRoot, pkcs8, root, svidMessage, x509Response } from './agent-messages.ts';
import { STATUS } from './fake-agent.ts';
import { DAY_MS, domainsOf, ID, idOf, JWT, OTHER_ID, SourceSetting, X509 } from './source-setting.ts';

let setting: SourceSetting;

beforeEach(() => {
  setting = new SourceSetting();
});

afterEach(() => setting.close());

describe('source: the usual course', () => {
  it('waits, with a reason, and then has what the agent gives', async () => {
    const from = await setting.listen();
    const one = setting.follow();
    expect(one.source.state).toEqual({
      kind: 'waiting',
      reason: `nothing has come yet from the agent at \`unix://${setting.socketPath}\``,
      sinceMs: 1_000,
    });
    const call = await from.nextCall(X509);
    setting.time.advance(5);
    call.send(x509Response([svidMessage(ID)], { federated: { 'spiffe://partner.example': partnerRoot.der } }));
    const state = await one.reach('current');
    expect(one.source.state).toBe(state);
    expect([idOf(state.materials), domainsOf(state.materials), state.receivedMs, state.materials.jwtBundles]).toEqual([
      ID,
      ['ai.example', 'partner.example'],
      1_005,
      null,
    ]);
    expect(from.pendingCalls(JWT)).toBe(0);
  });

  it('takes every message for the full state', async () => {
    const { one, call } = await setting.followCurrent();
    for (const leaf of [issueSvid(root, ID), issueSvid(root, ID)]) {
      call.send(x509Response([svidMessage(ID, { chain: leaf.der, privateKey: pkcs8(leaf) })]));
      expect((await one.reach('current')).materials.identity.svid.leafSha256).toBe(leaf.sha256);
    }
  });

  it('reads a revocation list once, however often the agent repeats it', async () => {
    const lists = [makeCrl(root), makeCrl(root, { entries: [{ serial: Buffer.of(7) }] })] as const;
    const { one, call } = await setting.followCurrent({}, x509Response([svidMessage(ID)], { crls: [lists[0]] }));
    const next = async (...crls: readonly Buffer[]): Promise<readonly Crl[]> => {
      call.send(x509Response([svidMessage(ID)], { crls }));
      return (await one.reach('current')).materials.crls;
    };
    const repeated = await next(lists[0]);
    const [added, again] = await next(lists[1], lists[0]);
    expect(again).toBe(repeated[0]);
    expect([...(added?.revokedSerials.keys() ?? [])]).toEqual(['07']);
    expect((await next(lists[1]))[0]).toBe(added);
  });

  it('WA-154 keeps what it has when the agent says nothing for a day, and hears it after that', async () => {
    const { one, call } = await setting.followCurrent();
    expect(setting.time.delaysMs).toEqual([]);
    setting.time.advance(DAY_MS);
    expect([one.source.state.kind, one.told]).toEqual(['current', []]);
    call.send(x509Response([svidMessage(ID)]));
    expect((await one.reach('current')).receivedMs).toBe(1_000 + DAY_MS);
  });

  it('WA-162 puts an SVID that has expired in the place of one that has not: a message is the full state', async () => {
    const { one, call } = await setting.followCurrent();
    const past = { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2020-01-02T00:00:00Z') };
    call.send(x509Response([svidMessage(ID, {}, past)]));
    const { materials } = await one.reach('current');
    expect(materials.identity.svid.notAfterMs).toBe(past.notAfter.getTime());
  });

  it('tells nobody who has unsubscribed', async () => {
    const { one, call } = await setting.followCurrent();
    const heard: string[] = [];
    const unsubscribe = one.source.subscribe(({ kind }) => heard.push(kind));
    const unsubscribeReports = one.source.subscribeReports(({ kind }) => heard.push(kind));
    unsubscribe();
    unsubscribeReports();
    call.send(Buffer.from('x'));
    call.send(x509Response([svidMessage(ID)]));
    await one.reach('current');
    expect(heard).toEqual([]);
  });
});

describe('source: messages', () => {
  it('WA-157 discards a broken message whole, keeps the one before it, counts and reports it', async () => {
    const { one, call } = await setting.followCurrent(
      {},
      x509Response([svidMessage(ID)], { federated: { 'td.example': root.der } }),
    );
    const before = one.source.state;
    const broken = [
      x509Response([]),
      x509Response([svidMessage(ID, { privateKey: pkcs8(issueSvid(root, ID)) })]),
      x509Response([svidMessage(ID, { bundle: root.der.subarray(1) })], { federated: { 'new.example': root.der } }),
      Buffer.from('x'),
    ];
    for (const message of broken) call.send(message);
    await one.reported(broken.length);
    expect(one.source.state).toBe(before);
    expect(one.source.discardedMessages).toBe(broken.length);
    expect(one.reports.map((report) => [report.kind, report.method])).toEqual(
      broken.map(() => ['message-discarded', X509]),
    );
    call.send(x509Response([svidMessage(OTHER_ID)]));
    expect(idOf((await one.reach('current')).materials)).toBe(OTHER_ID);
  });

  it('WA-157 keeps waiting, and says why, when the first message is broken', async () => {
    const from = await setting.listen();
    const one = setting.follow();
    const call = await from.nextCall(X509);
    call.send(x509Response([]));
    expect(await one.next()).toEqual({
      kind: 'waiting',
      reason: 'a message of the agent was discarded: the message has no SVID',
      sinceMs: 1_000,
    });
    // The stream stands, and its first message has come: nothing is planned.
    expect(setting.time.delaysMs).toEqual([]);
    call.send(x509Response([svidMessage(ID)]));
    await one.reach('current');
  });

  it('WA-158 has no bundle of a trust domain that the last message does not have', async () => {
    const federated = { 'spiffe://partner.example': partnerRoot.der, 'spiffe://second.example': partnerRoot.der };
    const { one, call } = await setting.followCurrent({}, x509Response([svidMessage(ID)], { federated }));
    call.send(x509Response([svidMessage(ID)], { federated: { 'spiffe://second.example': partnerRoot.der } }));
    expect(domainsOf((await one.reach('current')).materials)).toEqual(['ai.example', 'second.example']);
    call.send(x509Response([svidMessage(ID)]));
    expect(domainsOf((await one.reach('current')).materials)).toEqual(['ai.example']);
  });

  it('WA-159 never takes a second bundle for our own trust domain, and reports what it did not take', async () => {
    const federated = { 'spiffe://ai.example': partnerRoot.der, 'spiffe://partner.example/x': partnerRoot.der };
    const { one } = await setting.followCurrent({}, x509Response([svidMessage(ID)], { federated }));
    const { state } = one.source;
    if (state.kind !== 'current') throw new Error(state.kind);
    expect([...state.materials.bundles.values()].map(({ authorities }) => authorities[0]?.sha256)).toEqual([
      root.sha256,
    ]);
    expect(one.reports).toMatchObject([
      { kind: 'bundle-rejected', method: X509, rejected: { key: 'spiffe://ai.example', trustDomain: 'ai.example' } },
      { kind: 'bundle-rejected', method: X509, rejected: { key: 'spiffe://partner.example/x', trustDomain: null } },
    ]);
    expect(one.source.discardedMessages).toBe(0);
  });

  it('WA-160 takes the first of two SVIDs with the same hint, and the first of all without one', async () => {
    const svids = [
      svidMessage(OTHER_ID, { hint: 'b' }),
      svidMessage(ID, { hint: 'a' }),
      svidMessage(OTHER_ID, { hint: 'a' }),
    ];
    const { one, from } = await setting.followCurrent({ select: { spiffeId: null, hint: 'a' } }, x509Response(svids));
    const { state } = one.source;
    expect(state.kind === 'current' ? [idOf(state.materials), state.materials.hint] : state).toEqual([ID, 'a']);
    const byDefault = setting.follow();
    (await from.nextCall(X509)).send(x509Response(svids));
    expect(idOf((await byDefault.reach('current')).materials)).toBe(OTHER_ID);
  });

  it('WA-161 loses nothing over a response of 50 MB, and asks again', async () => {
    const { one, call, from } = await setting.followCurrent();
    call.send(Buffer.alloc(50 * 1024 * 1024));
    const state = await one.reach('stale');
    expect(state.reason).toContain('sends more than is read');
    (await setting.retry(from)).send(x509Response([svidMessage(ID)]));
    await one.reach('current');
  });

  it('WA-161 discards a message with ten thousand bundles', async () => {
    const { one, call } = await setting.followCurrent();
    const federated = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`td-${n}`, Buffer.from('x')]));
    call.send(x509Response([svidMessage(ID)], { federated }));
    await one.reported(1);
    expect([one.source.state.kind, one.source.discardedMessages]).toEqual(['current', 1]);
  });
});

describe('source: the end', () => {
  it('hears nothing after it is closed, plans nothing, and leaves no connection', async () => {
    const { one, call, from } = await setting.followCurrent({ jwtBundles: true });
    const jwt = await from.nextCall(JWT);
    one.source.close();
    await Promise.all([call.closed, jwt.closed]);
    expect([one.told, setting.time.delaysMs, one.source.state.kind]).toEqual([[], [], 'current']);
  });

  it.each<[string, 'none' | 'silent' | 'speaking']>([
    ['there is no agent', 'none'],
    ['the agent takes the connection and says nothing', 'silent'],
    ['the agent has sent an SVID', 'speaking'],
  ])('leaves nothing that keeps a process from ending when %s', async (_name, kind) => {
    const silent = createServer();
    if (kind === 'silent') {
      await new Promise<void>((resolve) => {
        silent.listen(setting.socketPath, resolve);
      });
    }
    const from = kind === 'speaking' ? await setting.listen() : null;
    const program = fileURLToPath(new URL('close-source.ts', import.meta.url));
    const child = spawn(process.execPath, [program, setting.socketPath, kind], { stdio: 'pipe' });
    void from?.nextCall(X509).then((call) => call.send(x509Response([svidMessage(ID)])));
    if (kind === 'silent') silent.once('connection', (socket) => socket.once('data', () => child.stdin.end()));
    const output: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
    const code = await new Promise((resolve) => {
      child.once('close', resolve);
    });
    silent.close();
    expect([Buffer.concat(output).toString(), code]).toEqual(['closed\n', 0]);
  });

  it('plans nothing when it is closed while it waits for the next attempt', async () => {
    const one = setting.follow();
    await one.next();
    one.source.close();
    expect(setting.time.delaysMs).toEqual([]);
  });

  it('plans nothing when it is closed while it is told of a failure', async () => {
    const { one, call } = await setting.followCurrent();
    one.source.subscribe(() => one.source.close());
    call.end(STATUS.unavailable);
    await one.reach('stale');
    expect(setting.time.delaysMs).toEqual([]);
  });
});
