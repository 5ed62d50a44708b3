// On which addresses a container listens, as far as its manifest tells.

import type { Container } from '../workload.ts';

export type ListenAddress =
  | { readonly kind: 'loopback'; readonly evidence: string }
  | { readonly kind: 'pod'; readonly evidence: string }
  | { readonly kind: 'unknown' };

/** A probe of the kubelet comes from outside of the pod; what answers it listens there. */
export function findListenAddress(container: Container, port: number): ListenAddress {
  const probe = findProbe(container, port);
  if (probe !== null) return { kind: 'pod', evidence: `the kubelet asks port ${port} in its ${probe}` };
  const words = wordsOf(container);
  for (const [index, word] of words.entries()) {
    const address = addressIn(word, words[index + 1] ?? '', port);
    if (address === null) continue;
    return { kind: isLoopback(address) ? 'loopback' : 'pod', evidence: `\`${word}\`` };
  }
  return { kind: 'unknown' };
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

/** Arguments, and variables as `NAME=value`. */
function wordsOf({ field }: Container): readonly string[] {
  const command = [...field.get('command').asTexts(), ...field.get('args').asTexts()];
  const variables = field
    .get('env')
    .asList()
    .flatMap((entry) => {
      const name = entry.get('name').asText();
      const value = entry.get('value').asText();
      return name === null || value === null ? [] : `${name}=${value}`;
    });
  // A shell's command line is one argument.
  return [...command.flatMap((word) => word.split(/\s+/)), ...variables];
}

const OPTION =
  /^-{0,2}(?:[A-Za-z0-9]+[-_.])*(?:host|bind|listen|address|addr|ip|interface)(?:[-_](?:host|address|addr|ip|url))?$/i;
const ADDRESS =
  /^(?:(?:https?|tcp):\/\/)?(\*|localhost|[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[?[0-9a-f:]*::[0-9a-f:]*\]?)(?::([0-9]+))?$/i;

/** The address that an option such as `--host=0.0.0.0` names, or `--bind 127.0.0.1:5000`; null for a word that names none for this port. */
function addressIn(word: string, next: string, port: number): string | null {
  const equals = word.indexOf('=');
  const name = equals < 0 ? word : word.slice(0, equals);
  if (!OPTION.test(name) || (equals < 0 && !name.startsWith('-'))) return null;
  const match = ADDRESS.exec(equals < 0 ? next : word.slice(equals + 1));
  if (match === null) return null;
  const [, address = '', named] = match;
  return named === undefined || Number(named) === port ? address : null;
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || /^\[?::1\]?$/.test(address) || address.toLowerCase() === 'localhost';
}
