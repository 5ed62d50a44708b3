// Fields that a sender of HTTP/2 wants in no table of any hop (RFC 7541 §6.2.3), by name: HTTP/1.1 has no tables and marks none.

/** Names in lower case, pseudo-header fields among them; some perhaps twice. */
export type NeverIndexed = readonly string[];

export const NONE_NEVER_INDEXED: NeverIndexed = [];
