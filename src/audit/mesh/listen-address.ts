// On which addresses a container listens, as far as its manifest tells.

import type { Container } from '../workload.ts';

export type ListenAddress =
  /** `isPortSaid`: that it is this port stands there too. */
  | { readonly kind: 'loopback'; readonly isPortSaid: boolean }
  | { readonly kind: 'pod'; readonly evidence: string }
  | { readonly kind: 'unknown'; readonly why: string };

/**
 * A probe of the kubelet comes from outside of the pod; what answers it listens there. Loopback is proved only where nothing of all that is said
 * speaks against it: programs differ in which of two options they follow, and some follow both.
 */
export function findListenAddress(container: Container, port: number): ListenAddress {
  const probe = findProbe(container, port);
  if (probe !== null) return { kind: 'pod', evidence: `the kubelet asks port ${port} in its ${probe}` };
  const words = wordsOf(container);
  const mentions = words.flatMap((word, index) => mentionIn(word, words[index + 1] ?? '') ?? []);
  const isHere = (mention: Mention): boolean => mention.port === null || mention.port === port;
  const local = mentions.find((mention) => mention.kind === 'loopback' && isHere(mention));
  const open = mentions.find((mention) => mention.kind === 'pod' && isHere(mention));
  const against = mentions.find(({ kind }) => kind !== 'loopback');
  if (open !== undefined && local === undefined) return { kind: 'pod', evidence: `\`${open.word}\`` };
  const unknown = (why: string): ListenAddress => ({ kind: 'unknown', why: `container ${container.name}: ${why}` });
  if (local === undefined) return unknown(`nothing in the manifest says on which address it listens on port ${port}`);
  if (against !== undefined) return unknown(`\`${local.word}\` says loopback, and \`${against.word}\` something else`);
  const script = findScript(container);
  if (script !== null) return unknown(`\`${script}\` is a command line for a shell, which may do more than it shows`);
  const ports = new Set(words.flatMap((word, index) => portIn(word, words[index + 1] ?? '') ?? []));
  if (local.port !== null) return { kind: 'loopback', isPortSaid: true };
  if (ports.size > 1) return unknown(`it names several ports, ${[...ports].join(' and ')}`);
  const [only] = ports;
  if (only !== undefined && only !== port) return unknown(`it listens on port ${only}, and nothing says so of ${port}`);
  return { kind: 'loopback', isPortSaid: only !== undefined };
}

function findProbe({ field, ports }: Container, port: number): string | null {
  for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
    for (const way of ['httpGet', 'tcpSocket', 'grpc']) {
      const asked = field.get(probe, way);
      const host = asked.get('host').asText();
      const target = asked.get('port').asIntegerOrText();
      const number = typeof target === 'string' ? ports.find(({ name }) => name === target)?.number : target;
      if (number === port && (host === null || !isLoopback(host))) return probe;
    }
  }
  return null;
}

/** Arguments, and variables as `NAME=value`; one that comes from elsewhere as `NAME=?`. */
function wordsOf(container: Container): readonly string[] {
  const variables = container.field
    .get('env')
    .asList()
    .flatMap((entry) => {
      const name = entry.get('name').asText();
      return name === null ? [] : `${name}=${entry.get('value').asText() ?? '?'}`;
    });
  // A shell's command line is one argument.
  return [...commandOf(container).flatMap((word) => word.split(/\s+/)), ...variables];
}

function commandOf({ field }: Container): readonly string[] {
  return [...field.get('command').asTexts(), ...field.get('args').asTexts()];
}

const SHELL = /^(?:\S*\/)?(?:(?:ba|da|a|z|k|c|fi)?sh|busybox|\S+\.sh)$/;

/** A shell, or a word that holds several: code. */
function findScript(container: Container): string | null {
  return commandOf(container).find((word) => SHELL.test(word) || /\s/.test(word)) ?? null;
}

interface Mention {
  readonly kind: 'loopback' | 'pod' | 'unreadable';
  readonly word: string;
  /** Null for whichever the program listens on. */
  readonly port: number | null;
}

/** Any option that is about an address, be it of the service or of what it asks. */
const OPTION =
  /^-{0,2}(?:[A-Za-z0-9]+[-_.])*(?:host|bind|listen|address|addr|ip|interface)(?:[-_](?:host|address|addr|ip|url))?$/i;
/** Those that say where the program itself listens: a `--db-host` does not. */
const OWN =
  /^-{0,2}(?:(?:[A-Za-z0-9]+[-_.])*(?:bind|listen)(?:[-_](?:host|address|addr|ip|url))?|(?:(?:server|https?|grpc|rest|api|app|web|serve|serving|service|uvicorn|gunicorn|hypercorn|flask|gradio|streamlit|jupyter|mlflow|metrics)[-_.])*(?:host|address|addr|ip|interface))$/i;
const ADDRESS =
  /^(?:(?:https?|tcp):\/\/)?(\*|localhost|[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[?[0-9a-f:]*::[0-9a-f:]*\]?|(?=:[0-9]))(?::([0-9]+))?$/i;
/** All addresses of the pod; nobody connects to it, so that whoever names it listens. */
const EVERY = /(?:^|[^0-9.])0\.0\.0\.0(?![0-9.])|\[::\]/;

/** The address that an option such as `--host=0.0.0.0` names, or `--bind 127.0.0.1:5000`. */
function mentionIn(word: string, next: string): Mention | null {
  const equals = word.indexOf('=');
  const name = equals < 0 ? word : word.slice(0, equals);
  const value = equals < 0 ? next : word.slice(equals + 1);
  const isOption = OPTION.test(name) && (equals >= 0 || name.startsWith('-'));
  const shown = isOption && equals < 0 ? `${word} ${next}` : word;
  if (!isOption || !OWN.test(name)) return EVERY.test(word) ? { kind: 'unreadable', word: shown, port: null } : null;
  const match = ADDRESS.exec(value);
  if (match === null) return { kind: 'unreadable', word: shown, port: null };
  const [, address = '', digits] = match;
  const kind = isLoopback(address) ? 'loopback' : 'pod';
  return { kind, word: shown, port: digits === undefined ? null : Number(digits) };
}

const PORT = /^(?:-p|-{0,2}(?:(?:server|https?|rest|api|app|web|uvicorn|gunicorn|flask|mlflow)[-_.])*port)$/i;

function portIn(word: string, next: string): number | null {
  const equals = word.indexOf('=');
  const name = equals < 0 ? word : word.slice(0, equals);
  if (!PORT.test(name) || (equals < 0 && !name.startsWith('-'))) return null;
  const value = equals < 0 ? next : word.slice(equals + 1);
  return /^[0-9]{1,5}$/.test(value) ? Number(value) : -1;
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || /^\[?::1\]?$/.test(address) || address.toLowerCase() === 'localhost';
}
