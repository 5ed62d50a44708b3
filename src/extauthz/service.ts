// What every authorization service works with, handed in by whoever composes the program, and what it gives back.

import type { BindAddress } from '../admin/bind-address.ts';
import type { Schedule } from '../core/clock.ts';
import type { EveryNth } from '../core/every-nth.ts';
import type { AdmissionSources, Authorizer } from '../proxy/context.ts';
import type { IdentityFieldFilter } from '../proxy/identity-fields.ts';
import type { AnonymousReason } from '../proxy/peer.ts';
import type { DecisionIds } from '../proxy/trace-context.ts';
import type { Recorder } from '../telemetry/recorder.ts';

/** What a check is about: always the same component, or one of several that the data plane names in each. */
export type ServedComponents =
  | { readonly kind: 'one'; readonly component: string }
  | { readonly kind: 'named'; readonly components: ReadonlySet<string> };

/** Why a check, or a caller of the service, proved no identity. */
export type NoIdentityReason =
  | AnonymousReason
  /** A principal is told and no certificate. */
  | 'principal-without-certificate'
  /** The principal that is told is not the one that the certificate names. */
  | 'principal-mismatch'
  /** Proven, and not one of those who may ask. */
  | 'unknown-caller';

export interface ServiceContext {
  /** The listener in metrics and logs. */
  readonly name: string;
  readonly served: ServedComponents;
  readonly sources: AdmissionSources;
  readonly authorizer: Authorizer;
  readonly recorder: Recorder;
  /** Which decisions are timed: timing one costs about as much as making it. */
  readonly timedDecisions: EveryNth;
  readonly decisionIds: DecisionIds;
  readonly identityFields: IdentityFieldFilter;
  readonly schedule: Schedule;
  readonly onNoIdentity: (reason: NoIdentityReason, detail: string) => void;
}

export interface AuthorizationService {
  /** Gives the address with the port that was found free. Throws ListenError. */
  listen(): Promise<BindAddress>;
  /** Takes no new connections, and resolves when the checks under way are answered, or cut after `deadlineMs`. */
  drain(deadlineMs: number): Promise<void>;
  /** Asks of every caller whether it still may ask. */
  reverify(): void;
  /** Ends everything at once. */
  close(): void;
}
