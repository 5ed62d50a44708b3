// Where the components of a graph stand, and the ways of its edges between them: on an ellipse, every edge bent inward.

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Box extends Point {
  /** Of the middle. */
  readonly width: number;
  readonly height: number;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly Box[];
}

export interface Curve {
  /** Of an SVG path, without the head. */
  readonly path: string;
  /** Three corners. */
  readonly head: string;
  /** Places for a label, the best first. */
  readonly places: readonly Point[];
}

const HEIGHT = 46;
const MAX_WIDTH = 168;
const GAP = 26;
const MARGIN = 44;
const HEAD = 9;

export function layOut(count: number): Layout {
  const sine = Math.sin(Math.PI / Math.max(count, 3));
  const radiusX = Math.max(count > 6 ? 420 : 340, (MAX_WIDTH + GAP) / 2 / sine);
  const radiusY = count < 3 ? 90 : Math.max(count > 6 ? 270 : 190, radiusX * 0.58);
  const width = 2 * (radiusX + MAX_WIDTH / 2 + MARGIN);
  const height = 2 * (radiusY + HEIGHT / 2 + MARGIN);
  const boxes = Array.from({ length: count }, (_, index) => {
    const angle = (count < 3 ? Math.PI : -Math.PI / 2) + (2 * Math.PI * index) / count;
    return {
      x: round(width / 2 + radiusX * Math.cos(angle)),
      y: round(height / 2 + radiusY * Math.sin(angle)),
      width: MAX_WIDTH,
      height: HEIGHT,
    };
  });
  return { width: round(width), height: round(height), boxes };
}

/** The two ways between two boxes keep apart. */
export function curveBetween({ width, height }: Layout, from: Box, to: Box): Curve {
  if (from === to) return loopAt({ x: width / 2, y: height / 2 }, from);
  const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const aside = { x: (from.y - to.y) / length, y: (to.x - from.x) / length };
  // Neighbours lie beside each other on the rim, where an edge straight between them would run through the names.
  const control = {
    x: middle.x + (width / 2 - middle.x) * 0.35 + aside.x * 26,
    y: middle.y + (height / 2 - middle.y) * 0.35 + aside.y * 26,
  };
  return quadratic(clip(from, control, 2), control, clip(to, control, 4));
}

/** First fit: a place that is not near another label or on a name. */
export function placeLabel(places: readonly Point[], taken: Point[], boxes: readonly Box[]): Point {
  const isFree = ({ x, y }: Point): boolean =>
    taken.every((other) => Math.hypot(other.x - x, other.y - y) > 27) &&
    boxes.every((box) => Math.abs(box.x - x) > box.width / 2 + 15 || Math.abs(box.y - y) > box.height / 2 + 12);
  const place = places.find(isFree) ?? places[0] ?? { x: 0, y: 0 };
  taken.push(place);
  return place;
}

/** From the outer side of the box and back to it. */
function loopAt(centre: Point, box: Box): Curve {
  const side = box.y < centre.y ? -1 : 1;
  const y = box.y + (side * box.height) / 2;
  const start = { x: box.x - 26, y: y + side };
  const end = { x: box.x + 26, y: y + side * 3 };
  const control = { x: box.x, y: y + side * 62 };
  return quadratic(start, control, end);
}

function quadratic(start: Point, control: Point, end: Point): Curve {
  const angle = Math.atan2(end.y - control.y, end.x - control.x);
  const foot = { x: end.x - HEAD * Math.cos(angle), y: end.y - HEAD * Math.sin(angle) };
  const corner = (turn: number): Point => ({
    x: end.x - (HEAD + 2) * Math.cos(angle + turn),
    y: end.y - (HEAD + 2) * Math.sin(angle + turn),
  });
  return {
    path: `M${text(start)} Q${text(control)} ${text(foot)}`,
    head: [end, corner(0.42), corner(-0.42)].map(text).join(' '),
    places: PARTS.map((part) => pointAt(part, [start, control, end])),
  };
}

const PARTS = [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.46, 0.54, 0.3, 0.7, 0.2, 0.8];

function pointAt(part: number, [start, control, end]: readonly [Point, Point, Point]): Point {
  const mix = (a: number, b: number, c: number): number =>
    round((1 - part) ** 2 * a + 2 * part * (1 - part) * b + part ** 2 * c);
  return { x: mix(start.x, control.x, end.x), y: mix(start.y, control.y, end.y) };
}

/** Where the way from the middle of a box towards a point leaves it. */
function clip(box: Box, towards: Point, gap: number): Point {
  const dx = towards.x - box.x;
  const dy = towards.y - box.y;
  const scale = Math.min(
    (box.width / 2 + gap) / Math.max(Math.abs(dx), 1e-9),
    (box.height / 2 + gap) / Math.max(Math.abs(dy), 1e-9),
  );
  return { x: box.x + dx * Math.min(scale, 1), y: box.y + dy * Math.min(scale, 1) };
}

function text({ x, y }: Point): string {
  return `${round(x)},${round(y)}`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
