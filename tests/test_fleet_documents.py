"""The commands and job files of the documents run as they stand there."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys

import pytest
import tomllib
from cellstyle.fleet import command
from fleet_runs import BATCH, check_complete, results, use_stand_in, write_contents, write_style, write_workflow
from places import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="job files are shell scripts")
SNAKEMAKE = os.environ.get("CELLSTYLE_SNAKEMAKE") or shutil.which("snakemake")


@pytest.fixture
def place(tmp_path, monkeypatch):
    use_stand_in(monkeypatch, tmp_path)
    monkeypatch.setenv("CELLSTYLE_INSIDE_HOST", "1")
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.setenv("BATCH", str(BATCH))
    write_contents(tmp_path / "FOLDER", 8)
    write_workflow(tmp_path).rename(tmp_path / "WORKFLOW.json")
    write_style(tmp_path, "INK")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def from_the_readme() -> list[str]:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    return shlex.split(next(line for line in lines if line.strip().startswith("python3 tools/batch.py")))


def whole(place) -> dict[str, str]:
    assert command.main([*from_the_readme()[2:-1], "whole"]) == 0
    return results(place / "whole")


def test_the_readmes_command_runs(place):
    done = subprocess.run([sys.executable, str(BATCH), *from_the_readme()[2:]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = results(place / "RESULTS")
    assert len(found) == 8
    check_complete(place / "RESULTS", found, set())


def test_the_sbatch_script_runs_as_an_array(place):
    line = [
        "bash",
        str(ROOT / "docs" / "fleet" / "array.sbatch"),
        "WORKFLOW.json",
        "FOLDER",
        "INK.safetensors",
        "RESULTS",
    ]
    array = {"SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_STEP": "1"}
    tasks = [
        subprocess.Popen(line, env={**os.environ, **array, "SLURM_ARRAY_TASK_ID": str(number)}) for number in range(2)
    ]
    assert [task.wait(timeout=200) for task in tasks] == [0, 0]
    check_complete(place / "RESULTS", whole(place), set())
    files = list((place / "RESULTS" / "cellstyle-batch" / "manifest").iterdir())
    assert {path.name.split(".")[0] for path in files} == {"0-of-2", "1-of-2"}


@pytest.mark.skipif(not SNAKEMAKE, reason="Snakemake is not installed (CELLSTYLE_SNAKEMAKE names its command)")
def test_the_snakefile_runs_with_the_local_executor(place):
    config = {
        "workflow": "WORKFLOW.json",
        "content": "FOLDER",
        "style": "INK.safetensors",
        "out": "RESULTS",
        "shards": 2,
    }
    config |= {"python": sys.executable, "batch": str(BATCH)}
    options = ["--snakefile", str(ROOT / "docs" / "fleet" / "Snakefile"), "--cores", "2", "--quiet", "all"]
    pairs = [f"{name}={value}" for name, value in config.items()]
    done = subprocess.run([SNAKEMAKE, *options, "--config", *pairs], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    check_complete(place / "RESULTS", whole(place), set())


def test_the_console_command_has_all_that_it_imports():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    module, function = project["project"]["scripts"]["cellstyle-batch"].split(":")
    named = set(project["tool"]["setuptools"]["py-modules"])
    assert module in named and f"def {function}(" in (ROOT / "tools" / f"{module}.py").read_text(encoding="utf-8")
    own = {path.stem for path in (ROOT / "tools").glob("*.py")}
    for path in [*(ROOT / "tools" / f"{name}.py" for name in named), *(ROOT / "fleet").glob("*.py")]:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
        imported = {parts[1].split(".")[0] for parts in lines if len(parts) > 1 and parts[0] in ("from", "import")}
        assert imported & own <= named, f"{path.name} imports {imported & own - named}"
