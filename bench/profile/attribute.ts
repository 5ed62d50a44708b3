// A CPU profile read as the parts of the data plane: which module each sample was in.

export interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

/** As the Profiler domain of the inspector gives it. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

export const NATIVE = 'OpenSSL, libuv, kernel';
export const COLLECTOR = 'garbage collector';

export interface Attribution {
  /** Shares of what was not idle, by module; they add up to 1. */
  readonly modules: ReadonlyMap<string, number>;
  /** The functions with the greatest shares of their own. */
  readonly functions: readonly { readonly name: string; readonly share: number }[];
}

const TOP_FUNCTIONS = 20;

/** First match wins. */
const MODULES: readonly (readonly [RegExp, string])[] = [
  [/src\/http1\/encode\.ts$/, 'header building'],
  [/src\/(?:http1|http2)\//, 'parsing'],
  [/src\/(?:policy|spiffe)\/|src\/app\/authorizer\.ts$/, 'decision'],
  [/src\/proxy\/(?:route|authz-request|enforce)\.ts$/, 'decision'],
  [/src\/proxy\/(?:forward|identity-fields|trace-context|http1-response)\.ts$/, 'header building'],
  [/src\/proxy\/http2-[^/]*\.ts$/, 'streams of HTTP/2'],
  [/src\/proxy\/(?:session|lease|svid-admission|token-admission)\.ts$/, 'leases'],
  [/src\/telemetry\/(?:decision|log)[^/]*\.ts$|\/node_modules\/(?:pino|sonic-boom)/, 'log'],
  [/src\/telemetry\//, 'metrics'],
  [/src\/proxy\/|src\/core\/|src\/app\//, 'exchange: connections, pools, deadlines'],
  [/^node:(?:internal\/)?http2/, "Node's HTTP/2"],
  [
    /^node:internal\/(?:streams|stream_base_commons|timers|process)|^node:(?:net|stream|events|_tls|tls|internal\/tls|buffer|internal\/buffer|timers)/,
    "Node's sockets and streams",
  ],
  [/^node:/, "Node's sockets and streams"],
];
/** Of a socket's handle: what they do happens in OpenSSL and the kernel, whoever calls them. */
const SOCKET_CALLS = new Set([
  'writeBuffer',
  'writev',
  'writeLatin1String',
  'writeUtf8String',
  'writeAsciiString',
  'shutdown',
  'readStart',
  'readStop',
]);
const NOT_WORK = new Set(['(idle)', '(root)']);

export function attribute(profile: CpuProfile): Attribution {
  const parents = parentsOf(profile.nodes);
  const modules = new Map<string, number>();
  const functions = new Map<string, number>();
  const selfMicros = selfTimes(profile);
  let total = 0;
  for (const node of profile.nodes) {
    const micros = selfMicros.get(node.id) ?? 0;
    if (micros === 0 || NOT_WORK.has(node.callFrame.functionName)) continue;
    total += micros;
    const module = moduleOf(node, parents);
    modules.set(module, (modules.get(module) ?? 0) + micros);
    const name = nameOf(node);
    functions.set(name, (functions.get(name) ?? 0) + micros);
  }
  const shares = (of: ReadonlyMap<string, number>): (readonly [string, number])[] =>
    [...of].map(([name, micros]) => [name, micros / total] as const).sort(([, a], [, b]) => b - a);
  return {
    modules: new Map(shares(modules)),
    functions: shares(functions)
      .slice(0, TOP_FUNCTIONS)
      .map(([name, share]) => ({ name, share })),
  };
}

function selfTimes({ samples, timeDeltas }: CpuProfile): ReadonlyMap<number, number> {
  const micros = new Map<number, number>();
  for (const [index, id] of samples.entries()) {
    // The time until the next sample is spent where this one was.
    micros.set(id, (micros.get(id) ?? 0) + Math.max(0, timeDeltas[index + 1] ?? 0));
  }
  return micros;
}

function parentsOf(nodes: readonly ProfileNode[]): ReadonlyMap<number, ProfileNode> {
  const parents = new Map<number, ProfileNode>();
  for (const node of nodes) for (const child of node.children ?? []) parents.set(child, node);
  return parents;
}

function moduleOf(node: ProfileNode, parents: ReadonlyMap<number, ProfileNode>): string {
  const { functionName, url } = node.callFrame;
  if (functionName === '(garbage collector)') return COLLECTOR;
  if (functionName === '(program)' || SOCKET_CALLS.has(functionName)) return NATIVE;
  if (url !== '') return MODULES.find(([pattern]) => pattern.test(url))?.[1] ?? 'other';
  // What the engine does for somebody, such as cutting a string, is theirs.
  const parent = parents.get(node.id);
  return parent === undefined ? 'other' : moduleOf(parent, parents);
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const file = url.replace(/^.*\/(src|node_modules)\//, '$1/');
  const name = functionName === '' ? '(anonymous)' : functionName;
  return file === '' ? name : `${name} ${file}:${lineNumber + 1}`;
}
