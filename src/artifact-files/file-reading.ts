// One file, opened once: what is hashed, searched and looked into are the same bytes, or none.

import { createHash } from 'node:crypto';
import { closeSync, constants, type BigIntStats, fstatSync, openSync, readSync } from 'node:fs';
import { gunzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import { scanCredentials } from '../artifact/credential-scan.ts';
import type { ByteSource } from '../artifact/content/byte-source.ts';
import type { Inflated, InspectTerms } from '../artifact/content/content-reading.ts';
import { inspectContent } from '../artifact/content/inspect.ts';
import type { DigestAlgorithm } from '../artifact/digest.ts';
import type { FileFacts } from '../artifact/run.ts';
import { HASH_NAMES } from '../artifact/tree-digest.ts';
import { describeFailure } from '../kube/file-tree.ts';

export interface FileJob {
  readonly id: number;
  /** Where it lies. */
  readonly path: string;
  /** Its own name. */
  readonly name: string;
  /** As the walk found it. */
  readonly identity: string;
  readonly algorithms: readonly DigestAlgorithm[];
}

/** `report` is told how many bytes were hashed since it was last told. */
export function readFileFacts(job: FileJob, report: (bytes: number) => void): FileFacts {
  let descriptor: number;
  try {
    // A pipe put in its place would keep an open waiting for ever.
    descriptor = openSync(job.path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    return { kind: 'unreadable', detail: describeFailure(error) };
  }
  try {
    const before = fstatSync(descriptor, { bigint: true });
    if (!before.isFile() || `${before.dev}:${before.ino}` !== job.identity) {
      return { kind: 'changed', detail: 'another file was put in its place while the run was read' };
    }
    const reading = read(descriptor, Number(before.size), { job, report });
    const after = fstatSync(descriptor, { bigint: true });
    if (reading === null || versionOf(before) !== versionOf(after)) {
      return { kind: 'changed', detail: 'it changed while it was read; nothing is said of what it is now' };
    }
    return reading;
  } catch (error) {
    return { kind: 'unreadable', detail: describeFailure(error) };
  } finally {
    closeSync(descriptor);
  }
}

interface ReadTerms {
  readonly job: FileJob;
  readonly report: (bytes: number) => void;
}

/** Null when it became shorter. */
function read(descriptor: number, size: number, { job, report }: ReadTerms): FileFacts | null {
  const digests: Partial<Record<DigestAlgorithm, string>> = {};
  if (job.algorithms.length > 0) {
    const hashes = job.algorithms.map((algorithm) => ({ algorithm, hash: createHash(HASH_NAMES[algorithm]) }));
    for (let at = 0; at < size; ) {
      const bytes = readSync(descriptor, CHUNK, 0, Math.min(CHUNK.length, size - at), at);
      if (bytes === 0) return null;
      const chunk = CHUNK.subarray(0, bytes);
      for (const { hash } of hashes) hash.update(chunk);
      at += bytes;
      report(bytes);
    }
    for (const { algorithm, hash } of hashes) digests[algorithm] = hash.digest('hex');
  }
  const source = sourceOf(descriptor, size);
  const content = inspectContent(source, { name: job.name, inflate });
  const { detections, unsearched } = scanCredentials(source, job.name, content.texts);
  return { kind: 'read', digests, content: { ...content, texts: [] }, credentials: detections, unsearched };
}

/** Fits the second level of a processor's cache; bigger ones are slower. One for the thread: it reads one file at a time. */
const CHUNK = Buffer.allocUnsafeSlow(256 * 1024);

function sourceOf(descriptor: number, size: number): ByteSource {
  return {
    size,
    read(offset, length) {
      const wanted = Math.max(0, Math.min(length, size - offset));
      const bytes = Buffer.allocUnsafe(wanted);
      let at = 0;
      while (at < wanted) {
        const read = readSync(descriptor, bytes, at, wanted - at, offset + at);
        if (read === 0) break;
        at += read;
      }
      return bytes.subarray(0, at);
    },
  };
}

const INFLATERS = { raw: inflateRawSync, gzip: gunzipSync, zlib: inflateSync } as const;

export const inflate: InspectTerms['inflate'] = (bytes, form, maxBytes): Inflated => {
  try {
    return { kind: 'bytes', bytes: INFLATERS[form](bytes, { maxOutputLength: Math.max(1, maxBytes) }) };
  } catch (error) {
    const isTooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    return { kind: isTooLarge ? 'too-large' : 'broken' };
  }
};

/** Of contents and of everything that a change of them changes. */
function versionOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}
