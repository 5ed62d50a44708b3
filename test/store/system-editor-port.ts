// The real thing: an editor of a test waits for real.

import { randomBytes } from 'node:crypto';
import { systemClock } from '../../src/core/clock.ts';
import type { EditorPort } from '../../src/store/revocation-editor.ts';
import { STORE_TIMING } from '../../src/store/revocation-store.ts';

export const systemEditorPort: EditorPort = {
  clock: systemClock,
  schedule: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
  random: Math.random,
  timing: STORE_TIMING,
  newChangeId: () => randomBytes(8).toString('hex'),
};
