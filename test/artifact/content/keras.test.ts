import { describe, expect, it } from 'vitest';
import { ascii, tell } from './look-at.ts';
import { writeZip } from './zip-writer.ts';

const HDF5 = ascii('\x89HDF\r\n\x1a\n');

function keras(config: string): readonly string[] {
  return tell(writeZip([{ name: 'config.json', content: Buffer.from(config) }]), 'm.keras').map(
    (hazard) => hazard.split(' ')[0] ?? '',
  );
}

function hdf5(config: string): readonly string[] {
  return tell(Buffer.concat([HDF5, Buffer.alloc(100), ascii(config)]), 'm.h5');
}

const FUNCTION = (module: string, name: string): string =>
  `{"module":"${module}","class_name":"function","config":"${name}","registered_name":"${name}"}`;
const spaces = ' '.repeat(3000);

describe('a Keras model', () => {
  it.each<[string, string]>([
    ['a Lambda layer', '{"class_name":"Lambda"}'],
    ['spaces before the colon', '{"class_name" : "Lambda"}'],
    ['many spaces', `{"class_name"${spaces}:${spaces}"Lambda"}`],
    ['lines', '{"class_name":\n\n\n\n\n\n"Lambda"}'],
    ['escapes', '{"\\u0063lass_name":"L\\u0061mbda"}'],
    ['a layer with a package in front', '{"class_name":"keras.layers>Lambda"}'],
    ['bytecode by itself', '{"class_name":"__lambda__","config":{}}'],
    ['a layer that loads another model', '{"module":"keras.layers","class_name":"TFSMLayer","config":{}}'],
    ['a function of another module', FUNCTION('subprocess', 'run')],
    ['a module in escapes', '{"module":"\\u006fs","class_name":"system"}'],
    ['a module that only begins like Keras', '{"module":"keras_evil","class_name":"A"}'],
    ['a module of Keras that loads', '{"module":"keras.utils","class_name":"get_file"}'],
  ])('B15 with %s is a program, in either format', (_name, config) => {
    expect(keras(`{"config":{"layers":[${config}]}}`)).toEqual(['program']);
    expect(hdf5(config)).toEqual(['program']);
  });

  it.each([
    FUNCTION('builtins', 'eval'),
    FUNCTION('builtins', '__import__'),
    FUNCTION('keras.models', 'load_model'),
    FUNCTION('keras', 'utils'),
  ])('B15 with the function %s is a program', (config) => {
    expect(keras(config)).toEqual(['program']);
  });

  it.each([
    '{"module":"keras","class_name":"Sequential","config":{"layers":[{"module":"keras.layers","class_name":"Dense","registered_name":null}]}}',
    '{"module":"keras.src.models.functional","class_name":"Functional","config":{"name":"lambda"}}',
    FUNCTION('builtins', 'relu'),
    FUNCTION('keras.losses', 'mse'),
    '{"architectures":["BertModel"],"module":"anything"}',
  ])('B15 passes %s', (config) => {
    expect(keras(config)).toEqual([]);
  });

  it('B15 is unknown with a configuration that cannot be read', () => {
    expect(keras('{"class_name": NaN}')).toEqual(['unread']);
    expect(keras('')).toEqual(['unread']);
    expect(keras('['.repeat(100_000))).toEqual(['unread']);
    expect(keras(`${'['.repeat(100_000)}${']'.repeat(100_000)}`).filter((each) => each !== 'unread')).toEqual([]);
  });

  it.each([0, 512, 1024, 2048, 65_536])('B15 is found in HDF5 behind %s bytes', (at) => {
    const content = Buffer.concat([Buffer.alloc(at), HDF5, ascii('{"class_name":"Lambda"}')]);
    expect(tell(content, 'm.h5')).toEqual(['program']);
  });

  it('B15 is found where the search goes on', () => {
    for (const at of [1_048_560, 1_048_570, 1_048_576]) {
      const content = Buffer.concat([HDF5, Buffer.alloc(at - 8), ascii('{"class_name":"Lambda"}')]);
      expect(tell(content, 'm.h5')).toEqual(['program']);
    }
  });
});
