// The configuration of Sallyport in the comparison: defaults, and what an experiment is about.

/** `svid`: whose it is, of those that were written. With `decisionLog: { allow: all }` every decision is a line; otherwise denials and one allow in a hundred. */
export function formatSallyportConfig(facts: {
  readonly directory: string;
  readonly svid: string;
  /** What it serves, as in a configuration. */
  readonly serving: string;
  readonly policyPath: string;
  readonly logsAll: boolean;
}): string {
  const { directory, svid, serving, policyPath, logsAll } = facts;
  const path = (name: string): string => JSON.stringify(`${directory}/${name}`);
  return `trustDomain: ai.example
identity:
  files:
    certificate: ${path(`${svid}.pem`)}
    privateKey: ${path(`${svid}.key`)}
    trustBundles: { ai.example: ${path('bundle.pem')} }
policy: { path: ${JSON.stringify(policyPath)} }
${serving}
admin: { bind: none }
limits: { idleTimeout: 1h }
${logsAll ? 'decisionLog: { allow: all }\n' : ''}`;
}

/** In front of the small upstream. */
export function formatRegistry(port: number, upstreamPort: number): string {
  return `listeners:
  - { name: registry, bind: "127.0.0.1:${port}", component: registry, upstream: "http://127.0.0.1:${upstreamPort}" }`;
}

/** A hundred components, each allowed to read a part of each: what the clients ask is one rule of 10,000. */
export function formatManyRules(): string {
  const components = ['training', 'registry', ...Array.from({ length: 98 }, (_, index) => `c${index}`)];
  const lines = ['version: 1', 'trustDomain: ai.example', 'components:'];
  for (const name of components) lines.push(`  ${name}: {}`);
  lines.push('access:');
  for (const from of components) {
    lines.push(`  ${from}:`, '    allow:');
    for (const to of components)
      lines.push(`      - { target: ${to}, verbs: [read], paths: [/api/2.0/**, /${from}/**] }`);
  }
  return `${lines.join('\n')}\n`;
}
