// What keeps the demo from starting.

import { SallyportError } from '../../core/error.ts';

export type DemoErrorCode = 'unusable-ca' | 'no-policy';

export class DemoError extends SallyportError<DemoErrorCode> {}
