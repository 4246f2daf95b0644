"""The run-time loads data, never code: no pickle, no eval, no loader that makes objects, no shell."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parent.parent / "ros2_ws" / "src"
ROOMS = ("sleight_core", "sleight_description", "sleight_ros")
FILES = sorted(path for room in ROOMS for path in (SOURCES / room / room).rglob("*.py"))
#: Modules whose files or messages can make any object.
MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "torch"}
#: Built-in functions that run text.
BUILTINS = {"eval", "exec", "compile", "__import__"}
#: Functions of modules: (last part of what it is called on, name).
FUNCTIONS = {("os", "system"), ("os", "popen"), ("tempfile", "mktemp"), ("pandas", "read_pickle")}
SAFE_LOADERS = {"SafeLoader", "CSafeLoader"}


def name_of(node: ast.expr | None) -> str:
    """The last part of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def offences(text: str) -> Iterator[tuple[int, str]]:
    """Line and kind of everything that is refused in a module's text."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, f"imports {a.name}") for a in node.names if a.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES and node.level == 0:
            yield node.lineno, f"imports {node.module}"
        elif isinstance(node, ast.ImportFrom) and node.module == "yaml":
            yield from ((node.lineno, f"yaml.{a.name}") for a in node.names if not a.name.lower().startswith("safe"))
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, words) for words in offences_of_call(node))


def offences_of_call(call: ast.Call) -> Iterator[str]:
    """What is refused about one call."""
    options = {one.arg: one.value for one in call.keywords}
    if isinstance(call.func, ast.Name):
        if call.func.id in BUILTINS:
            yield f"calls {call.func.id}"
    elif isinstance(call.func, ast.Attribute):
        owner, name = name_of(call.func.value), call.func.attr
        if (owner, name) in FUNCTIONS or (owner == "builtins" and name in BUILTINS):
            yield f"calls {owner}.{name}"
        if owner == "yaml" and name in ("load", "load_all"):
            loader = options.get("Loader", call.args[1] if len(call.args) > 1 else None)
            if name_of(loader) not in SAFE_LOADERS:
                yield f"yaml.{name} without a safe loader"
        elif owner == "yaml" and name.startswith(("unsafe_", "full_")):
            yield f"calls yaml.{name}"
    for option in ("allow_pickle", "shell"):
        value = options.get(option)
        if value is not None and not (isinstance(value, ast.Constant) and value.value is False):
            yield f"{option} is not False"
    if isinstance(weights := options.get("weights_only"), ast.Constant) and weights.value is not True:
        yield "weights_only is not True"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCES)))
def test_the_run_time_loads_no_code(path: Path) -> None:
    assert not list(offences(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "import torch.jit",
        "from torch import load",
        "eval('1')",
        "exec(code)",
        "compile(text, 'x', 'exec')",
        "__import__(name)",
        "import builtins; builtins.eval('1')",
        "yaml.load(text)",
        "yaml.load(text, yaml.Loader)",
        "yaml.load_all(text, Loader=yaml.FullLoader)",
        "yaml.unsafe_load(text)",
        "from yaml import load",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=wanted)",
        "subprocess.run(line, shell=True)",
        "os.system(line)",
        "x.load(path, weights_only=False)",
    ],
)
def test_what_is_refused(text: str) -> None:
    assert list(offences(text))


@pytest.mark.parametrize(
    "text",
    [
        "yaml.safe_load(text)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "yaml.load(text, yaml.CSafeLoader)",
        "from yaml import safe_load",
        "np.load(path)",
        "np.load(path, allow_pickle=False)",
        "re.compile(pattern)",
        "model.eval()",
        "subprocess.run([program, word])",
    ],
)
def test_what_is_allowed(text: str) -> None:
    assert not list(offences(text))
