// Every property test draws anew, so that each run looks somewhere else. A gate has to say the same of the same code twice:
// PROPERTY_SEED fixes what all properties draw, and a failure that it found is found again with it.

import * as fc from 'fast-check';

const seed = process.env['PROPERTY_SEED'];
if (seed !== undefined) {
  if (!/^\d{1,9}$/.test(seed)) throw new Error(`PROPERTY_SEED is not a number below 1,000,000,000: \`${seed}\``);
  fc.configureGlobal({ seed: Number(seed) });
}
