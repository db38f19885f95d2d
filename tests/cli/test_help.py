"""Help pages, mistyped words, colours and completion: what a new user meets before anything runs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from candlecast.cli import cli, main
from candlecast.cli.command import GROUPS, OTHER, SCREEN as A_SCREEN, Command
from candlecast.events import ProgressLines

SCREEN = 24  # lines of a group
COMMANDS = sorted(cli.commands)


def help_of(name, option="--help"):
    return CliRunner().invoke(cli, [name, option], prog_name="candlecast", terminal_width=None).output


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_grouped_narrow_and_ends_in_examples(name):
    text = help_of(name)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    sections = re.split(r"\n\n(?=[A-Z][\w ]*:\n)", text)
    assert all(section.count("\n") < SCREEN for section in sections), "a group is longer than a screen"
    assert sections[-1].startswith("Examples:\n")
    examples = [line.strip() for line in sections[-1].splitlines()[1:]]
    assert examples
    if name != "completion":
        assert all(line.startswith("candlecast ") for line in examples) and f" {name}" in examples[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_short_help_is_a_screen_long_names_every_option_and_ends_in_examples(name):
    short, whole = help_of(name, "-h"), help_of(name)
    lines = short.splitlines()
    assert len(lines) <= A_SCREEN and max(map(len, lines)) <= 80
    assert set(re.findall(r"--[a-z][a-z-]*", short)) >= {
        max(option.opts, key=len) for option in cli.commands[name].params if isinstance(option, click.Option)
    }
    assert short.partition("Examples:")[2] == whole.partition("Examples:")[2] != ""


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_accepted(name):
    """Each is parsed by its command, up to the moment when it would begin."""
    for line in (cli.commands[name].epilog or "").strip().splitlines():
        for part in line.split("&&"):
            words = shlex.split(part)
            if name == "completion":
                continue
            called = cli.commands[words[1]] if len(words) > 1 else cli
            called.make_context(words[1] if len(words) > 1 else "candlecast", words[2:])


def test_the_groups_of_run_are_those_of_a_study():
    headings = re.findall(r"^([A-Z][\w ]*):$", help_of("run"), re.MULTILINE)
    assert headings == [
        "Data",
        "Reading a file",
        "Repairs",
        "Model",
        "Many assets as one portfolio",
        "Walk",
        "Costs",
        "Output",
        "Examples",
    ]
    assert OTHER not in headings


def test_no_option_stands_in_two_groups():
    names = [name for group in GROUPS.values() for name in group]
    assert len(names) == len(set(names))


def test_the_commands_are_grouped_with_whole_sentences():
    text = CliRunner().invoke(cli, ["-h"], prog_name="candlecast").output
    assert "Other:" not in text and not re.search(r"\.\.\.$", text.partition("\n")[2], re.MULTILINE)
    assert all(re.search(rf"^  {name} +[A-Z]", text, re.MULTILINE) for name in COMMANDS)
    assert text.rstrip().splitlines()[-1].startswith("  candlecast ")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["rnu"], 2, "No such command 'rnu'. Did you mean 'run'?"),
        (["run", "--modle", "gru"], 2, "No such option '--modle'. (Did you mean one of: '--model'"),
        (["run", "--model", "gur"], 1, "there is no model 'gur'; .* Did you mean gru?"),
        (["run", "--model", "naive", "--model", "lstm"], 2, "--model is given 2 times; .*`candlecast compare --model"),
        (["run", "--model", "lstm", "gru"], 1, "gru is a model: to run several, use candlecast compare"),
        (
            ["run", "--model", "lstm", "gru", "rnn"],
            1,
            "2 assets are given: gru, rnn; .* gru is a model: to run several",
        ),
        (["run", "--folds", "3", "--folds", "4"], 2, "--folds is given 2 times; expected one value."),
        (["run", "sp50"], 1, "Did you mean sp500?"),
        (["run", "AAPL"], 1, "or fetch it: --source yahoo --interval 1d"),
        (
            ["run", "AAPL", "--source", "yaho", "--interval", "1d"],
            1,
            "there is no source 'yaho'; .* Did you mean yahoo",
        ),
        (["candles", "--mend", "dorp"], 2, "'dorp' is not one of 'drop', 'clip'"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_nearest(arguments, code, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([*arguments, *(["-q"] if code == 1 else [])])
    pattern = re.escape(message).replace(r"\.\*", ".*")
    assert ended.value.code == code
    assert re.search(pattern, capsys.readouterr().err)


def test_a_repeatable_option_may_be_repeated(tmp_path):
    ctx = cli.commands["compare"].make_context("compare", ["x", "--model", "naive", "--model", "lstm", "gru"])
    assert ctx.params["models"] == ("naive", "lstm", "gru")


def completions(*words, incomplete=""):
    found = ShellComplete(cli, {}, "candlecast", "_CANDLECAST_COMPLETE").get_completions(list(words), incomplete)
    return [each.value for each in found]


def test_values_are_completed(tmp_path, monkeypatch):
    from candlecast.sources import synthetic
    from candlecast.store import Store
    from shelf import Shelf

    monkeypatch.chdir(tmp_path)
    Store("data").update(Shelf(synthetic.ar1(30, seed=1, interval="1h").candles.frame), "SPY", "1h")
    for name in ("SP500-1d-lstm", "SP500-1d-gru", ".hidden"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    assert "compare" in completions(incomplete="comp")
    assert completions("run", "--model", incomplete="ls") == ["lstm"]
    assert completions("run", "--target", incomplete="v") == ["volatility"]
    assert completions("compare", "--model", "lstm", "--model", incomplete="g") == ["garch", "gru"]
    assert completions("run", incomplete="sp")[:2] == ["sp500", "SPY"]
    assert completions("report", incomplete="runs/SP") == ["runs/SP500-1d-gru", "runs/SP500-1d-lstm"]
    assert completions("backtest", "--rule", incomplete="k") == ["kelly"]
    assert completions("fetch", "--source", incomplete="yahoo") == ["yahoo", "yahoo-raw"]
    (tmp_path / "data" / "_delta_log").rename(tmp_path / "data" / "broken")
    assert completions("run", incomplete="nas")[0] == "nasdaq"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell, capsys):
    cli.main(["completion", shell], standalone_mode=False)
    assert "_CANDLECAST_COMPLETE" in capsys.readouterr().out


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """A folder where the shells find candlecast as it is here, with two runs."""
    program = tmp_path / "bin" / "candlecast"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m candlecast "$@"\n')
    program.chmod(0o755)
    (tmp_path / "runs" / "SP500-1d-lstm").mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (
            "candlecast ru",
            ["run\tTrain, forecast, trade and judge: the main command.", "runs\tList the runs, with their verdicts."],
        ),
        ("candlecast run --model ls", ["lstm"]),
        ("candlecast report runs/SP", ["runs/SP500-1d-lstm"]),
    ],
)
def test_fish_completes(on_path, typed, found):
    script = f"candlecast completion fish | source; complete --do-complete '{typed}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.splitlines() == found, done.stderr


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_completes_also_where_nothing_was_set_up_before(on_path):
    """Its functions of completion are loaded, and what they are given is what is printed here."""
    script = """
        eval "$(candlecast completion zsh)"
        (( $+functions[compdef] )) && print loaded
        print registered $_comps[candlecast]
        compadd() { print added ${(P)@[-1]} }
        words=(candlecast run --model ls) CURRENT=4
        _candlecast_completion
    """
    done = subprocess.run(["zsh", "-f", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.splitlines() == ["loaded", "registered _candlecast_completion", "added lstm"], done.stderr


@pytest.mark.parametrize(("setting", "color"), [("", None), ("1", False)])
def test_no_color_is_honoured(setting, color, monkeypatch):
    found = []

    @click.command(cls=Command)
    def coloured() -> None:
        found.append(click.get_current_context().color)

    monkeypatch.setitem(cli.commands, "coloured", coloured)
    monkeypatch.setenv("NO_COLOR", setting)
    main(["coloured"])
    assert found == [color]


def test_lines_of_progress_say_the_rate(capsys):
    import sys

    from candlecast.events import Progress

    lines = ProgressLines(sys.stdout, clock=iter([0.0, 2.0]).__next__)
    lines(Progress("train", 0, 100))
    lines(Progress("train", 50, 100))
    assert capsys.readouterr().out == "train: 50 of 100 (50 %), 25/s, about 2 s left\n"
