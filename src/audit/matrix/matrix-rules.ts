// The rules about the access matrix. Without one they say nothing.

import type { Rule } from '../finding.ts';
import type { CniName } from '../network/cni.ts';
import { BREAKAGE } from './rules/breakage.ts';
import { HOLE } from './rules/hole.ts';
import { LAYERS_DISAGREE, SINGLE_LAYER } from './rules/layers.ts';
import { MAPPING } from './rules/mapping.ts';
import { toRule } from './rules/matrix-rule.ts';
import { REACH } from './rules/reach.ts';

const RULES = [HOLE, BREAKAGE, SINGLE_LAYER, LAYERS_DISAGREE, REACH, MAPPING];

/** For a CNI that somebody names, instead of the one that the cluster shows. */
export function matrixRulesFor(cni: CniName | null): readonly Rule[] {
  return RULES.map((rule) => toRule(rule, cni));
}
