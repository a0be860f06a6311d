#!/usr/bin/env python3
"""Fuzz the two parsers of strangers' files, style files and pictures, for a bounded time.

    python3 tools/fuzz.py [style] [micrograph] [--seconds 60] [--keep]
    python3 tools/fuzz.py style --file FILE     what the parser says of one file

Guided by coverage where atheris has a package for this Python and system (it goes into .host/fuzz, and nothing else
needs it); elsewhere files are only broken in ways that know their format. It starts from tests/corpus, and what
reaches new code stays in .host/fuzz for the next time; --keep puts into tests/corpus the smallest files that lead
everywhere. Every input must be read or refused with one sentence, within 2 s of work and 1 GB.
"""

import require_python  # noqa: F401  first: an old Python cannot even parse what follows

# isort: split
import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from host import prepare, run_tool
from host_layout import ROOT, Host, HostError, host_root

ATHERIS = "atheris==3.0.0"
TARGETS = ("style", "micrograph")
CORPUS = ROOT / "tests" / "corpus"
CORPUS_BYTES = 140_000
FOUND, REFUSED = "found-", "refused-"
# 30 s of the clock: a hang. What takes more than 2 s of work, fuzz_target.py finds itself.
LIMITS = ("-timeout=30", "-rss_limit_mb=1024", "-max_len=30000", "-print_final_stats=1")


def site() -> Path:
    """Where atheris is installed, apart from everything else."""
    return host_root() / "fuzz" / "site"


def prepare_atheris(host: Host) -> bool:
    """Whether atheris is in .host/fuzz and works with this Python; it is installed now if need be."""
    if works(host):
        return True
    shutil.rmtree(site(), ignore_errors=True)
    command = [str(host.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]
    command += ["--no-deps", "--only-binary", ":all:", "--target", str(site()), ATHERIS]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0 and works(host):
        return True
    shutil.rmtree(site(), ignore_errors=True)
    why = (done.stderr.strip().splitlines() or ["it does not work with this Python"])[-1]
    print(f"{ATHERIS} can't be had here, so there is no coverage to go by ({why}).", flush=True)
    return False


def works(host: Host) -> bool:
    """Whether the installed atheris can be imported."""
    command = [str(host.python), "-c", "import atheris"]
    return site().is_dir() and subprocess.run(command, env=environment(), capture_output=True).returncode == 0


def environment() -> dict[str, str]:
    """Environment of the fuzzing process."""
    paths = os.pathsep.join((str(ROOT / "tests"), str(site())))
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}


def start(host: Host, target: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run fuzz_target.py to its end, in the folder of what it finds."""
    command = [str(host.python), str(Path(__file__).with_name("fuzz_target.py")), target, *arguments]
    folder = host_root() / "fuzz" / target
    folder.mkdir(parents=True, exist_ok=True)
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    return subprocess.run(command, cwd=folder, env=environment(), **piped)


def fuzz(host: Host, target: str, seconds: int) -> None:
    """One target for so many seconds; HostError that names the file that broke the rule."""
    found = host_root() / "fuzz" / target / "corpus"
    found.mkdir(parents=True, exist_ok=True)
    left = found.parent / "crash"
    left.unlink(missing_ok=True)  # of an earlier run
    guided = prepare_atheris(host)
    prefix = found.parent / "crash-"
    limits = [*LIMITS, f"-artifact_prefix={prefix}"] if guided else []
    print(f"{target}: {seconds} s, {'guided by coverage' if guided else 'without coverage'}", flush=True)
    done = start(host, target, str(seconds), str(found), str(CORPUS / target), *limits)
    if done.returncode:
        files = re.findall(r"Test unit written to (\S+)", done.stdout) or [left] * left.is_file()
        if not files:
            raise HostError(f"{target}: the fuzzing process failed:\n{done.stdout[-3000:]}")
        raise HostError(
            f"{target}: a rule was broken by {files[-1]}. To see it again: python3 tools/fuzz.py {target} --file "
            f"{files[-1]}\n{done.stdout[-3000:]}"
        )
    facts = dict(re.findall(r"stat::(\w+):\s+(\d+)", done.stdout))
    last = [line.strip() for line in done.stdout.splitlines() if "cov:" in line or "without coverage" in line][-1:]
    inputs = [f"{facts['number_of_executed_units']} inputs"] if guided else []
    print(f"{target}: {'; '.join(inputs + last)}", flush=True)


def keep(host: Host, target: str) -> None:
    """Fill tests/corpus with the smallest files that lead everywhere, within CORPUS_BYTES; the others there stay."""
    for file in (CORPUS / target).glob(f"{FOUND}*"):
        file.unlink()
    room = CORPUS_BYTES - sum(file.stat().st_size for file in (CORPUS / target).iterdir())
    found = {file.name: file for file in (host_root() / "fuzz" / target / "corpus").iterdir()}
    said = start(host, target, "--smallest", str(host_root() / "fuzz" / target / "corpus")).stdout
    kept = 0
    for name in said.splitlines():
        if name in found and found[name].stat().st_size <= room:
            data = found[name].read_bytes()
            (CORPUS / target / f"{FOUND}{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)
            kept, room = kept + 1, room - len(data)
    print(f"{target}: {kept} of {len(found)} files found are in tests/corpus/{target}")


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{' or '.join(TARGETS)} (default: both)")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default 60)")
    parser.add_argument("--keep", action="store_true", help="put what was found into tests/corpus")
    parser.add_argument("--file", type=Path, help="hand over this one file instead")
    options = parser.parse_args(arguments)
    targets = options.targets or list(TARGETS)
    if unknown := set(targets) - set(TARGETS):
        parser.error(f"{', '.join(unknown)}: choose from {', '.join(TARGETS)}")

    def body() -> None:
        host = prepare()
        for target in targets:
            if options.file:
                done = start(host, target, "--file", str(options.file.resolve()))
                print(done.stdout.strip())
                if done.returncode:
                    raise HostError(f"{options.file} breaks the rule of {target}.")
                continue
            fuzz(host, target, options.seconds)
            if options.keep:
                keep(host, target)

    return run_tool(body)


if __name__ == "__main__":
    sys.exit(main())
