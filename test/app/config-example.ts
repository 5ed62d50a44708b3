// The shortest configuration that works, and what a changed one is refused for.

import { parseConfig, type Config } from '../../src/app/config.ts';
import { DocumentError } from '../../src/yaml/located.ts';

export const EXAMPLE = `trustDomain: ai.example
identity:
  files:
    certificate: registry.pem      # relative to this file
    privateKey: registry.key
    trustBundles: { ai.example: bundle.pem }
policy: { path: ../policies, mode: enforce }
listeners:
  - name: registry
    bind: 127.0.0.1:8443
    component: registry
    upstream: http://127.0.0.1:5000      # or unix:/run/registry.sock
admin: { bind: 127.0.0.1:9901 }
`;

export const EXAMPLE_FILE = '/etc/sallyport/config.yaml';

export function parseText(text: string): Config {
  return parseConfig(Buffer.from(text), EXAMPLE_FILE);
}

/** The example with the first `from` replaced; throws when there is none, so that a test cannot change nothing. */
export function changed(from: string, to: string): string {
  if (!EXAMPLE.includes(from)) throw new Error(`the example does not hold ${from}`);
  return EXAMPLE.replace(from, () => to);
}

/** `line:column code: message` of every problem, in order; none when the text is accepted. */
export function problemsOf(text: string): readonly string[] {
  try {
    parseText(text);
    return [];
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    return error.problems.map(({ position, code, message }) => {
      if (position.file !== EXAMPLE_FILE) throw new Error(`position in ${position.file}`, { cause: error });
      return `${position.line}:${position.column} ${code}: ${message}`;
    });
  }
}
