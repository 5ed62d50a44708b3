// Colour for terminals that take it.

export type Colour = 'red' | 'green' | 'yellow' | 'dim' | 'bold';

export type Paint = (text: string, colour: Colour) => string;

const CODES: Readonly<Record<Colour, readonly [number, number]>> = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  dim: [2, 22],
  bold: [1, 22],
};

export function createPaint(isColoured: boolean): Paint {
  if (!isColoured) return (text) => text;
  return (text, colour) => {
    const [on, off] = CODES[colour];
    return `\u001B[${on}m${text}\u001B[${off}m`;
  };
}
