// What the inspection says of bytes, in a line for each hazard; and the bytes that many tests are about.

import { execFileSync } from 'node:child_process';
import { sourceOf } from '../../../src/artifact/content/byte-source.ts';
import { inspectContent } from '../../../src/artifact/content/inspect.ts';
import { inflate } from '../../../src/artifact-files/file-reading.ts';

export function tell(content: Buffer, name = 'file.bin'): readonly string[] {
  return inspectContent(sourceOf(content), { name, inflate }).hazards.map((hazard) => {
    const where = hazard.member === null ? '' : ` in ${hazard.member}`;
    return 'names' in hazard ? `${hazard.kind} ${hazard.names.join(',')}${where}` : `${hazard.kind}${where}`;
  });
}

export const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');
/** A pickle of protocol 0, without a mark. */
export const SYSTEM = ascii("cos\nsystem\n(S'id'\ntR.");
export const SYSTEM_4 = ascii('\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.');
export const PLAIN = ascii('\x80\x04}\x8c\x01aK\x01s.');

/** An array file of version 1. */
export function numpy(header: string, data: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16LE(header.length);
  return Buffer.concat([ascii('\x93NUMPY\x01\0'), length, ascii(header), data]);
}

export function hasPython(module: string): boolean {
  try {
    execFileSync('python3', ['-c', `import ${module}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** The lines that a program in Python answers. */
export function python(program: string, input = ''): readonly string[] {
  return execFileSync('python3', ['-c', program], {
    input,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
    .trimEnd()
    .split('\n');
}
