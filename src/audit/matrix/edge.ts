// One way from workloads of a component to a cell, judged by the access matrix and by every layer that stands in it.

import { type Bounds, keyOfBounds } from '../network/bounds.ts';
import type { Workload } from '../workload.ts';
import type { CellPort } from './cell.ts';
import type { Layer, LayerAnswer, KnownOpinion } from './layers.ts';

/** `held`: the matrix denies it, and so does some layer. */
export type Standing = 'allowed' | 'breakage' | 'hole' | 'held' | 'unknown';

export interface PortVerdict {
  readonly port: CellPort;
  readonly standing: Standing;
  readonly network: LayerAnswer;
  /** Everything but the network. */
  readonly guards: readonly KnownOpinion[];
  readonly denying: readonly Layer[];
  /** Whether somebody who tries every way gets an answer there, for certain. */
  readonly isOpen: boolean;
  /** Nothing denies it for certain. */
  readonly isPossible: boolean;
}

export interface EdgeCase {
  /** Of those that are treated alike, the first two of different objects: one of them is another object than any target. */
  readonly sources: readonly Workload[];
  readonly bounds: Bounds;
  /** Those that the matrix has something to say about. */
  readonly ports: readonly PortVerdict[];
  /** Some port is, whatever the matrix says. */
  readonly isOpen: boolean;
  readonly isPossible: boolean;
  /** The matrix grants some requests. */
  readonly isGranted: boolean;
}

export interface PortQuestion {
  readonly port: CellPort;
  readonly network: LayerAnswer;
  readonly guards: readonly KnownOpinion[];
  readonly isGranted: boolean;
}

export function judgePort({ port, network, guards, isGranted }: PortQuestion): PortVerdict {
  const answers: readonly LayerAnswer[] = [network, ...guards.map(({ answer }) => answer)];
  const regular: readonly LayerAnswer[] = [network, ...guards.map(({ toRegular }) => toRegular)];
  const isUnheard = port.doubt !== null;
  const denying: Layer[] = guards.filter(({ answer }) => answer === 'denies').map(({ layer }) => layer);
  if (network === 'denies') denying.unshift('network');
  const isOpen = !isUnheard && answers.every((answer) => answer === 'admits' || answer === 'absent');
  const standing = isGranted ? judgeGranted(regular) : judgeDenied(answers, isUnheard);
  return { port, standing, network, guards, denying, isOpen, isPossible: denying.length === 0 };
}

function judgeGranted(answers: readonly LayerAnswer[]): Standing {
  if (answers.includes('denies')) return 'breakage';
  return answers.includes('unknown') ? 'unknown' : 'allowed';
}

function judgeDenied(answers: readonly LayerAnswer[], isUnheard: boolean): Standing {
  if (answers.includes('denies')) return 'held';
  return answers.includes('unknown') || isUnheard ? 'unknown' : 'hole';
}

/** Those at which a request that the matrix grants would come; all, where none is told to be for requests. */
export function portsToJudge(ports: readonly CellPort[], isGranted: boolean): readonly CellPort[] {
  const forRequests = isGranted ? ports.filter(({ isForRequests }) => isForRequests) : ports;
  return forRequests.length > 0 ? forRequests : ports.filter(({ doubt }) => doubt === null);
}

/** Equal for ways that are judged alike. Of any port, what gets through is a part of it. */
export function keyOfPorts(ports: readonly PortVerdict[], bounds: Bounds): string {
  const texts = ports.map(({ network, guards }) => `${network} ${guards.map(({ id }) => id).join(',')}`);
  return ports.some(({ port }) => port.number === null) ? `${texts.join()} ${keyOfBounds(bounds)}` : texts.join();
}
