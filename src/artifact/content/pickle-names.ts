// Which imported names only put data together, and which give a pickle the run of the machine.
// https://docs.pytorch.org/docs/stable/notes/serialization.html#weights-only

import type { PickleImport } from './pickle.ts';

/** `data`: builds values and does nothing else. `dangerous`: runs code, reaches files, the network or other names. `unknown`: neither list has it. */
export type ImportVerdict = 'data' | 'dangerous' | 'unknown';

export function judgeImport({ module, name }: Pick<PickleImport, 'module' | 'name'>): ImportVerdict {
  const known = DATA.get(PYTHON_2.get(module) ?? module);
  if (known?.test(name) === true) return 'data';
  if (module === '?' || name === '?' || module === 'copyreg extension') return 'dangerous';
  const home = PYTHON_2.get(module) ?? module;
  const [root = ''] = home.split('.');
  if (DANGEROUS_ROOTS.has(root)) return 'dangerous';
  // `collections` with the name `OrderedDict.__init__.__globals__` is everything there is.
  if (name.includes('__') || DANGEROUS_MODULES.some((known) => home === known || home.startsWith(`${known}.`))) {
    return 'dangerous';
  }
  return DANGEROUS_NAMES.has(`${home}.${name}`) ? 'dangerous' : 'unknown';
}

/** As Python 3 maps them for pickles of protocol 2 and below. */
const PYTHON_2: ReadonlyMap<string, string> = new Map([
  ['__builtin__', 'builtins'],
  ['copy_reg', 'copyreg'],
  ['UserDict', 'collections'],
  ['UserList', 'collections'],
  ['UserString', 'collections'],
  ['commands', 'subprocess'],
  ['cPickle', 'pickle'],
  ['urllib2', 'urllib'],
  ['httplib', 'http'],
]);

const TORCH_DTYPES =
  '(?:b?float(?:16|32|64)?|double|half|complex(?:32|64|128)|c?float|cdouble|chalf|u?int(?:8|16|32|64)|short|int|long|bool|q?u?int(?:8|32)|quint(?:8|4x2|2x4)|float8_(?:e4m3fn|e5m2|e4m3fnuz|e5m2fnuz|e8m0fnu))';
const STORAGES =
  '(?:Double|Float|Half|Long|Int|Short|Char|Byte|Bool|BFloat16|ComplexDouble|ComplexFloat|QInt8|QInt32|QUInt8|QUInt4x2|QUInt2x4|Untyped|Typed)Storage';

/** Whole names. */
const DATA: ReadonlyMap<string, RegExp> = new Map(
  (
    [
      ['builtins', 'set|frozenset|dict|list|tuple|int|float|complex|bytes|bytearray|str|bool|slice|range|object'],
      ['collections', 'OrderedDict|Counter|deque|defaultdict'],
      ['_codecs', 'encode'],
      ['copyreg', '_reconstructor'],
      ['datetime', 'date|datetime|time|timedelta|timezone'],
      ['decimal', 'Decimal'],
      ['fractions', 'Fraction'],
      ['uuid', 'UUID'],
      ['pathlib', 'Path|PosixPath|WindowsPath|PurePath|PurePosixPath|PureWindowsPath'],
      ['argparse', 'Namespace'],
      ['types', 'SimpleNamespace'],
      ['torch', `Size|device|Tensor|${TORCH_DTYPES}|${STORAGES}|(?:per_(?:tensor|channel)_(?:affine|symmetric))`],
      ['torch.cuda', STORAGES],
      ['torch.storage', '(?:Untyped|Typed)Storage'],
      ['torch.nn.parameter', 'Parameter|Buffer|UninitializedParameter'],
      [
        'torch._utils',
        '_rebuild_(?:tensor(?:_v[23])?|parameter(?:_with_state)?|qtensor|sparse_tensor|sparse_csr_tensor|meta_tensor_no_storage|device_tensor_from_(?:numpy|cpu_tensor)|nested_tensor|wrapper_subclass)',
      ],
      ['torch._tensor', '_rebuild_from_type_v2'],
      ['torch.serialization', '_get_layout'],
      ['numpy', 'ndarray|dtype|bool_|float(?:16|32|64)|u?int(?:8|16|32|64)|str_|bytes_|complex(?:64|128)'],
      ['numpy.core.multiarray', '_reconstruct|scalar'],
      ['numpy._core.multiarray', '_reconstruct|scalar'],
      ['numpy.core.numeric', '_frombuffer'],
      ['numpy._core.numeric', '_frombuffer'],
      ['numpy.dtypes', '[A-Z][A-Za-z0-9]*DType'],
    ] as const
  ).map(([module, names]) => [module, new RegExp(`^(?:${names})$`)]),
);

/** Of the first part of a module's name: nothing in them is a value. */
const DANGEROUS_ROOTS: ReadonlySet<string> = new Set(
  (
    'builtins os posix nt ntpath posixpath subprocess _posixsubprocess sys socket _socket ssl shutil runpy importlib imp _imp ' +
    'pkgutil zipimport pty pickle _pickle marshal shelve dill cloudpickle types code codeop codecs ctypes _ctypes cffi ' +
    'multiprocessing concurrent threading _thread asyncio signal webbrowser requests aiohttp httpx urllib urllib3 http ftplib ' +
    'smtplib poplib imaplib telnetlib xmlrpc socketserver tempfile io _io pathlib glob fileinput linecache pip _pip ensurepip ' +
    'venv site setuptools distutils pkg_resources operator _operator functools _functools itertools timeit cProfile profile pdb bdb ' +
    'trace tracemalloc doctest unittest idlelib lib2to3 pydoc inspect gc ast dis py_compile compileall platform ' +
    'commands popen2 getpass pwd spwd crypt mmap resource fcntl termios tty readline rlcompleter sqlite3 dbm tarfile zipfile ' +
    'gzip bz2 lzma logging sched atexit weakref copyreg nturl2path winreg _winreg msvcrt antigravity this tkinter turtle ' +
    'test _testcapi _xxsubinterpreters _interpreters sysconfig cgi wsgiref paramiko fabric invoke sh pexpect ptyprocess ' +
    'boto3 botocore google azure kubernetes docker IPython ipykernel jupyter_client pandas_eval numexpr jinja2 mako ' +
    '_pyrepl _osx_support _aix_support _sitebuiltins psutil sarge plumbum jsonpickle nis syslog cgitb zipapp' +
    'posixshmem _posixshmem selectors nis syslog cgitb ensurepip zipapp webview celery fire gunicorn uvicorn'
  ).split(' '),
);

const DANGEROUS_MODULES: readonly string[] = [
  'torch.hub',
  'torch.jit',
  'torch.package',
  'torch.utils.cpp_extension',
  'torch.utils._config_module',
  'torch.utils.bottleneck',
  'torch.utils.collect_env',
  'torch.utils.data.datapipes',
  'torch.distributed',
  'torch._dynamo',
  'torch._inductor',
  'torch.fx',
  'torch.serialization',
  'torch.multiprocessing',
  'numpy.testing',
  'numpy.f2py',
  'numpy.distutils',
  'numpy.ctypeslib',
  'joblib.numpy_pickle_utils',
  'sklearn.utils._joblib',
  'transformers.utils.hub',
  'huggingface_hub',
  'tensorflow.python.ops',
  'keras.src.utils.file_utils',
  'keras.layers',
  'keras.models',
  'keras.saving',
  'keras.src.saving',
  'keras.utils',
  'tensorflow.keras',
  'yaml',
  'ruamel.yaml',
  'pandas.io',
  'pandas.core.computation',
  'sklearn.externals.joblib',
  'joblib.parallel',
  'joblib.externals',
  'joblib.memory',
  'tornado.process',
  'tornado.template',
  'mlflow.projects',
  'mlflow.pyfunc',
  'torch.utils.model_zoo',
  'torch.utils.checkpoint',
  'numpy.lib._npyio_impl',
  'numpy.lib.npyio',
  'numpy.lib._datasource',
  'numpy.compat.py3k',
  'scipy.io',
  'scipy.weave',
  'transformers.pipelines',
  'transformers.dynamic_module_utils',
  'datasets.load',
  'django.core.management',
  'flask.cli',
  'click.testing',
  'matplotlib.testing',
  'lightning.pytorch.cli',
  'pytorch_lightning.cli',
];

const DANGEROUS_NAMES: ReadonlySet<string> = new Set([
  'torch.load',
  'torch.save',
  'torch.compile',
  'torch.storage._load_from_bytes',
  'numpy.load',
  'numpy.save',
  'numpy.fromfile',
  'numpy.loadtxt',
  'numpy.genfromtxt',
  'numpy.memmap',
  'numpy.vectorize',
  'pandas.read_pickle',
  'pandas.eval',
  'pandas.core.frame.DataFrame.eval',
  'pandas.read_hdf',
  'pandas.read_csv',
  'transformers.pipeline',
  'datasets.load_dataset',
  'torch.from_file',
  'torch.classes',
  'torch.ops',
  'numpy.lib.format.read_array',
  'numpy.lib.format.open_memmap',
  'numpy.core.records.fromfile',
  'numpy.rec.fromfile',
  'numpy.savez',
  'numpy.savez_compressed',
  'numpy.savetxt',
  'numpy.apply_along_axis',
  'numpy.fromfunction',
  'numpy.frompyfunc',
  'scipy.LowLevelCallable',
  'joblib.load',
  'joblib.Parallel',
  'joblib.Memory',
  'sympy.sympify',
  'sympy.core.sympify.sympify',
  'fsspec.open',
  'nltk.download',
  'joblib.numpy_pickle.dump',
  'joblib.dump',
  'joblib.numpy_pickle.load',
  'collections.namedtuple',
  'uuid._get_command_stdout',
]);
