import { describe, expect, it } from 'vitest';
import { SvidExpiry } from '../../src/app/svid-expiry.ts';
import { SnapshotCell } from '../../src/core/snapshot.ts';
import type { OwnIdentity } from '../../src/spiffe/own-identity.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { identityOf } from '../support/proxy-fixture.ts';
import { testAuthority } from '../support/svid-fixtures.ts';

const HOUR_MS = 3_600_000;
const BEGIN_MS = Date.UTC(2030, 0, 1);

const identityFrom = (notBeforeMs: number): OwnIdentity =>
  identityOf(
    testAuthority(),
    testAuthority().issue('/registry/proxy', { notBeforeMs, notAfterMs: notBeforeMs + 3 * HOUR_MS }),
  );

function setUp() {
  const told: string[] = [];
  const destination = {
    write: (line: string): void => {
      const { level, msg, secondsLeft = '' } = JSON.parse(line);
      told.push(`${level} ${msg} ${secondsLeft}`.trim());
    },
  };
  const log = createLogger({ level: 'info', destination });
  const clock = { nowMs: BEGIN_MS, wallMs: (): number => clock.nowMs, monotonicMs: (): number => 0 };
  const identity = new SnapshotCell(identityFrom(BEGIN_MS));
  const expiry = new SvidExpiry(identity, { log, clock });
  const lookAt = (nowMs: number): readonly string[] => {
    clock.nowMs = nowMs;
    expiry.look();
    expiry.look();
    return told.splice(0);
  };
  return { identity, lookAt };
}

describe('SvidExpiry', () => {
  it('says nothing until a third of the lifetime is left, then warns once, and once more at the end', () => {
    const { lookAt } = setUp();
    expect(lookAt(BEGIN_MS - HOUR_MS)).toEqual([]);
    expect(lookAt(BEGIN_MS + 2 * HOUR_MS)).toEqual([]);
    expect(lookAt(BEGIN_MS + 2 * HOUR_MS + 1_000)).toEqual(['warn own SVID expires soon and was not rotated 3599']);
    expect(lookAt(BEGIN_MS + 2.5 * HOUR_MS)).toEqual([]);
    expect(lookAt(BEGIN_MS + 3 * HOUR_MS)).toEqual(['error own SVID has expired']);
    expect(lookAt(BEGIN_MS + 4 * HOUR_MS)).toEqual([]);
  });

  it('says nothing of one that was rotated in time, and watches the one after it', () => {
    const { identity, lookAt } = setUp();
    identity.swap(identityFrom(BEGIN_MS + 1.5 * HOUR_MS));
    expect(lookAt(BEGIN_MS + 3 * HOUR_MS)).toEqual([]);
    expect(lookAt(BEGIN_MS + 4 * HOUR_MS)).toHaveLength(1);
    identity.swap(identityFrom(BEGIN_MS + 3.9 * HOUR_MS));
    expect(lookAt(BEGIN_MS + 4 * HOUR_MS)).toEqual([]);
  });

  it('says nothing of one that lives for seconds, is backdated by a minute, and is rotated in time', () => {
    const { identity, lookAt } = setUp();
    const shortLived = (atMs: number): OwnIdentity =>
      identityOf(
        testAuthority(),
        testAuthority().issue('/registry/proxy', { notBeforeMs: atMs - 60_000, notAfterMs: atMs + 12_000 }),
      );
    for (let atMs = BEGIN_MS; atMs < BEGIN_MS + 60_000; atMs += 6_000) {
      identity.swap(shortLived(atMs));
      expect(lookAt(atMs)).toEqual([]);
      expect(lookAt(atMs + 6_900)).toEqual([]);
    }
    expect(lookAt(BEGIN_MS + 61_500)).toHaveLength(1);
  });

  it('tells at once of one that is loaded when its time is over', () => {
    const { identity, lookAt } = setUp();
    identity.swap(identityFrom(BEGIN_MS - 9 * HOUR_MS));
    expect(lookAt(BEGIN_MS)).toEqual(['error own SVID has expired']);
  });
});
