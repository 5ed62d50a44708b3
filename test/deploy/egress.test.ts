// The complete example of deploy/EGRESS.md, held to what the parser takes.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/app/config.ts';

const GUIDE = readFileSync(new URL('../../deploy/EGRESS.md', import.meta.url), 'utf8');
const EXAMPLES = Array.from(GUIDE.matchAll(/^```yaml\n([^]*?)^```$/gm), (match) => match[1] ?? '');

describe('the guide to egress', () => {
  it('shows two sidecars that fit together', () => {
    const [egress, ingress] = EXAMPLES.map((text) => parseConfig(Buffer.from(text), '/etc/sallyport/config.yaml'));
    expect(EXAMPLES).toHaveLength(2);
    expect(egress?.listeners).toMatchObject([{ mode: 'egress', bind: { host: '127.0.0.1', port: 15_001 } }]);
    expect(ingress?.listeners).toMatchObject([{ mode: 'http' }]);
    const [towards] = egress?.listeners[0]?.routes ?? [];
    expect(towards).toMatchObject({
      component: ingress?.listeners[0]?.component,
      serverIds: [{ text: '/registry/*' }],
    });
  });
});
