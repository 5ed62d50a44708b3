import { describe, expect, it } from 'vitest';
import { formatHtml } from '../../../src/audit/formats/html.ts';
import { formatJson } from '../../../src/audit/formats/json.ts';
import { layOut, curveBetween } from '../../../src/audit/formats/html-graph-layout.ts';
import { describeAccess } from '../../../src/audit/matrix/component-graph.ts';
import { accessFor, policyOf } from '../matrix/setting.ts';
import { clusterFrom, namespace, networkPolicy, pod } from '../network/scene.ts';
import { NOW } from '../terms.ts';
import { MIXED } from './reports.ts';

const POLICY = policyOf(['training', 'registry', 'inference', 'idle'], '  training: { allow: [registry, idle] }');
const GRAPH = describeAccess(
  accessFor(
    clusterFrom([
      ...['training', 'registry', 'inference'].map((name) => namespace(name)),
      pod('training/job', { labels: { app: 'job' }, ports: [['http', 9000]] }),
      pod('registry/api', { labels: { app: 'api' }, ports: [['http', 8080]] }),
      pod('inference/llm', { labels: { app: '<script>' }, ports: [['http', 8000]] }),
      networkPolicy('training/closed', { podSelector: {} }),
    ]),
    POLICY,
  ),
);
const REPORT = { ...MIXED, componentGraph: GRAPH };

function markup(): string {
  const text = [...formatHtml(REPORT, { version: '1.2.3', nowMs: NOW })].join('');
  return text.replaceAll(/<(style|script)>[^]*?<\/\1>/g, '');
}

describe('the components of a report as a value', () => {
  it('has every edge once, the gravest first, with a witness and why', () => {
    expect(GRAPH.edges.map(({ from, to, state }) => `${state} ${from} > ${to}`)).toEqual([
      'hole training > inference',
      'hole registry > inference',
      'hole inference > registry',
      'unknown training > idle',
      'one-layer registry > training',
      'one-layer inference > training',
      'allowed training > registry',
    ]);
    expect(GRAPH.edges[0]).toMatchObject({
      ports: ['TCP 8000'],
      layers: { network: 'admits' },
      witness: 'training/job[Pod] → inference/llm[Pod] : TCP 8000',
      why: ['egress: no policy isolates training/job[Pod]', 'ingress: no policy isolates inference/llm[Pod]'],
    });
    expect(GRAPH.nodes.at(-1)).toEqual({ component: 'idle', workloads: [] });
  });

  it('is in the report as JSON, and nothing of it where there is no matrix', () => {
    expect(JSON.parse([...formatJson(REPORT)].join(''))).toHaveProperty('componentGraph.edges.0.state', 'hole');
    expect(JSON.parse([...formatJson(MIXED)].join(''))).not.toHaveProperty('componentGraph');
  });
});

describe('the components of a report as HTML', () => {
  it('says how to map workloads where none is of a component, and does not say that there is no hole', () => {
    const cluster = clusterFrom([
      namespace('ops'),
      pod('ops/jump', { labels: { app: 'jump' }, ports: [['http', 80]] }),
    ]);
    const report = { ...MIXED, componentGraph: describeAccess(accessFor(cluster, POLICY)) };
    const text = [...formatHtml(report, { version: '1.2.3', nowMs: NOW })].join('');
    expect(text).toContain('no workload belongs to a component of the matrix');
    expect(text).toContain('--spiffe-id-template');
    expect(text).toContain('--component-label');
    expect(text).not.toContain('No edge is a hole');
    expect(markup()).not.toContain('no workload belongs to a component');
  });

  it('draws each component and edge, and marks what is wrong by letters that lead to the table', () => {
    const text = markup();
    expect(text.match(/<g class="node /g)).toHaveLength(4);
    expect(text.match(/<g class="edge hole"><title>/g)).toHaveLength(3);
    for (const code of ['H1', 'H2', 'H3', 'U1']) {
      expect(text).toContain(`href="#edge-${code}"`);
      expect(text).toContain(`<tr id="edge-${code}">`);
    }
    expect(text).toContain('aria-label="H1: training to inference, hole, TCP 8000"');
    expect(text).toContain('3 edges are holes:');
    expect(text).toContain('When a component is broken into');
  });

  it('has ids of its own, links that lead somewhere, nothing of elsewhere, and no style or handler on an element', () => {
    const text = markup();
    const ids = [...text.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target] of text.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target);
    expect(text).not.toMatch(/url\(|https?:\/\/| (?:style|on\w+)="|NaN|undefined/);
  });

  it('is not there without a matrix', () => {
    expect([...formatHtml(MIXED, { version: '1', nowMs: NOW })].join('')).not.toContain('<svg');
  });
});

describe('the layout', () => {
  it.each([1, 2, 3, 7, 12, 24])('keeps %i boxes apart, and every edge in the picture', (count) => {
    const layout = layOut(count);
    for (const [index, box] of layout.boxes.entries()) {
      for (const other of layout.boxes.slice(index + 1)) {
        const isApart = Math.abs(box.x - other.x) >= box.width || Math.abs(box.y - other.y) >= box.height;
        expect(isApart).toBe(true);
      }
      for (const other of layout.boxes) {
        for (const { x, y } of curveBetween(layout, box, other).places) {
          expect(x > 0 && x < layout.width && y > 0 && y < layout.height).toBe(true);
        }
      }
    }
  });
});
