// Lists of ports as annotations have them.

export interface PortSet {
  has(port: number): boolean;
  /** As it was written. */
  readonly text: string;
  /** The first that is written out; null for a list without ports. */
  readonly ranges: readonly (readonly [first: number, last: number])[];
}

/** `8080, 9000-9010`, and `*` for all. Null for what is no list of ports. */
export function parsePortList(text: string): PortSet | null {
  const ranges: (readonly [number, number])[] = [];
  for (const part of text.split(',').map((part) => part.trim())) {
    if (part === '') continue;
    if (part === '*') {
      ranges.push([0, 65_535]);
      continue;
    }
    const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(part);
    if (match === null) return null;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last > 65_535 || first > last) return null;
    ranges.push([first, last]);
  }
  return { has: (port) => ranges.some(([first, last]) => first <= port && port <= last), text, ranges };
}
