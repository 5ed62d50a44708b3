// Runs of `audit` over manifests in a directory of their own.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runProgram } from '../../src/cli/program.ts';

export interface AuditRun {
  readonly out: string;
  readonly errors: string;
  readonly exitCode: number | null;
}

export async function runAudit(argv: readonly string[], stdin = ''): Promise<AuditRun> {
  const ran = { out: '', errors: '', exitCode: null as number | null };
  await runProgram(['audit', ...argv], '1.2.3', {
    tell(text) {
      this.write(text);
    },
    write: (text) => {
      ran.out += text;
    },
    writeError: (text) => {
      ran.errors += text;
    },
    stdin: (async function* () {
      if (stdin !== '') yield Buffer.from(stdin);
    })(),
    colour: false,
    setExitCode: (code) => {
      ran.exitCode = code;
    },
  });
  return ran;
}

export interface Directory {
  readonly path: string;
  at(name: string): string;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function directoryOf(files: Readonly<Record<string, string>>): Promise<Directory> {
  const path = await mkdtemp(join(tmpdir(), 'sallyport-audit-'));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), text);
  }
  return {
    path,
    at: (name) => join(path, name),
    [Symbol.asyncDispose]: async () => rm(path, { recursive: true, force: true }),
  };
}

/** A Deployment that meets the restricted level, but for what `extra` says of its container. */
export function deployment(name: string, { namespace = 'ml', extra = '' } = {}): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: ${namespace}, labels: { app: ${name} } }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      containers:
        - name: main
          image: example.com/${name}@sha256:${'0'.repeat(64)}
          ports: [{ containerPort: 8080 }]
          ${extra}
`;
}

export const PRIVILEGED = 'securityContext: { privileged: true }';
