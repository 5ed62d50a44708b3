// The part of the report in HTML that shows the access matrix against the cluster: a picture, the same as a table, and what falls with what.

import type { ComponentGraph, EdgeState, GraphEdge, GraphNode } from '../matrix/component-graph.ts';
import { describeCut, describePath, type Spread } from '../matrix/spread.ts';
import { curveBetween, layOut, placeLabel, type Box, type Layout, type Point } from './html-graph-layout.ts';
import { html, type Markup, NOTHING, withCode } from './markup.ts';

/** More make no picture that anybody reads. */
const MAX_NODES = 24;
const MAX_LABELS = 60;
/** With more of them, those that are closed are drawn and not marked: they would hide the others. */
const MAX_CLOSED_LABELS = 12;
const MAX_ROWS = 400;
const MAX_NAME = 19;

export function graphSection(graph: ComponentGraph | null): Markup {
  if (graph === null) return NOTHING;
  const told = tell(graph.edges);
  const held = graph.edges.length - told.length;
  return html`<h2 id="components">Components: the access matrix against the cluster</h2>
${verdictLine(told, graph)}${picture(graph, told)}${legend(told)}${edgeTable(told, held)}${spreadTable(graph.spreads)}`;
}

interface ToldEdge extends GraphEdge {
  /** `H1`: on the picture and in the table. */
  readonly code: string;
}

const LETTERS: Readonly<Record<EdgeState, string>> = {
  hole: 'H',
  breakage: 'B',
  unknown: 'U',
  'one-layer': 'L',
  allowed: 'A',
  held: '',
};

const WORDS: Readonly<Record<EdgeState, string>> = {
  hole: 'hole',
  breakage: 'breakage',
  unknown: 'unknown',
  'one-layer': 'one layer',
  allowed: 'allowed',
  held: 'held',
};

const MEANINGS: Readonly<Record<EdgeState, string>> = {
  hole: 'the matrix denies it, and nothing closes it',
  breakage: 'the matrix grants it, and the cluster blocks it',
  unknown: 'not known',
  'one-layer': 'the matrix denies it, and one layer alone closes it',
  allowed: 'the matrix grants it, and it gets there',
  held: 'the matrix denies it, and two layers or more close it',
};

const STATES = ['hole', 'breakage', 'unknown', 'one-layer', 'allowed'] as const;

function tell(edges: readonly GraphEdge[]): readonly ToldEdge[] {
  const counts = new Map<EdgeState, number>();
  return edges.flatMap((edge): readonly ToldEdge[] => {
    if (edge.state === 'held') return [];
    const count = (counts.get(edge.state) ?? 0) + 1;
    counts.set(edge.state, count);
    return [{ ...edge, code: `${LETTERS[edge.state]}${count}` }];
  });
}

function verdictLine(edges: readonly ToldEdge[], { nodes }: ComponentGraph): Markup {
  if (nodes.every(({ workloads }) => workloads.length === 0)) {
    return html`<p><strong>Nothing is known of any edge:</strong> no workload belongs to a component of the matrix. Say by <code>--spiffe-id-template</code> or <code>--component-label</code> how they are told.</p>
`;
  }
  const of = (state: EdgeState): number => edges.filter((edge) => edge.state === state).length;
  const holes = of('hole');
  const sentence =
    holes > 0
      ? html`<strong class="fail">${holes} ${holes === 1 ? 'edge is a hole' : 'edges are holes'}:</strong> the cluster admits what the matrix denies.`
      : html`<strong>No edge is a hole${of('unknown') > 0 ? ' for certain' : ''}.</strong>`;
  const broken =
    of('breakage') > 0
      ? html` ${of('breakage')} that the matrix grants ${of('breakage') === 1 ? 'is' : 'are'} blocked.`
      : NOTHING;
  const open = of('unknown') > 0 ? html` Of ${of('unknown')} it is not known.` : NOTHING;
  return html`<p>${sentence}${broken}${open}</p>
`;
}

/** Those with the gravest edges, where there are too many. */
function nodesToDraw({ nodes }: ComponentGraph, edges: readonly ToldEdge[]): readonly GraphNode[] {
  if (nodes.length <= MAX_NODES) return nodes;
  const weight = ({ component }: GraphNode): number =>
    edges.reduce((sum, { from, to, state }) => sum + (from === component || to === component ? WEIGHTS[state] : 0), 0);
  const chosen = new Set([...nodes].sort((left, right) => weight(right) - weight(left)).slice(0, MAX_NODES));
  return nodes.filter((node) => chosen.has(node));
}

const WEIGHTS: Readonly<Record<EdgeState, number>> = {
  hole: 1000,
  breakage: 100,
  unknown: 10,
  'one-layer': 2,
  allowed: 1,
  held: 0,
};

function picture(graph: ComponentGraph, edges: readonly ToldEdge[]): Markup {
  const nodes = nodesToDraw(graph, edges);
  const layout = layOut(nodes.length);
  const boxes = new Map(nodes.map(({ component }, index) => [component, layout.boxes[index]] as const));
  const taken: Point[] = [];
  const closed = edges.filter(({ state }) => state === 'one-layer').length;
  const isMarked = ({ state }: ToldEdge, index: number): boolean =>
    index < MAX_LABELS && state !== 'allowed' && (state !== 'one-layer' || closed <= MAX_CLOSED_LABELS);
  const drawn = edges
    .slice(0, 1200)
    .map((edge, index) => drawEdge(edge, { layout, boxes, taken, hasLabel: isMarked(edge, index) }))
    .toReversed();
  const left = graph.nodes.length - nodes.length;
  return html`<figure class="graph"><svg viewBox="0 0 ${layout.width} ${layout.height}" role="img" aria-labelledby="graph-title graph-desc">
<title id="graph-title">Components and the edges between them</title>
<desc id="graph-desc">${nodes.length} components on a ring. Edges that are holes are thick and red and marked H; the table below tells every edge in words.</desc>
${drawn.map(({ line }) => line)}${nodes.map((node, index) => drawNode(node, layout.boxes[index]))}${drawn.map(({ label }) => label)}</svg>${left > 0 ? html`<figcaption class="soft small">${left} more components are in the table only.</figcaption>` : NOTHING}</figure>
`;
}

interface Drawing {
  readonly layout: Layout;
  readonly boxes: ReadonlyMap<string, Box | undefined>;
  readonly taken: Point[];
  readonly hasLabel: boolean;
}

function drawEdge(
  edge: ToldEdge,
  { layout, boxes, taken, hasLabel }: Drawing,
): { readonly line: Markup; readonly label: Markup } {
  const from = boxes.get(edge.from);
  const to = boxes.get(edge.to);
  if (from === undefined || to === undefined) return { line: NOTHING, label: NOTHING };
  const { path, head, places } = curveBetween(layout, from, to);
  const { state, code } = edge;
  const line = html`<g class="edge ${state}"><title>${describeEdge(edge)}</title><path d="${path}"/><polygon points="${head}"/></g>
`;
  if (!hasLabel) return { line, label: NOTHING };
  const { x, y } = placeLabel(places, taken, layout.boxes);
  const label = html`<a href="#edge-${code}" class="mark ${state}" aria-label="${describeEdge(edge)}"><rect x="${x - 16}" y="${y - 10}" width="32" height="20" rx="10"/><text x="${x}" y="${y + 4}">${code}</text></a>
`;
  return { line, label };
}

function drawNode({ component, workloads }: GraphNode, box: Box | undefined): Markup {
  if (box === undefined) return NOTHING;
  const { x, y, width, height } = box;
  const name = component.length > MAX_NAME ? `${component.slice(0, MAX_NAME - 1)}…` : component;
  const count = workloads.length === 0 ? 'no workload' : plural(workloads.length, 'workload');
  return html`<g class="node ${workloads.length === 0 ? 'empty' : 'present'}"><title>${component}: ${count}</title><rect x="${x - width / 2}" y="${y - height / 2}" width="${width}" height="${height}" rx="8"/><text class="name" x="${x}" y="${y - 2}">${name}</text><text class="count" x="${x}" y="${y + 15}">${count}</text></g>
`;
}

function describeEdge({ code, from, to, state, ports }: ToldEdge): string {
  const where = ports.length === 0 ? '' : `, ${ports.join(', ')}`;
  return `${code}: ${from} to ${to}, ${WORDS[state]}${where}`;
}

/** A stroke of each kind that is there. */
function legend(edges: readonly ToldEdge[]): Markup {
  const present = STATES.filter((state) => edges.some((edge) => edge.state === state));
  const rows = present.map(
    (state) =>
      html`<li><svg viewBox="0 0 44 14" class="graph-key" aria-hidden="true"><g class="edge ${state}"><path d="M2,7 L34,7"/><polygon points="43,7 33,3 33,11"/></g></svg><span><b>${LETTERS[state]}</b> ${WORDS[state]}: ${MEANINGS[state]}</span></li>
`,
  );
  return html`<ul class="keys small">
${rows}</ul>
`;
}

const STATE_CLASS: Readonly<Record<EdgeState, string>> = {
  hole: 'fail',
  breakage: 'unknown',
  unknown: 'unknown',
  'one-layer': 'low',
  allowed: 'pass',
  held: 'pass',
};

function edgeTable(edges: readonly ToldEdge[], held: number): Markup {
  const grave = edges.filter(({ state }) => state === 'hole' || state === 'breakage' || state === 'unknown');
  const others = edges.filter(({ state }) => state === 'one-layer' || state === 'allowed');
  const note =
    held === 0
      ? NOTHING
      : html`<p class="soft small">${plural(held, 'edge')} more that the matrix denies ${held === 1 ? 'is' : 'are'} closed by two layers or more.</p>
`;
  const more = Math.max(0, grave.length - MAX_ROWS) + Math.max(0, others.length - MAX_ROWS);
  return html`${rowsOf(grave, { summary: `${plural(grave.length, 'edge')} that differ or are not known`, open: OPEN })}${rowsOf(others, { summary: `${plural(others.length, 'edge')} as the matrix wants them`, open: NOTHING })}${note}${more > 0 ? html`<p class="notice">${more} more edges are in the report as JSON.</p>\n` : NOTHING}`;
}

function rowsOf(
  edges: readonly ToldEdge[],
  { summary, open }: { readonly summary: string; readonly open: Markup },
): Markup {
  if (edges.length === 0) return NOTHING;
  const rows = edges.slice(0, MAX_ROWS).map(
    ({ code, from, to, state, verbs, ports, layers, witness, why }) =>
      html`<tr id="edge-${code}"><td class="${STATE_CLASS[state]}"><b>${code}</b></td><td>${from} → ${to}</td><td class="${STATE_CLASS[state]}">${WORDS[state]}</td><td>${verbs.length === 0 ? 'nothing' : verbs.join(', ')}</td><td>${ports.join(', ')}</td><td class="small">${layerMarks(layers)}</td><td class="break small">${witness === null ? NOTHING : html`<code>${witness}</code><br>`}<span class="soft">${withCode(why.join('; '))}</span></td></tr>
`,
  );
  return html`<details class="edges"${open}><summary>${summary}</summary>
<table><thead><tr><th></th><th>Edge</th><th>State</th><th>Matrix grants</th><th>Ports</th><th>Layers</th><th>Witness</th></tr></thead><tbody>
${rows}</tbody></table></details>
`;
}

const OPEN = html` open`;

function layerMarks(layers: GraphEdge['layers']): readonly Markup[] {
  return Object.entries(layers).map(
    ([layer, answer]) =>
      html`<span class="layer">${layer.replace('mesh-authorization', 'mesh')} <b>${answer}</b></span> `,
  );
}

function spreadTable(spreads: readonly Spread[]): Markup {
  const rows = spreads.map(({ component, reached, workloads, unmapped, perhaps, cut }) => {
    const beyond = reached.filter(({ isGranted }) => !isGranted);
    const names = reached.map(
      (each) =>
        html`<span class="${each.isGranted ? 'soft' : 'fail'}">${each.component}${each.hops > 1 ? ` (${each.hops} hops)` : ''}</span> `,
    );
    const maybe = perhaps.length === 0 ? NOTHING : html`<span class="unknown">perhaps ${perhaps.join(', ')}</span>`;
    const ways = beyond.slice(0, 3).map((each) => html`<br><span class="soft small">${describePath(each)}</span>`);
    const change =
      cut === null
        ? html`<span class="soft">none that keeps the matrix</span>`
        : html`${describeCut(cut)}: ${cut.saved} of ${plural(workloads, 'workload')}`;
    return html`<tr><td>${component}</td><td class="break">${reached.length === 0 ? html`<span class="soft">nothing</span> ` : names}${maybe}${ways}</td><td class="number">${workloads}${unmapped > 0 ? html`<br><span class="soft small">${unmapped} of none</span>` : NOTHING}</td><td class="break">${reached.length === 0 ? NOTHING : change}</td></tr>
`;
  });
  return html`<h3>When a component is broken into</h3>
<p class="soft small">What can be reached from it over any number of hops that the cluster leaves open; in red what the matrix leads to by no way. Beside it the one change that saves most workloads and breaks nothing that the matrix grants.</p>
<table><thead><tr><th>Component</th><th>Falls with it</th><th class="number">Workloads</th><th>The change that saves most</th></tr></thead><tbody>
${rows}</tbody></table>
`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
