"""The command line itself: fast help, exit codes, errors on standard error, repeated options."""

from __future__ import annotations

import subprocess
import sys

import pytest

from metricpose.cli import main as cli
from metricpose.cli.main import COMMANDS, gather, main


def test_help_and_version_need_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from metricpose.cli.main import main; assert main(['--help']) == 0; assert main(['-V']) == 0; "
        "heavy = {'torch', 'numpy', 'cv2', 'tyro', 'pydantic'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert name in done.stdout


def test_the_help_of_predict_does_not_load_torch() -> None:
    code = (
        "import sys; from metricpose.cli.main import main; assert main(['predict', '--help']) == 0; "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--camera" in done.stdout
    assert "SOURCE" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predcit"], "unknown command 'predcit'; did you mean 'predict'?"),
        (["synth"], "expected one of: synth preview, synth render, synth scene, synth bake"),
        (["synth", "nothing"], "expected one of: synth preview"),
        (["qqqq"], "see metricpose --help"),
    ],
)
def test_unknown_commands_are_bad_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_group_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synth", "--help"]) == 0
    printed = capsys.readouterr().out
    for name in (c for c in COMMANDS if c.startswith("synth ")):
        assert f"metricpose {name}: " in printed


def test_no_command_prints_the_overview_and_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: metricpose COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["predict"], ["predict", "a.jpg", "--nonsense", "3"], ["predict", "a.jpg", "--tta", "x"]]
)
def test_wrong_usage_of_a_command_is_two(arguments: list[str]) -> None:
    assert main(arguments) == 2


def test_errors_raised_on_purpose_go_to_standard_error_and_are_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "none.jpg"]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("metricpose predict: none.jpg does not exist")
    assert printed.out == ""


def test_interruption_has_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(name: str, arguments: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_parse_and_call", stop)
    assert main(["doctor"]) == 130


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["r", "--set", "a=1", "--set", "b=2"], ["r", "--set", "a=1", "b=2"]),
        (["r", "--set", "a=1", "b=2", "--dry-run"], ["r", "--dry-run", "--set", "a=1", "b=2"]),
        (["r", "--set=a=1", "--x", "3"], ["r", "--x", "3", "--set", "a=1"]),
        (["r", "--x", "3"], ["r", "--x", "3"]),
    ],
)
def test_repeated_options_are_gathered(given: list[str], expected: list[str]) -> None:
    assert gather(given, "--set") == expected


@pytest.mark.parametrize(
    "name",
    ["train", "evaluate", "synth bake", "synth preview", "synth render", "synth scene", "models", "doctor"],
)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "--help"]) == 0
    assert f"usage: metricpose {name}" in capsys.readouterr().out


def test_evaluate_takes_its_checkpoint_as_first_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "none.safetensors", "--protocol", "no-such-protocol"]) == 1
    assert "no-such-protocol" in capsys.readouterr().err
