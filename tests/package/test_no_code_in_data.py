"""Nothing that the package reads is run as code."""

import ast
from pathlib import Path

import pytest

import dp_ros

ROOT = Path(dp_ros.__file__).parent
MODULES = {'pickle', 'dill', 'cloudpickle', 'marshal', 'shelve', 'joblib'}
YAML = {'yaml.load', 'yaml.full_load', 'yaml.unsafe_load'}
CALLS = {'eval', 'exec', 'os.system', 'os.popen'} | YAML
FORBIDDEN = {'allow_pickle': True, 'shell': True, 'weights_only': False}


def offences(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] + [getattr(node, 'module', '') or '']
            yield from (n for n in names if n.split('.')[0] in MODULES)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            given = {k.arg: getattr(k.value, 'value', None) for k in node.keywords}
            if name in CALLS or (name == 'torch.load' and given.get('weights_only') is not True):
                yield name
            yield from (f'{k}={v}' for k, v in given.items() if FORBIDDEN.get(k, ...) is v)


@pytest.mark.parametrize(
    'source',
    ['import pickle', 'from pickle import loads', 'torch.load(p)', 'yaml.load(t)', 'eval(t)',
     'np.load(p, allow_pickle=True)', 'run(c, shell=True)', 'os.system(c)'],
)  # fmt: skip
def test_what_runs_data_as_code_is_found(source):
    assert list(offences(source))


def test_the_package_runs_no_data_as_code():
    found = {str(p): list(offences(p.read_text())) for p in ROOT.rglob('*.py')}
    assert {path: what for path, what in found.items() if what} == {}
