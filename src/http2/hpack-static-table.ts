// The fields that both ends know before the first one is sent (RFC 7541 Appendix A).

/** Names with the values they stand with, in the order of the table; a name without a value stands with an empty one. */
const ROWS: readonly (readonly [name: string, ...values: string[]])[] = [
  [':authority'],
  [':method', 'GET', 'POST'],
  [':path', '/', '/index.html'],
  [':scheme', 'http', 'https'],
  [':status', '200', '204', '206', '304', '400', '404', '500'],
  ['accept-charset'],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language'],
  ['accept-ranges'],
  ['accept'],
  ['access-control-allow-origin'],
  ['age'],
  ['allow'],
  ['authorization'],
  ['cache-control'],
  ['content-disposition'],
  ['content-encoding'],
  ['content-language'],
  ['content-length'],
  ['content-location'],
  ['content-range'],
  ['content-type'],
  ['cookie'],
  ['date'],
  ['etag'],
  ['expect'],
  ['expires'],
  ['from'],
  ['host'],
  ['if-match'],
  ['if-modified-since'],
  ['if-none-match'],
  ['if-range'],
  ['if-unmodified-since'],
  ['last-modified'],
  ['link'],
  ['location'],
  ['max-forwards'],
  ['proxy-authenticate'],
  ['proxy-authorization'],
  ['range'],
  ['referer'],
  ['refresh'],
  ['retry-after'],
  ['server'],
  ['set-cookie'],
  ['strict-transport-security'],
  ['transfer-encoding'],
  ['user-agent'],
  ['vary'],
  ['via'],
  ['www-authenticate'],
];

export interface StaticName {
  /** Of its first row. */
  readonly index: number;
  /** The nth of them is at `index` + n. */
  readonly values: readonly string[];
}

/** Flat name, value, name, value …; the first field has index 1. */
export const STATIC_FIELDS: readonly string[] = ROWS.flatMap(([name, ...values]) =>
  valuesOf(values).flatMap((value) => [name, value]),
);

export const STATIC_COUNT = STATIC_FIELDS.length / 2;

export const STATIC_NAMES: ReadonlyMap<string, StaticName> = new Map(
  ROWS.map(([name, ...values]) => [name, { index: STATIC_FIELDS.indexOf(name) / 2 + 1, values: valuesOf(values) }]),
);

function valuesOf(values: readonly string[]): readonly string[] {
  return values.length === 0 ? [''] : values;
}
