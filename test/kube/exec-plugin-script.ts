// An exec plugin for tests: a script that writes down how it was called and says what it was told to say.

import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import type { TemporaryDirectory } from '../files/temporary-directory.ts';

export interface ExecCall {
  readonly args: readonly string[];
  readonly info: unknown;
  readonly environment: Readonly<Record<string, string>>;
}

export interface ExecScript {
  readonly path: string;
  /** What it writes from now on: a status, or any text. */
  says(answer: Readonly<Record<string, unknown>> | string): void;
  readonly calls: readonly ExecCall[];
}

const VERSION = 'client.authentication.k8s.io/v1';

export function writeExecScript(directory: TemporaryDirectory, ending = 'exit 0'): ExecScript {
  const path = directory.at('plugin.sh');
  const answer = directory.at('answer');
  const log = directory.write('calls', '');
  writeFileSync(
    path,
    `#!/bin/sh
node -e 'require("fs").appendFileSync(process.argv[1], JSON.stringify({ args: process.argv.slice(2), info: JSON.parse(process.env.KUBERNETES_EXEC_INFO), environment: { STAGE: process.env.STAGE, HOME: process.env.HOME } }) + "\\n")' "${log}" "$@"
cat "${answer}"
echo "a word to the operator" >&2
${ending}
`,
  );
  chmodSync(path, 0o700);
  return {
    path,
    says: (said) => {
      const status =
        typeof said === 'string' ? said : JSON.stringify({ apiVersion: VERSION, kind: 'ExecCredential', status: said });
      writeFileSync(answer, status);
    },
    get calls() {
      return readFileSync(log, 'utf8')
        .split('\n')
        .flatMap((line): readonly ExecCall[] => (line === '' ? [] : [JSON.parse(line)]));
    },
  };
}
