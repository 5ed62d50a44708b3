// Nominal types: a branded string is proof that its one parser accepted it.

declare const brand: unique symbol;

export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
