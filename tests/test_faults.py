"""Whatever is raised, and wherever in a run of the network: it arrives as it is, and nothing is left behind.

Every run of the tests tries the pairs of QUICK with one error at one pass of the site; the long variant tries all pairs
with all errors at several passes.
"""

from __future__ import annotations

import gc
import hashlib
import random

import pytest
import torch
from cellstyle.features.feature_bank import FeatureBank
from fault_runs import RUNS, Bench
from fault_sites import ERRORS, NETWORK, SITES, Fault
from style_files import style_folder_in
from test_off_is_off import state_of

PAIRS = [(run, site) for run, (_, sites) in RUNS.items() for site in sites]
# a run's own sites, and a third of those that all runs share, another third each time
QUICK = [
    (run, site)
    for i, (run, (_, sites)) in enumerate(RUNS.items())
    for site in sites
    if site not in NETWORK or NETWORK.index(site) % 3 == i % 3
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        folder = style_folder_in(tmp_path_factory.mktemp("faults"), patch)
        bench = Bench.set_up(folder)
        bench.folder = folder
        yield bench


@pytest.fixture(scope="module")
def before(bench):
    """What must be the same after every fault."""
    return everything(bench), bench.reference()


def everything(bench: Bench) -> tuple:
    digest = hashlib.sha256()
    for tensor in (*bench.model.model.state_dict().values(), *bench.vae.first_stage_model.state_dict().values()):
        digest.update(tensor.numpy())
    files = sorted((path.name, path.read_bytes()) for path in bench.folder.rglob("*") if path.is_file())
    return state_of(bench.model), digest.hexdigest(), files


@pytest.fixture(scope="module")
def passes(bench):
    """passes(run, site): how often an undisturbed run passes the site. All sites of a run are counted at once."""
    counted = {}

    def of(run: str, site: str) -> int:
        if run not in counted:
            counted[run] = {name: Fault() for name in RUNS[run][1]}
            with pytest.MonkeyPatch.context() as patch:
                model = bench.model
                for name, fault in counted[run].items():
                    model = SITES[name](fault, model, bench.vae, patch)
                RUNS[run][0](bench, model)
        count = counted[run][site].passes
        if not count and site == "recording residuals":
            pytest.skip("this ComfyUI does not let a node read residual blocks")
        return count

    return of


def go(bench: Bench, run: str, site: str, fault: Fault) -> None:
    with pytest.MonkeyPatch.context() as patch:
        RUNS[run][0](bench, SITES[site](fault, bench.model, bench.vae, patch))


def check(bench: Bench, before, run: str, site: str, name: str, at: int) -> None:
    fault = Fault(ERRORS[name](), at)
    if site in ("decoding", "encoding") and name == "out of memory":
        go(bench, run, site, fault)  # ComfyUI's VAE answers by working in tiles
    else:
        with pytest.raises(BaseException) as caught:
            go(bench, run, site, fault)
        assert caught.value is fault.error, f"{name} at pass {at} arrived as {caught.value!r}"
    state, reference = before
    assert everything(bench) == state, f"{name} at pass {at} of {site} left something behind"
    assert torch.equal(bench.reference(), reference), f"{name} at pass {at} of {site} changed the next run"


@pytest.mark.parametrize(("run", "site"), QUICK, ids=[f"{run}, {site}" for run, site in QUICK])
def test_a_fault_leaves_nothing_behind(bench, before, passes, run, site):
    count = passes(run, site)
    dice = random.Random(f"{run} {site}")
    check(bench, before, run, site, dice.choice(list(ERRORS)), dice.randint(1, count))


@pytest.mark.long(section="faults")
@pytest.mark.parametrize(("run", "site"), PAIRS, ids=[f"{run}, {site}" for run, site in PAIRS])
def test_every_error_at_many_passes_leaves_nothing_behind(bench, before, passes, run, site):
    count = passes(run, site)
    dice = random.Random(f"{run} {site}")
    places = {1, count, *(dice.randint(1, count) for _ in range(3))}
    for name in ERRORS:
        for at in places:
            check(bench, before, run, site, name, at)


def test_features_of_failed_runs_are_freed(bench):
    def banks() -> int:
        gc.collect()
        return sum(type(thing) is FeatureBank for thing in gc.get_objects())

    count = banks()
    for run in ("DDIMInvert", "StyleKVCapture", "CellStyleLoad"):
        for name in ("exception", "ctrl-c"):
            with pytest.raises(type(ERRORS[name]())):
                go(bench, run, "network result", Fault(ERRORS[name](), 2))
    assert banks() == count
