// A response head as the rest of the program sees it.

import type { ParsedFields } from './field-lines.ts';
import type { NeverIndexed } from './never-indexed.ts';
import type { BodyFraming } from './request-head.ts';

export interface ResponseHead {
  /** 100 to 599. */
  readonly status: number;
  /** As received, latin1; may be empty. */
  readonly reason: string;
  /** Flat name, value, …; end-to-end fields only, by the rules of RequestHead; Content-Length is taken out too. */
  readonly fields: ParsedFields;
  /** `until-close` also for 101: what follows is the new protocol's. */
  readonly body: BodyFraming | { readonly kind: 'until-close' };
  /**
   * Content-Length as received, or null: the answer to HEAD and a 304 announce the length of a body they do not have, and a
   * proxy must pass the announcement on.
   */
  readonly declaredLength: number | null;
  /** Whether the connection may carry another request once this response is complete. */
  readonly persistent: boolean;
  /** Of a 101: the one protocol that it switches to, lower case; null when it does not say, and for every other status. */
  readonly upgrade: string | null;
  readonly neverIndexed: NeverIndexed;
}
