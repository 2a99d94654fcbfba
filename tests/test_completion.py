"""What shells complete: asked of them as a person does, by the script that is printed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from datastill.base.own_code import PLUGINS, names_in
from datastill.cli import COMMANDS, load
from datastill.cli.grammar import options_of
from datastill.datasets import DATASETS
from datastill.distillation.methods import METHODS
from datastill.evaluation.assessments import ASSESSMENTS
from datastill.exchange import FORMATS
from datastill.networks import NETWORKS
from datastill.training.coresets import CORESETS

SHELLS = ("bash", "zsh", "fish")
OURS = [METHODS, CORESETS, FORMATS, DATASETS, NETWORKS, ASSESSMENTS]
CODE = """
import sys
from datastill.cli import main
main(["completion", sys.argv[1]])
assert "torch" not in sys.modules, "torch was loaded"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Print the script of every shell, by processes that load no torch."""
    found: dict[str, Path] = {}
    for shell in SHELLS:
        line = [sys.executable, "-c", CODE, shell]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found[shell] = tmp_path_factory.mktemp("scripts") / f"datastill.{shell}"
        found[shell].write_text(done.stdout)
    return found


def needs(shell: str) -> str:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"there is no {shell} here")
    return path


def asked(scripts: dict[str, Path], shell: str, *words: str) -> set[str]:
    """Return what a shell offers for the last of some words."""
    program, script = needs(shell), scripts[shell]
    if shell == "bash":
        typed = " ".join(f"'{word}'" for word in words)
        code = f"""
            source {script}
            function=$(complete -p datastill | sed 's/.*-F \\([^ ]*\\).*/\\1/')
            COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}
            $function; printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        line = [program, "--norc", "-c", code]
    else:
        line = [program, "--no-config", "-c", f'source {script}; complete -C "{" ".join(words)}"']
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {one.split("\t")[0].strip() for one in done.stdout.splitlines()}


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_shells_offer_commands_options_and_names(scripts: dict[str, Path], shell: str) -> None:
    assert {*COMMANDS} <= asked(scripts, shell, "datastill", "")
    options = {one.typed for one in options_of(load("distill")).values() if not one.bare}
    assert options <= asked(scripts, shell, "datastill", "distill", "--")
    offered = asked(scripts, shell, "datastill", "distill", "--method", "")
    assert {*METHODS.names} <= offered
    assert {*NETWORKS.names} <= asked(scripts, shell, "datastill", "train", "--model", "")
    assert "kernels" in asked(scripts, shell, "datastill", "train", "--engine", "k")
    assert "check" in asked(scripts, shell, "datastill", "recipes", "c")
    assert "methods" in asked(scripts, shell, "datastill", "list", "m")


def test_zsh_takes_the_script(scripts: dict[str, Path]) -> None:
    load = f'autoload -U compinit; compinit -D; eval "$(cat {scripts["zsh"]})"'
    code = f"{load}; print ${{_comps[datastill]}}"
    line = [needs("zsh"), "-f", "-c", code]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


def test_names_are_found_without_loading_what_registers_them() -> None:
    for name, registry in zip(PLUGINS, OURS, strict=True):
        assert names_in(name) == registry.names
