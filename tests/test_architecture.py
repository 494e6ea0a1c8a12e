"""The layers of the package, walked on the syntax tree: imports go down, no cycles, budgets kept, no vague names."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "metricpose"
FILES = sorted(SOURCE.rglob("*.py"))

LAYERS = {
    "errors": 0,
    "files": 0,
    "skeleton": 0,
    "geometry": 0,
    "heatmap": 0,
    "types": 1,
    "losses": 1,
    "vis": 1,
    "evaluation.metrics": 1,
    "augment": 2,
    "models": 2,
    "synthetic": 2,
    "formats": 2,
    "weights": 3,
    "importing": 3,
    "data": 3,
    "predict": 3,
    "export": 3,
    "training": 4,
    "evaluation": 4,
    "config": 5,
    "benchmark": 5,
    "cli": 6,
    "": 7,  # the package's __init__ re-exports from anywhere
}
ISOLATED = {"skeleton", "geometry", "heatmap"}  # layer-0 ideas that do not know each other
EVERYWHERE = {"errors", "files"}
OPTIONAL = {"anny", "onnxruntime", "transformers", "tensorboard", "onnx", "scipy", "matplotlib", "yaml", "PIL"}
OPTIONAL |= {"av", "h5py", "cdflib"}  # the extra `data`
FORBIDDEN_NAMES = {"utils", "common", "misc", "helpers", "base_utils", "util"}
CATALOGUES = {"catalog.py", "definitions.py"}
LINES, HARD_LINES = 300, 450


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(p for p in parts if p != "__init__")


def layer(module: str) -> int:
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in LAYERS:
            return LAYERS[name]
    raise AssertionError(f"{module} has no layer: add it to LAYERS and to docs/decisions")


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """Modules of this package that a file imports, TYPE_CHECKING blocks included."""
    known = {module_name(p) for p in FILES}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "metricpose":
            base = ".".join((node.module or "").split(".")[1:])
            for alias in node.names:
                deeper = f"{base}.{alias.name}".strip(".")
                yield (deeper if deeper in known else base), node
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "metricpose":
                    yield ".".join(alias.name.split(".")[1:]), node


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf8"))


GRAPH = {module_name(p): {name for name, _ in imports(parsed(p))} for p in FILES}


@pytest.mark.parametrize("module", sorted(m for m in GRAPH if m and not m.startswith("cli")))
def test_imports_go_down(module: str) -> None:
    for target in GRAPH[module]:
        assert target == "" or layer(target) <= layer(module), f"{module} (layer {layer(module)}) imports {target}"


@pytest.mark.parametrize("module", sorted(m for m in GRAPH if m.split(".")[0] in ISOLATED))
def test_layer_zero_folders_do_not_know_each_other(module: str) -> None:
    own = module.split(".")[0]
    foreign = {t for t in GRAPH[module] if t.split(".")[0] not in {own, *EVERYWHERE}}
    assert not foreign, f"{module} imports {foreign}"


def test_nobody_imports_the_command_line() -> None:
    offenders = {m: t for m, ts in GRAPH.items() for t in ts if t.startswith("cli") and not m.startswith("cli")}
    assert not offenders


def test_no_cycles_between_files() -> None:
    state: dict[str, int] = {}

    def visit(module: str, path: tuple[str, ...]) -> None:
        if state.get(module) == 2:
            return
        assert state.get(module) != 1, f"import cycle: {' -> '.join((*path, module))}"
        state[module] = 1
        for target in GRAPH.get(module, ()):
            if target and target != module:
                visit(target, (*path, module))
        state[module] = 2

    for module in GRAPH:
        visit(module, ())


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_file_budget(path: Path) -> None:
    lines = len(path.read_text(encoding="utf8").splitlines())
    allowed = 10_000 if path.name in CATALOGUES else HARD_LINES
    assert lines <= allowed, f"{path.name} has {lines} lines; hard stop {allowed}"


def test_most_files_stay_under_the_soft_budget() -> None:
    long = [p.name for p in FILES if len(p.read_text("utf8").splitlines()) > LINES and p.name not in CATALOGUES]
    assert len(long) <= len(FILES) // 20, f"over {LINES} lines: {long}"


def test_function_budget() -> None:
    lengths = [
        node.end_lineno - node.lineno + 1
        for path in FILES
        for node in ast.walk(parsed(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno is not None
    ]
    assert statistics.median(lengths) <= 14
    assert statistics.quantiles(lengths, n=10)[-1] <= 40


def test_names_say_what_is_inside() -> None:
    names = {p.stem for p in FILES} | {p.name for p in SOURCE.rglob("*") if p.is_dir()}
    assert not names & FORBIDDEN_NAMES


@pytest.mark.parametrize("path", [p for p in FILES if "cli" not in p.parts], ids=module_name)
def test_no_imports_hidden_in_functions(path: Path) -> None:
    """Optional extras may be imported late; our own package and core dependencies may not (cli is lazy on purpose)."""
    if path == SOURCE / "__init__.py":
        pytest.skip("the public names load torch on first use")
    for function in ast.walk(parsed(path)):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Import):
                found = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found = {(node.module or "").split(".")[0]}
            else:
                continue
            allowed = OPTIONAL | {"rich", "torch" if "tensorboard" in ast.unparse(node) else "", "importlib"}
            assert found <= allowed, f"{function.name}: imports {found} inside a function"


@pytest.mark.parametrize("path", [p for p in FILES if "models" in p.parts], ids=module_name)
def test_models_never_touch_files(path: Path) -> None:
    calls = {n.func.id for n in ast.walk(parsed(path)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert "open" not in calls
    assert not {"pathlib", "safetensors", "metricpose.files"} & {
        (n.module or "") for n in ast.walk(parsed(path)) if isinstance(n, ast.ImportFrom)
    }


def is_kernel(node: ast.FunctionDef) -> bool:
    """numba compiles a kernel for whatever types it is given: annotations there would be read by no one."""
    return any(isinstance(d, ast.Name) and d.id == "no_type_check" for d in node.decorator_list)


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_public_functions_are_documented_and_typed(path: Path) -> None:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not is_kernel(node):
            assert node.returns is not None, f"{node.name} lacks a return type"
            arguments = [*node.args.args, *node.args.kwonlyargs]
            bare = [a.arg for a in arguments if a.annotation is None and a.arg not in {"self", "cls"}]
            assert not bare, f"{node.name}: untyped {bare}"
    tree = parsed(path)
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} lacks a docstring"
