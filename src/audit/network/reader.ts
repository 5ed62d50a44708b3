// What compiling policies needs beside the policies themselves.

import type { Cluster } from '../cluster.ts';
import type { AddressMatching } from './peer-test.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface PolicyReader {
  readonly cluster: Cluster;
  readonly vocabulary: Vocabulary;
  /** How the CNI compares blocks that policies name. */
  readonly addresses: AddressMatching;
}
