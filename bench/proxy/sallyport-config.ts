// The configuration of Sallyport in the comparison: defaults, and what an experiment is about.

/** With `decisionLog: { allow: all }` every decision is a line; otherwise denials and one allow in a hundred. */
export function formatSallyportConfig(facts: {
  readonly site: { readonly directory: string; readonly upstreamPort: number };
  readonly port: number;
  readonly policyPath: string;
  readonly logsAll: boolean;
}): string {
  const { site, port, policyPath, logsAll } = facts;
  const path = (name: string): string => JSON.stringify(`${site.directory}/${name}`);
  return `trustDomain: ai.example
identity:
  files:
    certificate: ${path('server.pem')}
    privateKey: ${path('server.key')}
    trustBundles: { ai.example: ${path('bundle.pem')} }
policy: { path: ${JSON.stringify(policyPath)} }
listeners:
  - { name: registry, bind: "127.0.0.1:${port}", component: registry, upstream: "http://127.0.0.1:${site.upstreamPort}" }
admin: { bind: none }
limits: { idleTimeout: 1h }
${logsAll ? 'decisionLog: { allow: all }\n' : ''}`;
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
