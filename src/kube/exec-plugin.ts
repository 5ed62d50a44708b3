// Runs the program that gives the credential of a kubeconfig, and reads what it says.
// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins

import { spawn } from 'node:child_process';
import { own } from '../audit/kube-object.ts';
import type { Schedule } from '../core/clock.ts';
import { quote } from '../core/quote.ts';
import { parseRfc3339, Rfc3339Error } from '../core/rfc3339.ts';
import type { ClientIdentity } from './cluster-target.ts';
import { ConnectionError } from './connection-error.ts';
import type { ExecConfig } from './exec-config.ts';

export interface ExecCredential {
  readonly token: string | null;
  readonly identity: ClientIdentity | null;
  /** Null: until it is refused. */
  readonly expiresMs: number | null;
}

export interface ExecTerms {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whether a person is there whom the program may ask. */
  readonly isInteractive: boolean;
  readonly schedule: Schedule;
  /** `spec.cluster`, for a program that is to be told. */
  readonly cluster: Readonly<Record<string, unknown>>;
}

const ALONE_MS = 60_000;
const WITH_A_PERSON_MS = 300_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;
const KEPT_ERROR_BYTES = 2048;

/** @throws {ConnectionError} with code exec-plugin */
export async function runExecPlugin(exec: ExecConfig, terms: ExecTerms): Promise<ExecCredential> {
  if (exec.interactiveMode === 'Always' && !terms.isInteractive) {
    throw failure(exec, 'must ask somebody (interactiveMode: Always), and there is no terminal');
  }
  const output = await run(exec, terms);
  let credential: unknown;
  try {
    credential = JSON.parse(output);
  } catch (error) {
    // What it wrote may be a secret.
    throw failure(exec, 'wrote something that is no JSON', error instanceof SyntaxError ? undefined : error);
  }
  if (own(credential, 'kind') !== 'ExecCredential' || own(credential, 'apiVersion') !== exec.apiVersion) {
    throw failure(exec, `wrote something that is no ExecCredential of ${exec.apiVersion}`);
  }
  return readStatus(exec, own(credential, 'status'));
}

function run(exec: ExecConfig, terms: ExecTerms): Promise<string> {
  const isInteractive = terms.isInteractive && exec.interactiveMode !== 'Never';
  const spec = { interactive: isInteractive, ...(exec.providesClusterInfo ? { cluster: terms.cluster } : {}) };
  const info = { kind: 'ExecCredential', apiVersion: exec.apiVersion, spec };
  const environment = {
    ...terms.environment,
    ...Object.fromEntries(exec.env),
    KUBERNETES_EXEC_INFO: JSON.stringify(info),
  };
  const child = spawn(exec.command, exec.args, {
    env: environment,
    stdio: [isInteractive ? 'inherit' : 'ignore', 'pipe', isInteractive ? 'inherit' : 'pipe'],
  });
  return new Promise((resolve, reject) => {
    const output: Buffer[] = [];
    let bytes = 0;
    let complaint = '';
    const waitMs = isInteractive ? WITH_A_PERSON_MS : ALONE_MS;
    const cancel = terms.schedule(waitMs, () => end(failure(exec, `gave no answer in ${waitMs / 1000} s`)));
    const end = (error: ConnectionError): void => {
      cancel();
      child.kill('SIGKILL');
      reject(error);
    };
    child.stdout?.on('data', (chunk: Buffer) => {
      output.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_OUTPUT_BYTES) end(failure(exec, `wrote more than ${MAX_OUTPUT_BYTES} bytes`));
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString('utf8')).slice(-KEPT_ERROR_BYTES);
    });
    child.on('error', (error) => end(failure(exec, describeStart(error), error)));
    child.on('close', (code, signal) => {
      cancel();
      if (code === 0) resolve(Buffer.concat(output).toString('utf8'));
      else reject(failure(exec, `ended with ${signal ?? `code ${code}`}${lastLine(complaint)}`));
    });
  });
}

function readStatus(exec: ExecConfig, status: unknown): ExecCredential {
  const token = own(status, 'token') ?? null;
  const certificatePem = own(status, 'clientCertificateData') ?? null;
  const privateKeyPem = own(status, 'clientKeyData') ?? null;
  const hasIdentity = typeof certificatePem === 'string' && typeof privateKeyPem === 'string';
  if ((token !== null && typeof token !== 'string') || (!hasIdentity && certificatePem !== privateKeyPem)) {
    throw failure(exec, 'gave a credential that has parts of the wrong type, or a certificate without its key');
  }
  if (token === null && !hasIdentity) throw failure(exec, 'gave no credential: neither a token nor a certificate');
  return {
    token,
    identity: hasIdentity ? { certificatePem, privateKeyPem } : null,
    expiresMs: readExpiry(exec, own(status, 'expirationTimestamp') ?? null),
  };
}

function readExpiry(exec: ExecConfig, text: unknown): number | null {
  if (text === null) return null;
  try {
    return parseRfc3339(typeof text === 'string' ? text : '');
  } catch (error) {
    if (error instanceof Rfc3339Error) throw failure(exec, 'gave an expirationTimestamp that is none', error);
    throw error;
  }
}

function describeStart(error: Error): string {
  const code = 'code' in error ? String(error.code) : error.message;
  return code === 'ENOENT' ? 'is not there' : `could not be started (${code})`;
}

function lastLine(complaint: string): string {
  const line = complaint.trim().split('\n').at(-1) ?? '';
  return line === '' ? '' : `: ${quote(line)}`;
}

function failure({ command, installHint }: ExecConfig, what: string, cause?: unknown): ConnectionError {
  const hint = installHint === null || !what.includes('not there') ? '' : `; ${quote(installHint.trim())}`;
  return new ConnectionError('exec-plugin', `the exec plugin ${quote(command)} ${what}${hint}`, { cause });
}
