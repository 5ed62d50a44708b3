// An authorization service with real engines, and what stands in for the data planes that ask it.

import { randomFillSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { type Clock, type Schedule, systemClock, systemSchedule } from '../../src/core/clock.ts';
import { EveryNth } from '../../src/core/every-nth.ts';
import { SnapshotCell } from '../../src/core/snapshot.ts';
import {
  CHECK_PATH,
  CHECK_REQUEST,
  CHECK_RESPONSE,
  type CheckRequest,
  type CheckResponse,
  type HttpAttributes,
} from '../../src/extauthz/messages.ts';
import type { ServedComponents, ServiceContext } from '../../src/extauthz/service.ts';
import { DecisionCache } from '../../src/policy/decision-cache.ts';
import type { CompiledPolicy } from '../../src/policy/matrix.ts';
import { IdentityFieldFilter } from '../../src/proxy/identity-fields.ts';
import { DecisionIds } from '../../src/proxy/trace-context.ts';
import { NO_REVOCATIONS, type Revocations } from '../../src/revocation/revocations.ts';
import type { OwnIdentity } from '../../src/spiffe/own-identity.ts';
import type { TrustBundles } from '../../src/spiffe/trust-bundle.ts';
import { VerifiedSvids } from '../../src/spiffe/verified-svids.ts';
import { ARTICLE_POLICY, bundlesOf, compilePolicy, identityOf, RecordingRecorder } from '../support/proxy-fixture.ts';
import { type TestAuthority, testAuthority, type TestSvid } from '../support/svid-fixtures.ts';

export interface SettingOptions {
  readonly served?: ServedComponents;
  readonly policy?: CompiledPolicy;
  readonly authority?: TestAuthority;
  readonly own?: TestSvid;
  readonly clock?: Clock;
  readonly schedule?: Schedule;
}

export interface Setting {
  readonly context: ServiceContext;
  readonly recorder: RecordingRecorder;
  readonly policy: SnapshotCell<CompiledPolicy>;
  readonly trust: SnapshotCell<TrustBundles>;
  readonly revocations: SnapshotCell<Revocations>;
  readonly identity: SnapshotCell<OwnIdentity | null>;
  /** Why checks, or callers, proved no identity. */
  readonly unproven: string[];
}

export function openSetting(options: SettingOptions = {}): Setting {
  const { clock = systemClock, authority = testAuthority() } = options;
  const policy = new SnapshotCell(options.policy ?? compilePolicy(ARTICLE_POLICY));
  const trust = new SnapshotCell(bundlesOf([authority]));
  const revocations = new SnapshotCell(NO_REVOCATIONS);
  const own = options.own ?? authority.issue('/registry/authz', { dns: ['localhost'], ips: ['127.0.0.1'] });
  const identity = new SnapshotCell<OwnIdentity | null>(identityOf(authority, own));
  const cache = new DecisionCache({
    maxEntries: 10_000,
    maxEntriesPerPrincipal: 1_000,
    verifyEvery: 0,
    onDisagreement: () => undefined,
  });
  const recorder = new RecordingRecorder();
  const unproven: string[] = [];
  return {
    recorder,
    policy,
    trust,
    revocations,
    identity,
    unproven,
    context: {
      name: 'checks',
      served: options.served ?? { kind: 'one', component: 'registry' },
      sources: { clock, identity, trust, revocations, verified: new VerifiedSvids(1_000) },
      authorizer: {
        admit: (leaf, trustEpoch) => cache.admit(leaf, trustEpoch),
        decide: (partition, request) => cache.decide(partition, policy.current, request, clock.wallMs()),
      },
      recorder,
      timedDecisions: new EveryNth(16),
      decisionIds: new DecisionIds(randomFillSync),
      identityFields: new IdentityFieldFilter(),
      schedule: options.schedule ?? systemSchedule,
      onNoIdentity: (reason) => unproven.push(reason),
    },
  };
}

const directories: string[] = [];

/** A new directory, gone when the process ends. */
export function temporaryDirectory(): string {
  if (directories.length === 0) {
    process.once('exit', () => {
      for (const directory of directories) rmSync(directory, { recursive: true, force: true });
    });
  }
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-authz-'));
  directories.push(directory);
  return directory;
}

export interface Asked {
  readonly svid?: TestSvid | null;
  readonly principal?: string;
  readonly certificate?: string;
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly http?: Partial<HttpAttributes>;
  readonly extensions?: Readonly<Record<string, string>>;
}

/** As Envoy asks: the leaf alone, URL-encoded, and the request's fields joined, pseudo-header fields among them. */
export function checkOf(asked: Asked): CheckRequest {
  const { svid = null, method = 'GET', path = '/models/1', host = 'registry.example' } = asked;
  const certificate = asked.certificate ?? (svid === null ? '' : escapedPem(svid));
  return {
    attributes: {
      source: { principal: asked.principal ?? '', certificate },
      request: {
        http: {
          method,
          path,
          host,
          query: '',
          fragment: '',
          headers: Object.entries({ ':authority': host, ':method': method, ':path': path, ':scheme': 'https' }).map(
            ([key, value]) => ({ key, value }),
          ),
          headerMap: null,
          ...asked.http,
        },
      },
      contextExtensions: Object.entries(asked.extensions ?? {}).map(([key, value]) => ({ key, value })),
    },
  };
}

/** The leaf alone. */
export function leafPem({ certificatePem }: TestSvid): string {
  return certificatePem.slice(0, certificatePem.indexOf('-----END CERTIFICATE-----') + 26);
}

/** As Envoy and nginx write it. */
export function escapedPem(svid: TestSvid): string {
  return encodeURIComponent(leafPem(svid));
}

/** grpc-js in the part of Envoy. */
export class EnvoyClient {
  readonly #client: Client;

  constructor(target: string, channel = credentials.createInsecure()) {
    this.#client = new Client(target, channel, { 'grpc.ssl_target_name_override': 'localhost' });
  }

  check(request: CheckRequest): Promise<CheckResponse> {
    return this.send(CHECK_REQUEST.encode(request));
  }

  /** @throws {ServiceError} */
  send(message: Buffer, { path = CHECK_PATH, timeoutMs = 10_000 } = {}): Promise<CheckResponse> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => CHECK_RESPONSE.decode(bytes),
        message,
        new Metadata(),
        { deadline: Date.now() + timeoutMs },
        (error: ServiceError | null, response?: CheckResponse) => {
          if (response === undefined) reject(error ?? new Error('neither an answer nor an error'));
          else resolve(response);
        },
      );
    });
  }

  close(): void {
    this.#client.close();
  }
}

/** HTTP status of the answer: 200 where it lets the request through. */
export function statusOf({ status, denied, ok }: CheckResponse): number {
  if (status?.code === 0 && ok !== null && denied === null) return 200;
  if (status === null || status.code === 0 || denied === null || ok !== null) throw new Error('an answer of two minds');
  return denied.status?.code ?? 403;
}

/** Of the fields that the answer sets. */
export function fieldsOf({ ok, denied }: CheckResponse): Readonly<Record<string, string>> {
  return Object.fromEntries(
    (ok ?? denied)?.headers.map(({ header }) => [header?.key ?? '', header?.value ?? '']) ?? [],
  );
}
