"""The command `metricpose`: finds the sub-command and runs it; nothing heavy is imported before that.

Exit codes: 0 done, 1 failed (the message says what to do), 2 wrong usage.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from metricpose import __version__
from metricpose.errors import MetricposeError

DONE, FAILED, BAD_USAGE, INTERRUPTED = 0, 1, 2, 130


class Command(NamedTuple):
    """A sub-command: where its function is, one line about it, and the optional argument a leading bare word gives."""

    module: str
    function: str
    summary: str
    first: str = ""


COMMANDS: dict[str, Command] = {
    "predict": Command("predict", "run", "3D poses of the people in photographs: files and pictures"),
    "train": Command("train", "run", "train a model as a recipe says"),
    "evaluate": Command("evaluate", "run", "measure a model or predictions by a protocol", "checkpoint"),
    "models": Command("models", "run", "the methods: paper, parameters, operations; the bundled models"),
    "weights import": Command("weights", "import_", "turn a public checkpoint into a model file, strictly"),
    "weights list": Command("weights", "list_", "the models that have a name, and where they are"),
    "weights verify": Command("weights", "verify", "load a model file as it would be used, and check its hash"),
    "data list": Command(
        "data", "show_sets", "the data sets that can be read: labels, joints, licence, where to sign", "name"
    ),
    "data prepare": Command("data", "prepare", "make shards for training of a data set as distributed"),
    "data preview": Command("data", "preview", "a sheet of a data set's people with their joints"),
    "data check": Command("data", "check", "counts, cameras, bones, left and right of a data set: what is wrong"),
    "synth preview": Command("synth", "preview", "a sheet of synthetic people to look at"),
    "synth render": Command("synth", "render", "render synthetic people into shards for training"),
    "synth scene": Command("synth", "scene", "single synthetic scenes as pictures with their ground truth"),
    "synth bake": Command("synth", "bake", "make richer rendering assets from MakeHuman, motion capture, photographs"),
    "benchmark methods": Command(
        "benchmark", "methods", "compare six methods and their ablations on equal terms: results, table, figure, claims"
    ),
    "benchmark speed": Command("benchmark", "speed", "parameters, operations, memory and time of every head"),
    "doctor": Command("doctor", "run", "check the installation and run a small self-test"),
}

REPORTING = ("predict", "doctor", "models", "benchmark methods", "data check")
"""Commands whose result is the exit code."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
        return DONE if arguments else BAD_USAGE
    if arguments[0] in ("-V", "--version"):
        print(f"metricpose {__version__}")
        return DONE
    name, rest = _split(arguments)
    if name not in COMMANDS and rest[:1] in (["-h"], ["--help"]) and _inner(name):
        print("\n".join(f"metricpose {inner}: {COMMANDS[inner].summary}" for inner in _inner(name)))
        return DONE
    if name not in COMMANDS:
        print(_unknown(name), file=sys.stderr)
        return BAD_USAGE
    # Spinning OpenMP threads make two busy processes on two cores ten times slower; must be set before torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return _run(name, rest)


def overview() -> str:
    """What `metricpose --help` prints."""
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            f"metricpose {__version__}: 3D human pose in millimetres from one ordinary camera",
            "",
            "usage: metricpose COMMAND [OPTIONS]",
            "",
            *lines,
            "",
            "metricpose COMMAND --help explains a command. Exit codes: 0 done, 1 failed, 2 wrong usage.",
        ]
    )


def _split(arguments: list[str]) -> tuple[str, list[str]]:
    """Command name, which may be two words, and its arguments."""
    pair = " ".join(arguments[:2])
    return (pair, arguments[2:]) if pair in COMMANDS else (arguments[0], arguments[1:])


def _unknown(name: str) -> str:
    inner = _inner(name)
    close = difflib.get_close_matches(name, [c.split()[0] for c in COMMANDS], 1)
    hint = f"expected one of: {', '.join(inner)}" if inner else f"did you mean '{close[0]}'?" if close else ""
    return f"metricpose: unknown command '{name}'; {hint or 'see metricpose --help'}"


def _inner(group: str) -> list[str]:
    """The commands of a group, such as those that start with 'synth'."""
    return [c for c in COMMANDS if c.split()[0] == group]


def _run(name: str, arguments: list[str]) -> int:
    try:
        result = _parse_and_call(name, arguments)
    except MetricposeError as error:
        print(f"metricpose {name}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(f"metricpose {name}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except SystemExit as stop:  # tyro: 0 after --help, 2 after wrong usage
        return stop.code if isinstance(stop.code, int) else DONE if stop.code is None else BAD_USAGE
    return result if isinstance(result, int) and name in REPORTING else DONE


def _parse_and_call(name: str, arguments: list[str]) -> Any:
    import tyro

    command = COMMANDS[name]
    function = _function(command, name)
    if command.first and arguments and not arguments[0].startswith("-"):
        arguments = [f"--{command.first}", *arguments]
    return tyro.cli(
        function,
        prog=f"metricpose {name}",
        args=gather(arguments, "--set"),
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.PositionalRequiredArgs),
    )


def _function(command: Command, name: str) -> Callable[..., Any]:
    try:
        function = getattr(importlib.import_module(f"metricpose.cli.{command.module}"), command.function)
    except (ImportError, AttributeError) as error:
        if getattr(error, "name", "").startswith("metricpose.cli") or isinstance(error, AttributeError):
            raise MetricposeError(f"this installation has no '{name}'") from error
        raise MetricposeError(f"'{name}' needs a package that cannot be imported: {error}") from error
    # tyro resolves every annotation, but a command may name a type it only imports when it runs as its result.
    for layer in (function, inspect.unwrap(function)):
        layer.__annotations__ = {k: v for k, v in layer.__annotations__.items() if k != "return"}
    return function


def gather(arguments: list[str], option: str) -> list[str]:
    """``--set a --set b`` and ``--set=a`` -> ``--set a b`` at the end, which a list option takes."""
    values: list[str] = []
    others: list[str] = []
    inside = False
    for word in arguments:
        if word == option:
            inside = True
        elif word.startswith(f"{option}="):
            values.append(word[len(option) + 1 :])
        elif inside and not word.startswith("--"):
            values.append(word)
        else:
            inside = False
            others.append(word)
    return [*others, option, *values] if values else others


if __name__ == "__main__":
    sys.exit(main())
