// The real file system, with a chance for the test to do something before each question that is put to it.

import { nodeFileSystem, type FileSystem } from '../../src/files/file-system.ts';

export interface Question {
  readonly kind: keyof FileSystem;
  readonly path: string;
  /** Counts all questions, from 0. */
  readonly index: number;
}

export function interposeFileSystem(before: (question: Question) => void): FileSystem {
  let index = 0;
  const ask = (kind: keyof FileSystem, path: string): void => {
    before({ kind, path, index });
    index += 1;
  };
  return {
    readLink: async (path) => {
      ask('readLink', path);
      return await nodeFileSystem.readLink(path);
    },
    stat: async (path) => {
      ask('stat', path);
      return await nodeFileSystem.stat(path);
    },
    read: async (path, maxBytes) => {
      ask('read', path);
      return await nodeFileSystem.read(path, maxBytes);
    },
    list: async (path) => {
      ask('list', path);
      return await nodeFileSystem.list(path);
    },
    isReadOnly: async (path) => {
      ask('isReadOnly', path);
      return await nodeFileSystem.isReadOnly(path);
    },
  };
}

/** What the operating system says to a process that may not. */
export function permissionDenied(): Error {
  return Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES', syscall: 'open' });
}
