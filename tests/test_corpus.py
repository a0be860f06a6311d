"""Files that fuzzing starts from and has found: the sound ones are read, the others read or refused in one sentence."""

from __future__ import annotations

import logging

import fuzz
import fuzz_target
import pytest
from cellstyle.micrograph import limits
from places import ROOT
from watched import Watched

logging.getLogger("tifffile").setLevel(logging.CRITICAL)
CORPUS = ROOT / "tests" / "corpus"
MEGABYTES = 200


def test_the_corpus_is_small():
    assert {path.name for path in CORPUS.iterdir()} == set(fuzz.TARGETS)
    assert sum(path.stat().st_size for path in CORPUS.glob("*/*")) < 300_000


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_every_file_of_the_corpus_is_read_or_refused(tmp_path, target, monkeypatch):
    monkeypatch.setattr(limits, "MAX_SAMPLES", fuzz_target.MOST_SAMPLES)
    read, given, said = fuzz_target.parser_of(target), tmp_path / fuzz_target.NAME, {}
    watched = Watched(given)

    def read_watched(path):
        with watched:
            read(path)

    for path in sorted((CORPUS / target).iterdir()):
        said[path.name] = fuzz_target.check(read_watched, given, path.read_bytes())
        assert watched.megabytes < MEGABYTES and not watched.touched, f"{path}: {watched.megabytes} {watched.touched}"
    sound = {name for name in said if not name.startswith((fuzz.FOUND, fuzz.REFUSED))}
    assert sound and not any(said[name] for name in sound), said
    assert all(said[name] for name in said if name.startswith(fuzz.REFUSED)), said
