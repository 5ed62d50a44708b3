// What we prove ourselves with, as it is at the moment: tokens and certificates rotate while a watch goes on.

import type { Clock, Schedule } from '../core/clock.ts';
import { quote } from '../core/quote.ts';
import type { ClientIdentity, ClusterTarget } from './cluster-target.ts';
import { ConnectionError } from './connection-error.ts';
import { type ExecCredential, runExecPlugin } from './exec-plugin.ts';
import { readIdentity } from './key-material.ts';
import { readSmallFile } from './small-file.ts';

export interface CredentialPorts {
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** For an exec plugin. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly isInteractive: boolean;
}

export interface Presented {
  readonly token: string | null;
  readonly identity: ClientIdentity | null;
}

/** So long before it expires a credential is not used any more: the request has to arrive. */
const MARGIN_MS = 5_000;
const IDENTITY_KEPT_MS = 60_000;
// RFC 6750 §2.1, and whatever else is visible: a header cannot be broken by it.
const TOKEN = /^[\x21-\x7e]+$/;

export class ClusterCredential {
  readonly #target: ClusterTarget;
  readonly #ports: CredentialPorts;
  #exec: ExecCredential | null = null;
  #running: Promise<ExecCredential> | null = null;
  #identity: { readonly value: ClientIdentity | null; readonly readMs: number } | null = null;

  constructor(target: ClusterTarget, ports: CredentialPorts) {
    this.#target = target;
    this.#ports = ports;
  }

  /** @throws {ConnectionError} */
  async present(): Promise<Presented> {
    const { bearer } = this.#target;
    switch (bearer.kind) {
      case 'none':
        return { token: null, identity: this.#presentIdentity() };
      case 'token':
        return { token: checkToken(bearer.token), identity: this.#presentIdentity() };
      case 'token-file': {
        const token = readSmallFile(bearer.path, 'token').toString('utf8').trim();
        return { token: checkToken(token), identity: this.#presentIdentity() };
      }
      case 'exec': {
        const { token, identity } = await this.#presentExec();
        return { token, identity: identity ?? this.#presentIdentity() };
      }
    }
  }

  /** It was refused: what can be had anew is not used again. */
  forget(): void {
    this.#exec = null;
    this.#identity = null;
  }

  async #presentExec(): Promise<ExecCredential> {
    const { clock } = this.#ports;
    const known = this.#exec;
    if (known !== null && (known.expiresMs === null || known.expiresMs - MARGIN_MS > clock.wallMs())) return known;
    this.#running ??= this.#runExec().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #runExec(): Promise<ExecCredential> {
    const { bearer, server, serverProof } = this.#target;
    if (bearer.kind !== 'exec') throw new Error('there is no exec plugin to run');
    const authorities = serverProof.kind === 'verified' ? serverProof.authorities : null;
    const cluster = {
      server: server.href.replace(/\/$/, ''),
      ...(serverProof.serverName === null ? {} : { 'tls-server-name': serverProof.serverName }),
      ...(serverProof.kind === 'none' ? { 'insecure-skip-tls-verify': true } : {}),
      ...(authorities === null ? {} : { 'certificate-authority-data': Buffer.from(authorities).toString('base64') }),
      ...(bearer.exec.clusterConfig === null ? {} : { config: bearer.exec.clusterConfig }),
    };
    const credential = await runExecPlugin(bearer.exec, { ...this.#ports, cluster });
    if (credential.token !== null) checkToken(credential.token);
    const nowMs = this.#ports.clock.wallMs();
    if (credential.identity !== null) readIdentity({ kind: 'fixed', identity: credential.identity }, nowMs);
    if (credential.expiresMs !== null && credential.expiresMs <= nowMs) {
      const message = `the exec plugin ${quote(bearer.exec.command)} gave a credential that has already expired`;
      throw new ConnectionError('exec-plugin', message);
    }
    this.#exec = credential;
    return credential;
  }

  #presentIdentity(): ClientIdentity | null {
    const nowMs = this.#ports.clock.monotonicMs();
    if (this.#identity === null || nowMs - this.#identity.readMs > IDENTITY_KEPT_MS) {
      const value = readIdentity(this.#target.identity, this.#ports.clock.wallMs());
      this.#identity = { value, readMs: nowMs };
    }
    return this.#identity.value;
  }
}

function checkToken(token: string): string {
  if (TOKEN.test(token)) return token;
  throw new ConnectionError('malformed', 'the token is empty, or has characters that no token has');
}
