// `id parse`: is this a SPIFFE ID, which trust domain and path, and if it is none, why not.

import type { Command } from 'commander';
import { parseSpiffeId, pathOf, SpiffeIdError, trustDomainOf } from '../spiffe/spiffe-id.ts';
import { escapeJson } from '../core/ascii-json.ts';
import type { CommandIo } from './command-io.ts';

const EXIT_INVALID = 1;
const EXIT_USAGE = 2;
const LINE_FEED = 0x0a;
const MAX_LINE_BYTES = 1024 * 1024;

export function registerIdCommand(program: Command, io: CommandIo): void {
  const id = program.command('id').description('SPIFFE IDs');
  id.command('parse')
    .description('parse SPIFFE IDs, verbatim; a JSON line for each; exit 1 when any is invalid')
    .argument('[ids...]', 'SPIFFE IDs; without any, one a line on standard input')
    // An argument that begins with a dash is an invalid ID, not a wrong call.
    .allowUnknownOption()
    .action(async (ids: readonly string[]) => {
      let areAllValid = true;
      const report = (input: string): void => {
        const outcome = parse(input);
        areAllValid &&= outcome.ok;
        io.write(`${escapeJson(JSON.stringify(outcome))}\n`);
      };
      if (ids.length > 0) {
        for (const input of ids) report(input);
      } else {
        for await (const line of linesOf(io.stdin)) {
          if (line === null) {
            io.writeError(`sallyport: a line on standard input has more than ${MAX_LINE_BYTES} bytes\n`);
            io.setExitCode(EXIT_USAGE);
            return;
          }
          // An invalid sequence becomes U+FFFD, which no SPIFFE ID has either.
          report(line.toString('utf8'));
        }
      }
      io.setExitCode(areAllValid ? 0 : EXIT_INVALID);
    });
}

type ParseOutcome =
  | { readonly input: string; readonly ok: true; readonly trustDomain: string; readonly path: string }
  | { readonly input: string; readonly ok: false; readonly code: string; readonly message: string };

function parse(input: string): ParseOutcome {
  try {
    const id = parseSpiffeId(input);
    return { input, ok: true, trustDomain: trustDomainOf(id), path: pathOf(id) };
  } catch (error) {
    if (!(error instanceof SpiffeIdError)) throw error;
    return { input, ok: false, code: error.code, message: error.message };
  }
}

/** Lines without their line feed and otherwise as they are, CR included; null for one that is too long, and then no more. */
async function* linesOf(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer | null> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of source) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      yield Buffer.concat([...pending, chunk.subarray(start, end)]);
      pending = [];
      pendingBytes = 0;
      start = end + 1;
    }
    if (start === chunk.length) continue;
    pending.push(chunk.subarray(start));
    pendingBytes += chunk.length - start;
    if (pendingBytes > MAX_LINE_BYTES) {
      yield null;
      return;
    }
  }
  if (pendingBytes > 0) yield Buffer.concat(pending);
}
