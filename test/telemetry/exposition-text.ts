// The text exposition format read back, independently of what wrote it.
// https://prometheus.io/docs/instrumenting/exposition_formats/

interface ExposedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ExposedFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly ExposedSample[];
}

/** Throws when a line is not of the format or a sample stands outside its family. */
export function parseExposition(text: string): ReadonlyMap<string, ExposedFamily> {
  const families = new Map<string, ExposedFamily & { samples: ExposedSample[] }>();
  let help = '';
  let family: (ExposedFamily & { samples: ExposedSample[] }) | null = null;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const helpLine = /^# HELP (\S+) (.+)$/.exec(line);
    const typeLine = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line);
    if (helpLine !== null) help = helpLine[2] ?? '';
    else if (typeLine !== null) {
      family = { name: typeLine[1] ?? '', type: typeLine[2] ?? '', help, samples: [] };
      families.set(family.name, family);
    } else {
      const sample = parseSample(line);
      if (family === null || !sample.name.startsWith(family.name))
        throw new Error(`sample outside its family: ${line}`);
      family.samples.push(sample);
    }
  }
  return families;
}

function parseSample(line: string): ExposedSample {
  const match = /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  if (match === null) throw new Error(`not a sample: ${line}`);
  const labels: Record<string, string> = {};
  for (const [, name = '', value = ''] of (match[2] ?? '').matchAll(/([a-z_][a-z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)/g)) {
    labels[name] = value;
  }
  return { name: match[1] ?? '', labels, value: Number(match[3]) };
}
