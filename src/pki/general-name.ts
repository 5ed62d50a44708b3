// GeneralName: the forms a subject alternative name or a name constraint can take.
// RFC 5280 §4.2.1.6

export type GeneralName =
  /** One character a byte (Latin-1), exactly as in the certificate; the reader of the URI decides about its characters. */
  | { readonly form: 'uri' | 'dns' | 'email'; readonly value: string }
  | { readonly form: 'ip'; readonly octets: Buffer }
  | { readonly form: 'directory'; readonly name: Buffer }
  | { readonly form: 'other' | 'x400' | 'edi-party' | 'registered-id' };
