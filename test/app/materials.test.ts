// What the sidecar rests on, from an agent that says what a test has it say.

import { describe, expect, it } from 'vitest';
import { StartError } from '../../src/app/start-error.ts';
import { issueAuthority, issueSvid, selfSigned } from '../support/certificate-builder.ts';
import {
  jwks,
  jwtResponse,
  partnerRoot,
  pkcs8,
  root,
  svidMessage,
  x509Response,
} from '../workload-api/agent-messages.ts';
import { STATUS } from '../workload-api/fake-agent.ts';
import { JWT, X509 } from '../workload-api/source-setting.ts';
import { ID, openMaterialsSetting } from './materials-setting.ts';

const never = new AbortController().signal;

describe('an agent that takes our SVID back', () => {
  it('leaves us without it before it leaves us without bundles: that is the reason connections end for', async () => {
    const { agent, materials, reached } = await openMaterialsSetting();
    const call = await agent.nextCall(X509);
    const current = reached('current');
    call.send(x509Response([svidMessage(ID)]));
    await current;
    const seen: string[] = [];
    materials.trust.view.subscribe(() => {
      seen.push(materials.identity.current.value === null ? 'withdrawn' : 'ours');
    });
    const withdrawn = reached('withdrawn');
    call.end(STATUS.permissionDenied);
    await withdrawn;
    expect(seen).toEqual(['withdrawn']);
  });
});

describe('an SVID that comes again', () => {
  it('with another chain above the same leaf is served with that chain', async () => {
    const { agent, materials, reached } = await openMaterialsSetting();
    const subject = [['CN', 'intermediate']] as const;
    const before = issueAuthority(root, { subject });
    const after = issueAuthority(root, { subject, keys: before.keys });
    const leaf = issueSvid(before, ID);
    const call = await agent.nextCall(X509);
    for (const intermediate of [before, after]) {
      const current = reached('current');
      const chain = Buffer.concat([leaf.der, intermediate.der]);
      call.send(x509Response([{ spiffeId: ID, chain, privateKey: pkcs8(leaf), bundle: root.der, hint: '' }]));
      await current;
    }
    expect(materials.identity.current.value?.certificatePem).toContain(after.pem);
  });

  it('whole is no change', async () => {
    const { agent, materials, reached } = await openMaterialsSetting();
    const message = x509Response([svidMessage(ID)]);
    const call = await agent.nextCall(X509);
    for (let round = 0; round < 2; round += 1) {
      const current = reached('current');
      call.send(message);
      await current;
    }
    expect(materials.identity.current.epoch).toBe(2);
    expect(materials.trust.view.current.epoch).toBe(2);
  });
});

describe('a trust domain that the configuration gives a bundle of', () => {
  it('has that one alone, whatever the agent offers for it, X.509 or JWT', async () => {
    const configured = selfSigned();
    const { agent, materials, reached } = await openMaterialsSetting({
      listener: ', authenticate: [x509, jwt], jwt: { audiences: [us] }',
      files: { 'partner.pem': configured.pem },
      extra: 'trust: { bundles: { partner.example: partner.pem } }\n',
    });
    const offered = { 'spiffe://partner.example': partnerRoot.der, 'spiffe://third.example': partnerRoot.der };
    let current = reached('current');
    (await agent.nextCall(X509)).send(x509Response([svidMessage(ID)], { federated: offered }));
    await current;
    current = reached('current');
    const keys = jwks('theirs');
    (await agent.nextCall(JWT)).send(
      jwtResponse({ 'spiffe://ai.example': keys, 'spiffe://partner.example': keys, 'spiffe://third.example': keys }),
    );
    await current;
    const known = [...materials.trust.view.current.value].map(([name, { authorities, jwtAuthorities }]) => [
      name,
      authorities.map(({ sha256 }) => sha256),
      [...jwtAuthorities.keys()],
    ]);
    expect(Object.fromEntries(known.map(([name, ...rest]) => [name, rest]))).toEqual({
      'ai.example': [[root.sha256], ['theirs']],
      'partner.example': [[configured.sha256], []],
      'third.example': [[partnerRoot.sha256], ['theirs']],
    });
  });
});

describe('the wait for the first SVID', () => {
  it('is over with one whose agent has gone again', async () => {
    const { agent, materials, reached } = await openMaterialsSetting();
    const call = await agent.nextCall(X509);
    const stale = reached('stale');
    call.send(x509Response([svidMessage(ID)]));
    call.end(STATUS.unavailable);
    await stale;
    await materials.arrival(never);
    expect(materials.identity.current.value?.svid.id).toBe(ID);
  });

  it('is not begun after the signal to end', async () => {
    const { materials } = await openMaterialsSetting();
    const stop = new AbortController();
    stop.abort();
    await materials.arrival(stop.signal);
    expect(materials.identity.current.value).toBeNull();
  });

  it('that has become hopeless before it began is not waited out', async () => {
    const { agent, materials, reached } = await openMaterialsSetting();
    const stopped = reached('stopped');
    (await agent.nextCall(X509)).end(STATUS.unimplemented);
    await stopped;
    await expect(materials.arrival(never)).rejects.toThrow('does not offer the method');
  });

  it('that is hopeless ends the wait for everything else', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const { agent, materials } = await openMaterialsSetting({
      extra: 'revocation: { redis: { url: "redis://127.0.0.1:1/0", startTimeout: 60s } }\n',
    });
    const call = await agent.nextCall(X509);
    const arrival = materials.arrival(never);
    call.end(STATUS.unimplemented);
    await expect(arrival).rejects.toThrow(StartError);
    materials.close();
    for (let turns = 0; turns < 10_000 && timers() > before; turns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(timers()).toBeLessThanOrEqual(before);
  });
});
