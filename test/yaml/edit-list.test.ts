// What cannot be edited is refused; what can be, with all its layouts, is held in test/revocation/edit-document.test.ts.

import { describe, expect, it } from 'vitest';
import { appendToList, removeFromList, YamlEditError } from '../../src/yaml/edit-list.ts';

const fields = [['name', 'c']] as const;

describe('a list in a YAML file', () => {
  it('gets an item more, and loses one', () => {
    const text = 'list:\n  - name: a\n  - name: b\n';
    expect(appendToList(text, 'list', fields)).toBe(`${text}  - name: "c"\n`);
    expect(removeFromList(text, 'list', 1)).toBe('list:\n  - name: a\n');
  });

  it('is written where its key stands, also when the whole file is indented', () => {
    expect(appendToList('  a: 1\n  list: []\n', 'list', fields)).toBe('  a: 1\n  list:\n    - name: "c"\n');
    expect(appendToList('  list: []\n', 'list', fields)).toBe('  list:\n    - name: "c"\n');
  });

  it.each([
    ['that is no YAML', 'list: ['],
    ['that is empty', ''],
    ['that is a list itself', '- a\n'],
    ['without the key', 'other: []\n'],
    ['in which the key has no value', 'list:\n'],
    ['in which the key has a text', 'list: a\n'],
    ['in which the key has a mapping', 'list: {}\n'],
    ['with the key below another', 'top:\n  list: []\n'],
    ['in which the list stands for another', 'other: &x []\nlist: *x\n'],
  ])('of a file %s is not edited', (_name, text) => {
    expect(() => appendToList(text, 'list', fields)).toThrow(YamlEditError);
    expect(() => removeFromList(text, 'list', 0)).toThrow(YamlEditError);
  });

  it('has no item to lose behind its last', () => {
    expect(() => removeFromList('list:\n  - a\n', 'list', 1)).toThrow('`list` has no item 2');
    expect(() => removeFromList('list: []\n', 'list', 0)).toThrow('`list` has no item 1');
  });

  it('does not lose an item that shares its line with something else', () => {
    expect(() => removeFromList('? list\n: - name: a\n  - name: b\n', 'list', 0)).toThrow(YamlEditError);
  });
});
