// The parts of the bench, one after the other.

import { measureAudit } from './audit.ts';
import { measureCodec } from './codec.ts';
import { compareEngines, REFERENCE } from './decide/compare.ts';
import { measureDecide } from './decide/own.ts';
import { measureHash } from './hash.ts';
import type { BenchOptions, Part } from './options.ts';
import { measureProfile } from './profile/profile.ts';
import { compareProtocols, type ProtocolPart } from './protocols/compare.ts';
import { FULL_PROTOCOLS, QUICK_PROTOCOLS, withProtocolRounds } from './protocols/effort.ts';
import { compareProxies } from './proxy/compare.ts';
import { FULL_PROXY, QUICK_PROXY, withRounds } from './proxy/effort.ts';
import type { Results, Section } from './report/results.ts';
import type { Figure } from './samples.ts';
import { type Summary, summarise } from './summary.ts';

type Measured = Pick<Results, 'sections' | 'missing' | 'versions'>;
type Progress = (line: string) => void;

const MIB = 1024 ** 2;

export async function measureSections(options: BenchOptions, progress: Progress): Promise<Measured> {
  const measured = [];
  for (const part of options.parts) measured.push(await MEASURE[part](options, progress));
  return {
    sections: measured.flatMap(({ sections }) => sections),
    missing: measured.flatMap(({ missing }) => missing),
    versions: Object.assign({}, ...measured.map(({ versions }) => versions)),
  };
}

const MEASURE: Readonly<Record<Part, (options: BenchOptions, progress: Progress) => Promise<Measured> | Measured>> = {
  proxy: measureProxy,
  protocols: measureProtocols,
  decide: measureDecisions,
  codec: measureMessages,
  hash: measureHashing,
  extauthz: measureAuthorization,
  audit: measureAudits,
  profile: measureWhere,
  readme: () => ({ sections: [], missing: [], versions: {} }),
};

async function measureProxy({ isQuick, rounds, ...choice }: BenchOptions, progress: Progress): Promise<Measured> {
  const effort = isQuick ? QUICK_PROXY : FULL_PROXY;
  const { figures, paired, missing, versions } = await compareProxies(
    {
      effort: rounds === null ? effort : withRounds(effort, rounds),
      parts: choice.proxyParts,
      contenders: choice.contenders,
      processes: choice.processes,
    },
    progress,
  );
  const sections = [
    { id: 'proxy', title: 'Proxies', reference: 'nginx', figures },
    sectionOf('paired', 'Proxies, in slices that take turns', paired),
  ];
  return { sections: sections.filter((section) => section.figures.length > 0), missing, versions };
}

async function measureProtocols(options: BenchOptions, progress: Progress): Promise<Measured> {
  return measureOver(options.protocolParts, options, progress);
}

async function measureDecisions({ isQuick }: BenchOptions, progress: Progress): Promise<Measured> {
  progress('decisions of Sallyport');
  const { loads, measurements } = measureDecide(
    isQuick ? { rounds: 3, decisionsPerRound: 20_000 } : { rounds: 15, decisionsPerRound: 200_000 },
  );
  const figures = [
    plainFigure('decide', 'One decision', {
      unit: 'ns',
      decimals: 0,
      rows: measurements.map(({ name, nanoseconds }) => ({ name, value: nanoseconds })),
    }),
    plainFigure('load', 'Loading a policy', {
      unit: 'ms',
      decimals: 0,
      rows: loads.map(({ name, milliseconds }) => ({ name, value: summarise([milliseconds]) })),
    }),
  ];
  const engines = await compareEngines(isQuick ? { rounds: 1, roundMs: 5 } : { rounds: 5, roundMs: 100 }, progress);
  return {
    sections: [
      { id: 'decide', title: 'Decisions of Sallyport, in process', reference: null, figures },
      { id: 'engines', title: 'Decisions beside other engines, in process', reference: REFERENCE, figures: engines },
    ],
    missing: [],
    versions: {},
  };
}

function measureMessages({ isQuick }: BenchOptions, progress: Progress): Measured {
  progress('HTTP/1.1 codec');
  const figures = measureCodec(
    isQuick ? { rounds: 3, messagesPerRound: 20_000 } : { rounds: 9, messagesPerRound: 50_000 },
  );
  const rows = figures.map(({ name, microsPerMessage }) => ({ name, value: microsPerMessage }));
  return only(
    sectionOf('codec', 'HTTP/1.1 codec', [plainFigure('codec', 'One message', { unit: 'µs', decimals: 2, rows })]),
  );
}

function measureHashing({ isQuick }: BenchOptions, progress: Progress): Measured {
  progress('hashing');
  const measured = measureHash(isQuick ? { rounds: 2, bytes: 64 * MIB } : { rounds: 7, bytes: 512 * MIB });
  if ('missing' in measured) return { sections: [], missing: [`hashing: ${measured.missing}`], versions: {} };
  const { mibPerSecond, opensslMibPerSecond, ratio } = measured;
  const rows = [
    { name: 'openssl', value: opensslMibPerSecond, ratio: null },
    { name: 'Sallyport', value: mibPerSecond, ratio },
  ];
  const figure: Figure = { id: 'hash', title: 'SHA-256 of a file', unit: 'MiB/s', decimals: 0, better: 'higher', rows };
  return only({ id: 'hash', title: 'Hashing artifacts', reference: 'openssl', figures: [figure] });
}

async function measureAuthorization(options: BenchOptions, progress: Progress): Promise<Measured> {
  return measureOver(['checks'], options, progress);
}

async function measureOver(
  parts: readonly (ProtocolPart | 'checks')[],
  { isQuick, rounds, contenders }: BenchOptions,
  progress: Progress,
): Promise<Measured> {
  const effort = isQuick ? QUICK_PROTOCOLS : FULL_PROTOCOLS;
  const chosen = rounds === null ? effort : withProtocolRounds(effort, rounds);
  return compareProtocols({ effort: chosen, parts, contenders }, progress);
}

function measureAudits({ isQuick }: BenchOptions, progress: Progress): Measured {
  const figures = measureAudit(
    isQuick ? { rounds: 1, pods: 400, manifests: 50 } : { rounds: 3, pods: 10_000, manifests: 1_000 },
    progress,
  );
  return only(
    sectionOf('audit', 'Audits, from start to exit', [
      plainFigure('audit-time', 'Time', {
        unit: 's',
        decimals: 2,
        rows: figures.map(({ name, seconds }) => ({ name, value: seconds })),
      }),
      plainFigure('audit-memory', 'Memory at its highest', {
        unit: 'MiB',
        decimals: 0,
        rows: figures.map(({ name, mebibytes }) => ({ name, value: mebibytes })),
      }),
    ]),
  );
}

async function measureWhere({ isQuick, isCold, protocol }: BenchOptions, progress: Progress): Promise<Measured> {
  const effort = isQuick ? { warmUpMs: 3_000, measureMs: 3_000 } : { warmUpMs: 8_000, measureMs: 15_000 };
  const { cpuMicrosPerRequest, modules, functions } = await measureProfile({ ...effort, isCold, protocol }, progress);
  const toRows = (of: typeof modules) => of.map(({ name, micros }) => ({ name, value: summarise([micros]) }));
  const whole = { name: 'all of it', value: summarise([cpuMicrosPerRequest]) };
  return only(
    sectionOf('profile', 'Where the CPU of a request goes', [
      plainFigure('profile', 'CPU per request by module', {
        unit: 'µs',
        decimals: 2,
        rows: [whole, ...toRows(modules)],
      }),
      plainFigure('functions', 'CPU per request by function, itself only', {
        unit: 'µs',
        decimals: 2,
        rows: toRows(functions),
      }),
    ]),
  );
}

function only(section: Section): Measured {
  return { sections: [section], missing: [], versions: {} };
}

function sectionOf(id: string, title: string, figures: readonly Figure[]): Section {
  return { id, title, reference: null, figures };
}

/** Of what is compared with nothing. */
function plainFigure(
  id: string,
  title: string,
  of: {
    readonly unit: string;
    readonly decimals: number;
    readonly rows: readonly { readonly name: string; readonly value: Summary }[];
  },
): Figure {
  const rows = of.rows.map(({ name, value }) => ({ name, value, ratio: null }));
  return { id, title, unit: of.unit, decimals: of.decimals, better: 'lower', rows };
}
