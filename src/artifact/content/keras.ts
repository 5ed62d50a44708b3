// What the configuration of a Keras model names: loading the model imports it and makes it, or unpacks its bytecode.
// https://keras.io/api/models/model_saving_apis/serialization_utils/

import type { ByteSource } from './byte-source.ts';

export type KerasReading =
  | { readonly kind: 'good' }
  | { readonly kind: 'program'; readonly detail: string }
  | { readonly kind: 'unread'; readonly detail: string };

const GOOD: KerasReading = { kind: 'good' };
const MAX_CONFIG_BYTES = 16 * 1024 * 1024;

const LAMBDA_DETAIL = 'Keras: a Lambda layer carries Python bytecode that loading the model unpacks';
const LOADER_DETAIL = 'Keras: a layer that loads a program from another file';
const MODULE_DETAIL = 'Keras: it names a module or function that is not one of its own layers and functions';

/** As `config.json` of a .keras archive. */
export function readKerasConfig(source: ByteSource): KerasReading {
  if (source.size > MAX_CONFIG_BYTES) return { kind: 'unread', detail: 'a configuration larger than is read' };
  let config: unknown;
  try {
    config = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(source.read(0, source.size)));
  } catch {
    return { kind: 'unread', detail: 'a configuration that is no JSON' };
  }
  // No recursion: it may be as deep as it is long.
  const open: unknown[] = [config];
  for (let each = open.pop(); each !== undefined; each = open.pop()) {
    if (typeof each !== 'object' || each === null) continue;
    const values = new Map<string, unknown>(Object.entries(each));
    const detail = Array.isArray(each) ? null : judgeObject(values);
    if (detail !== null) return { kind: 'program', detail };
    for (const value of values.values()) open.push(value);
  }
  return GOOD;
}

function judgeObject(values: ReadonlyMap<string, unknown>): string | null {
  const [className, module, config] = ['class_name', 'module', 'config'].map((key) => values.get(key));
  if (typeof className === 'string') {
    if (/lambda/i.test(className)) return LAMBDA_DETAIL;
    if (LOADERS.test(className)) return LOADER_DETAIL;
  }
  if (typeof module !== 'string' || !(values.has('class_name') || values.has('registered_name'))) return null;
  if (className !== 'function') return isOwnModule(module) ? null : MODULE_DETAIL;
  // A function of any module is taken by its name.
  const isOwn = module === 'builtins' ? !PYTHON_FUNCTIONS.test(String(config)) : FUNCTION_MODULE.test(module);
  return isOwn ? null : MODULE_DETAIL;
}

const LOADERS = /^(?:TFSMLayer|TorchModuleWrapper|FlaxLayer|JaxLayer)$/;
const OWN_MODULE =
  /^(?:tf_)?keras(?:\.src)?(?:\.(?:layers|activations|initializers|regularizers|constraints|losses|metrics|optimizers|dtype_policies|models|ops|random|engine|quantizers)(?:\.[a-z0-9_]+)*)?$/;
const FUNCTION_MODULE =
  /^(?:tf_)?keras(?:\.src)?\.(?:activations|initializers|regularizers|constraints|losses|metrics)(?:\.[a-z0-9_]+)*$/;
/** All of the module that reach further than their arguments; Keras says `builtins` for functions of its own as well. */
const PYTHON_FUNCTIONS =
  /__|^(?:aiter|anext|breakpoint|classmethod|compile|delattr|dir|eval|exec|exit|filter|getattr|globals|hasattr|help|input|iter|license|copyright|credits|locals|map|memoryview|next|object|open|print|property|quit|setattr|staticmethod|super|type|vars)$/;

function isOwnModule(module: string): boolean {
  return module === 'builtins' || OWN_MODULE.test(module);
}

/** In HDF5 the configuration is an attribute, which may stand anywhere; every letter may be an escape, with any spaces around. */
export function searchKerasConfig(source: ByteSource): KerasReading {
  let carried = '';
  for (let at = 0; at < source.size; at += SEARCH_BYTES) {
    const text =
      carried +
      Buffer.from(source.read(at, SEARCH_BYTES))
        .toString('latin1')
        .replaceAll(/[ \t\r\n]+/g, '');
    const plain = text.includes('\\u00') ? withoutEscapes(text) : text;
    if (/"class_name":"[^"]{0,64}lambda|"__lambda__"/i.test(plain)) return { kind: 'program', detail: LAMBDA_DETAIL };
    if (/"class_name":"(?:TFSMLayer|TorchModuleWrapper|FlaxLayer|JaxLayer)"/.test(plain))
      return { kind: 'program', detail: LOADER_DETAIL };
    for (const [, module = ''] of plain.matchAll(/"module":"([^"]{0,200})"/g))
      if (!isOwnModule(module)) return { kind: 'program', detail: MODULE_DETAIL };
    carried = text.slice(-SEARCH_OVERLAP);
  }
  return GOOD;
}

const SEARCH_BYTES = 1024 * 1024;
/** Of words of which every letter is an escape. */
const SEARCH_OVERLAP = 2048;

function withoutEscapes(text: string): string {
  return text.replaceAll(/\\u00([0-7][0-9a-fA-F])/g, (_whole, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}
