// What keeps the demo from starting.

import { SallyportError } from '../../core/error.ts';

export class DemoError extends SallyportError<'unusable-ca'> {}
