// What the log and `/identity` tell of sources that are not files: each change once, and nothing that is not so.

import { describe, expect, it } from 'vitest';
import { TrustComposition } from '../../src/app/materials/trust-composition.ts';
import { SnapshotCell } from '../../src/core/snapshot.ts';
import { NO_REVOCATIONS } from '../../src/revocation/revocations.ts';
import { EXAMPLE, parseText } from './config-example.ts';
import { ClockWatch } from '../../src/app/clock-watch.ts';
import { formatIdentity } from '../../src/app/identity-text.ts';
import { createSourceReport } from '../../src/app/source-report.ts';
import { reportTrust } from '../../src/app/trust-report.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { FederationState } from '../../src/federation/bundle-refresher.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import type { RevocationStoreState } from '../../src/store/revocation-store.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { revoke, ofId } from '../revocation/revocation-fixtures.ts';
import { makeCrl } from '../revocation/crl-builder.ts';
import { bundlesOf } from '../support/proxy-fixture.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';
import { jwks, jwtResponse, root, svidMessage, x509Response } from '../workload-api/agent-messages.ts';
import { STATUS } from '../workload-api/fake-agent.ts';
import { JWT, X509 } from '../workload-api/source-setting.ts';
import { ID, type MaterialsSetting, openMaterialsSetting } from './materials-setting.ts';

const TAKES_TOKENS = ', authenticate: [x509, jwt], jwt: { audiences: [us] }';

function reportOn({
  materials,
}: MaterialsSetting): ReturnType<typeof createSourceReport> & { readonly told: string[] } {
  const told: string[] = [];
  const destination = {
    write: (text: string): void => {
      for (const line of text.trimEnd().split('\n')) {
        const { msg }: { readonly msg: string } = JSON.parse(line);
        told.push(msg);
      }
    },
  };
  const log = createLogger({ level: 'info', destination });
  return { ...createSourceReport(materials, { log, clock: systemClock, onIdentity: () => undefined }), told };
}

describe('the list in Redis', () => {
  const job = revoke(ofId('/training/job'));
  const other = revoke(ofId('/training/other'));
  const entries = [job];
  type Current = Extract<RevocationStoreState, { readonly kind: 'current' }>;
  const current = (state: Partial<Current>): Current => ({
    kind: 'current',
    entries,
    problems: [],
    receivedMs: 0,
    ...state,
  });
  const broken = { field: 'id:x', code: 'broken-entry', message: 'not JSON' } as const;
  const IN_FORCE = 'the revocation list in Redis is in force';
  const TO_MEND = 'the revocation list in Redis has an entry that somebody has to mend';

  it.each<[name: string, next: RevocationStoreState, told: readonly string[]]>([
    ['that gets a broken entry, which changes nothing else', current({ problems: [broken] }), [TO_MEND]],
    ['in which one entry takes the place of another', current({ entries: [other] }), [IN_FORCE]],
    ['that grows', current({ entries: [job, other] }), [IN_FORCE]],
  ])('%s is told', async (_name, next, told) => {
    const report = reportOn(await openMaterialsSetting());
    report.redis(current({}));
    report.redis(next);
    expect(report.told).toEqual([IN_FORCE, ...told]);
  });

  it('with a broken entry is not complained of again with every other change', async () => {
    const report = reportOn(await openMaterialsSetting());
    report.redis(current({ problems: [broken] }));
    report.redis(current({ problems: [broken], entries: [job, other] }));
    expect(report.told).toEqual([TO_MEND, IN_FORCE, IN_FORCE]);
  });

  it('that is away is told once for each reason', async () => {
    const report = reportOn(await openMaterialsSetting());
    const away = { ...current({}), kind: 'away' as const, message: 'gone', sinceMs: 0 };
    for (const reason of ['unreachable', 'unreachable', 'list-lost'] as const) report.redis({ ...away, reason });
    expect(report.told).toEqual(
      Array.from({ length: 2 }, () => 'the revocation list in Redis is away, the last known one holds'),
    );
  });
});

describe('the bundle of a partner', () => {
  const IN_FORCE = 'the bundle of a federated trust domain is in force';
  const partner = parseTrustDomain('partner.example');
  const stateWith = (): FederationState => {
    const bundle = bundlesOf([createTestAuthority('partner.example')]).get(partner);
    if (bundle === undefined) throw new Error('no bundle');
    return {
      trustDomain: partner,
      document: { bundle, sequence: null, refreshHintMs: null },
      fetchedMs: 0,
      fetchedWallMs: 0,
      fetchedFrom: null,
      failure: null,
      nextAttemptMs: 0,
      expired: false,
    };
  };

  it('in which one authority takes the place of another is told, also without a sequence', async () => {
    const report = reportOn(await openMaterialsSetting());
    const state = stateWith();
    for (const each of [state, { ...state, fetchedMs: 1 }, stateWith()]) report.federation(each);
    expect(report.told).toEqual([IN_FORCE, IN_FORCE]);
  });
});

describe('the age of what a partner gave', () => {
  it('is that of the wall clock where the machine was asleep meanwhile', () => {
    const partner = parseTrustDomain('partner.example');
    const trust = new TrustComposition(new Map([[partner, 'federation']]));
    const bundles = bundlesOf([createTestAuthority('partner.example')]);
    trust.give('federation', bundles);
    const [bundle] = bundles.values();
    if (bundle === undefined) throw new Error('no bundle');
    const state: FederationState = {
      trustDomain: partner,
      document: { bundle, sequence: 2n ** 63n - 1n, refreshHintMs: null },
      fetchedMs: 1_000,
      fetchedWallMs: 1_000_000,
      fetchedFrom: 'https://bundles.partner.example/',
      failure: null,
      nextAttemptMs: 0,
      expired: false,
    };
    const report = reportTrust(
      { ...parseText(EXAMPLE), trustDomain: partner },
      {
        identity: new SnapshotCell(null),
        trust,
        revocations: new SnapshotCell(NO_REVOCATIONS),
        agent: null,
        agentDiscardedMessages: 0,
        federation: [state],
        redis: null,
        fileFailures: new Map(),
        listedInFile: 0,
        revocationsLoadedSecondsAgo: null,
        bundleFile: () => null,
      },
      { wallMs: () => 1_000_000 + 28_800_000, monotonicMs: () => 61_000 },
    );
    expect(report.trustDomains).toMatchObject([
      {
        trustDomain: partner,
        origin: 'federation',
        ageSeconds: 28_800,
        sequence: '9223372036854775807',
        fetchedFrom: 'https://bundles.partner.example/',
      },
    ]);
  });
});

describe('JWT bundles', () => {
  it('that the agent does not give are told once, and shown, and so is their return', async () => {
    const setting = await openMaterialsSetting({ listener: TAKES_TOKENS });
    const { agent, materials, config, reached } = setting;
    const report = reportOn(setting);
    const tell = (): void => {
      if (materials.agent !== null) report.agent(materials.agent);
    };
    const current = reached('current');
    (await agent.nextCall(X509)).send(x509Response([svidMessage(ID)]));
    await current;
    tell();
    const denied = reached('current');
    (await agent.nextCall(JWT)).end(STATUS.permissionDenied, 'no tokens here');
    await denied;
    tell();
    tell();
    const { source } = reportTrust(config, materials, systemClock);
    expect(source).toMatchObject({ state: 'current', reason: null, jwtBundles: { state: 'withdrawn' } });
    expect(formatIdentity(reportTrust(config, materials, systemClock))).toMatch(
      /! JWT bundles withdrawn: .*no tokens here/,
    );
    const back = reached('current');
    (await agent.nextCall(JWT)).send(jwtResponse({ 'spiffe://ai.example': jwks('a') }));
    await back;
    tell();
    expect(report.told.filter((line) => line.includes('JWT'))).toEqual([
      'the Workload API gives no JWT bundles, JWT-SVIDs are refused',
      'the JWT bundles of the Workload API are in force',
    ]);
    expect(formatIdentity(reportTrust(config, materials, systemClock))).not.toContain('!');
  });

  it('that nobody asks for are not missed', async () => {
    const setting = await openMaterialsSetting();
    const current = setting.reached('current');
    (await setting.agent.nextCall(X509)).send(x509Response([svidMessage(ID)]));
    await current;
    expect(reportTrust(setting.config, setting.materials, systemClock).source.jwtBundles).toBeNull();
  });
});

describe('the CRLs of the agent', () => {
  it('are not current once the next one is overdue, and count all the same', async () => {
    const { agent, config, materials, reached } = await openMaterialsSetting();
    const call = await agent.nextCall(X509);
    const entries = [{ serial: Buffer.of(7) }];
    const overdue = makeCrl(root, { entries, nextUpdate: new Date(Date.now() - 1_000) });
    const reports = [];
    for (const crls of [[makeCrl(root)], [makeCrl(root), overdue]]) {
      const current = reached('current');
      call.send(x509Response([svidMessage(ID)], { crls }));
      await current;
      reports.push(...reportTrust(config, materials, systemClock).revocation);
    }
    expect(reports).toEqual([
      { list: 'crl', entries: 0, isCurrent: true, ageSeconds: 0, problem: null },
      { list: 'crl', entries: 1, isCurrent: false, ageSeconds: 0, problem: '1 of 2 CRLs past their next update' },
    ]);
  });
});

describe('a file', () => {
  it('is said to have been loaded then, not read: it is read all the time', async () => {
    const { config, materials } = await openMaterialsSetting({
      files: { 'revocations.yaml': 'version: 1\nrevocations: []\n' },
      extra: 'revocation: { file: revocations.yaml }\n',
    });
    const text = formatIdentity(reportTrust(config, materials, systemClock));
    expect(text).toContain('  file: 0 entries, loaded 0 s ago');
  });
});

describe('a jump of the wall clock', () => {
  it('is noticed both ways, once, and not where the clock is only drawn towards the right time', () => {
    let wallMs = 1_000_000;
    let monotonicMs = 0;
    const jumps: number[] = [];
    const watch = new ClockWatch({ wallMs: () => wallMs, monotonicMs: () => monotonicMs }, (ms) => jumps.push(ms));
    const pass = (wall: number, monotonic: number): void => {
      wallMs += wall;
      monotonicMs += monotonic;
      watch.look();
    };
    pass(1_000, 1_000);
    pass(2_500, 1_000);
    pass(500, 1_000);
    expect(jumps).toEqual([]);
    pass(3_601_000, 1_000);
    pass(1_000, 1_000);
    pass(-3_599_000, 1_000);
    expect(jumps).toEqual([3_600_000, -3_600_000]);
  });
});
