// Pieces of text put together, so that millions of small ones are not as many calls of the operating system.

const BATCH_CHARACTERS = 65_536;

export function* inBatches(pieces: Iterable<string>): Iterable<string> {
  let batch = '';
  for (const piece of pieces) {
    batch += piece;
    if (batch.length < BATCH_CHARACTERS) continue;
    yield batch;
    batch = '';
  }
  if (batch !== '') yield batch;
}
