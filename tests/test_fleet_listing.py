"""What a batch finds to do, in which shard, and who may do it."""

from __future__ import annotations

import argparse
import contextlib
import os
import threading
import time

import pytest
from cellstyle.fleet import out_folder
from cellstyle.fleet.claims import Claims
from cellstyle.fleet.errors import FleetError
from cellstyle.fleet.listing import content_root, in_shard, items, listed, missing, output_of
from cellstyle.fleet.options import parse, scores, shard, shard_of_array
from cellstyle.fleet.out_folder import OutFolder, SignsOfLife
from cellstyle.fleet.todo import Todo


@pytest.fixture
def data(tmp_path):
    for name in ("a/x.tif", "a/x.png", "a/x.ome.tif", "b/c/x.tif", "b/c/y.TIF", "b/notes.txt", "z [1].tif"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).touch()
    return tmp_path / "data"


def names(patterns, out="nowhere", shard=(0, 1)) -> list[str]:
    return sorted(name for name, _ in listed([str(pattern) for pattern in patterns], out, shard))


def test_a_folder_a_pattern_and_files(data, monkeypatch):
    assert names([data]) == ["a/x.ome.tif", "a/x.png", "a/x.tif", "b/c/x.tif", "b/c/y.TIF", "z [1].tif"]
    assert names([data / "**" / "*.tif"]) == ["a/x.ome.tif", "a/x.tif", "b/c/x.tif", "z [1].tif"]
    assert names([data / "*" / "x.tif"]) == ["a/x.tif"]
    assert names([data / "a" / "*.tif"]) == ["x.ome.tif", "x.tif"]
    assert names([data / "a" / "x.tif", data / "b" / "c" / "x.tif"]) == ["a/x.tif", "b/c/x.tif"]  # as a shell expands
    assert names([data / "z [1].tif"]) == ["z [1].tif"]  # a name that looks like a pattern
    monkeypatch.chdir(data)
    assert names(["**/x.*"]) == ["a/x.ome.tif", "a/x.png", "a/x.tif", "b/c/x.tif"]
    assert content_root(["a/*.tif"]) == data / "a"


def test_what_is_not_there_is_said(data):
    with pytest.raises(FleetError, match=r"no file or folder .*none\.tif"):
        names([data / "none.tif"])
    with pytest.raises(FleetError, match="no folder"):
        names([data / "none" / "**" / "*.tif"])
    assert names([data / "**" / "*.lsm"]) == []


def test_results_are_no_contents(data):
    out = data / "styled"
    (out / "a").mkdir(parents=True)
    (out / "a" / "x.tif.png").touch()
    assert not [name for name in names([data], out) if name.startswith("styled")]


def test_every_picture_has_an_output_of_its_own(data, tmp_path):
    found = list(items([str(data)], tmp_path / "out", ["ink", "durian"]))
    paths = [path for item in found for path in item.outputs.values()]
    assert len(set(paths)) == len(paths) == 2 * len(found)
    assert output_of(tmp_path, "", "a/x.ome.tif") == tmp_path / "a" / "x.ome.tif.png"
    assert output_of(tmp_path, "ink", "a/x.tif") == tmp_path / "ink" / "a" / "x.tif.png"


def test_only_missing_branches_are_left(data, tmp_path):
    item = next(items([str(data / "z [1].tif")], tmp_path / "out", ["ink", "durian"]))
    assert missing(item) == item
    (tmp_path / "out" / "ink").mkdir(parents=True)
    (tmp_path / "out" / "ink" / "z [1].tif.png").touch()
    assert set(missing(item).outputs) == {"durian"}
    (tmp_path / "out" / "durian").mkdir()
    (tmp_path / "out" / "durian" / "z [1].tif.png").touch()
    assert missing(item) is None


@pytest.mark.parametrize("count", [1, 2, 3, 7, 16])
def test_shards_share_out_everything_whatever_else_is_there(count):
    everything = [f"cell_{number:04}.tif" for number in range(2000)]
    shares = [[name for name in everything if in_shard(name, (number, count))] for number in range(count)]
    assert sorted(name for share in shares for name in share) == everything
    assert max(map(len, shares)) < 2000 / count * 1.25


def test_a_shard_is_read_from_slurms_array():
    assert shard_of_array({}) == (0, 1)
    task = {"SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_STEP": "1"}
    assert shard_of_array({**task, "SLURM_ARRAY_TASK_ID": "3"}) == (3, 4)
    task = {"SLURM_ARRAY_TASK_COUNT": "8", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_STEP": "2"}
    assert shard_of_array({**task, "SLURM_ARRAY_TASK_ID": "15"}) == (7, 8)
    with pytest.raises(FleetError, match="no plain range"):  # --array=1,5,7
        shard_of_array({**task, "SLURM_ARRAY_TASK_ID": "6"})
    with pytest.raises(FleetError, match="not all there"):
        shard_of_array({"SLURM_ARRAY_TASK_ID": "6"})


@pytest.mark.parametrize("text", ["3", "a/b", "4/4", "-1/4", "0/0"])
def test_a_wrong_shard_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is no shard"):
        shard(text)


def test_options_that_make_no_sense_are_refused(capsys):
    assert scores("all") == 1 and scores("none") == 0 and scores("0.25") == 0.25
    line = ["w.json", "--content", "x", "--out", "y"]
    for more in (
        ["--scores", "2"],
        ["--gpus", "0"],
        ["--time-limit", "nan"],
        ["--server", "u", "--ray"],
        ["--gpus", "1", "--ray"],
    ):
        with pytest.raises(SystemExit) as error:
            parse([*line, *more])
        assert error.value.code == 2
    capsys.readouterr()
    assert parse([*line, "--ray"]).ray == "local" and parse([*line, "--ray", "auto"]).ray == "auto"


# claims


@pytest.fixture
def living():
    """Makes signs of life that end with the test."""
    with contextlib.ExitStack() as stack:

        def start(out: OutFolder) -> SignsOfLife:
            signs = SignsOfLife(out)
            signs.start()
            stack.callback(signs.stop)
            return signs

        yield start


def other_runner(out: OutFolder, name: str) -> OutFolder:
    return OutFolder(out.root, name)


def test_only_one_of_many_gets_a_claim(tmp_path):
    out = OutFolder(tmp_path)
    claims = Claims(out, SignsOfLife(out))
    got = []
    threads = [threading.Thread(target=lambda: got.append(claims.take("a"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 15 + [True]
    claims.release("a")
    assert claims.take("a")


def test_a_dead_runners_claim_is_taken_over_and_a_living_ones_is_not(tmp_path, living):
    out, far = OutFolder(tmp_path), other_runner(OutFolder(tmp_path), "elsewhere+17+aa")
    signs = living(far)
    mine, theirs = Claims(out, living(out)), Claims(far, signs)
    assert theirs.take("a") and not mine.take("a")
    old = time.time() - 2 * out_folder.SILENCE
    os.utime(signs.folder / far.runner, (old, old))  # no sign of life for long
    assert mine.take("a") and not theirs.take("a")
    mine.release("a")
    assert not list((out.state / "claims").iterdir())
    signs.stop()
    assert theirs.take("b") and mine.take("b")  # it has taken its leave


def test_a_dead_process_of_this_machine_is_known_at_once(tmp_path):
    here = OutFolder(tmp_path).runner.split("+")[0]
    dead = other_runner(OutFolder(tmp_path), f"{here}+{2**22 + 5}+aa")
    SignsOfLife(dead).folder.joinpath(dead.runner).touch()
    assert Claims(dead, SignsOfLife(dead)).take("a")
    (dead.folder("drafts") / f"{dead.runner}+0123").touch()
    out = OutFolder(tmp_path)
    assert Claims(out, SignsOfLife(out)).take("a")
    out.remove_abandoned()
    assert not list((out.state / "drafts").iterdir())


def test_a_claim_whose_writer_died_before_its_name_was_in_it_does_not_stay(tmp_path):
    out = OutFolder(tmp_path)
    claims = Claims(out, SignsOfLife(out))
    assert claims.take("a")
    file = next((out.state / "claims").iterdir())
    file.write_text("")
    assert not claims.take("a")  # perhaps it is just being written
    old = time.time() - 120
    os.utime(file, (old, old))
    assert claims.take("a")


# the list


def test_two_lists_over_one_folder_give_each_picture_once(data, tmp_path, living):
    def work(found, todo, out):
        while (item := todo.take("w")) is not None:
            for path in item.outputs.values():
                out.place(b"x", type(out.root)(path))
            found.append(item.name)
            todo.finished(item)

    made: list[str] = []
    threads = []
    for _ in range(4):
        out = OutFolder(tmp_path / "out")
        todo = Todo(items([str(data)], out.root, [""]), Claims(out, living(out)))
        threads.append(threading.Thread(target=work, args=(made, todo, out)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == names([data])


def test_of_runners_at_once_one_tries_what_fails_and_the_next_run_tries_again(data, tmp_path, living):
    def lists():
        out = OutFolder(tmp_path / "out")
        signs = living(out)
        return signs, Todo(items([str(data / "b/c/x.tif")], out.root, [""]), Claims(out, signs))

    (first_signs, first), (second_signs, second) = lists(), lists()
    item = first.take("one")
    assert item.attempts == 0
    first.finished(item, failed=True)
    first.release_all()
    assert second.take("two") is None and second.elsewhere == 1
    first_signs.stop()
    second.release_all()  # the last of those that ran at once
    second_signs.stop()
    assert not list((tmp_path / "out/cellstyle-batch/claims").iterdir())
    assert lists()[1].take("three").name == item.name


def test_what_failed_in_a_runner_that_was_killed_is_tried_again(data, tmp_path):
    out = OutFolder(tmp_path / "out")
    claims = Claims(out, SignsOfLife(out))
    assert claims.take("a")
    claims.failed("a")
    assert not claims.take("a")
    old = time.time() - 5
    os.utime(next((out.state / "claims").iterdir()), (old, old))  # it was before the next run began
    assert Claims(out, SignsOfLife(out)).take("a")


def test_what_comes_back_goes_to_another_worker_with_its_count(data, tmp_path):
    out = OutFolder(tmp_path / "out")
    todo = Todo(items([str(data / "a")], out.root, [""]), Claims(out, SignsOfLife(out)), workers=2)
    first = todo.take("one")
    todo.come_back(first, "one", charged=True)
    assert todo.take("one").name != first.name
    again = todo.take("two")
    assert again.name == first.name and again.attempts == 1 and again.losses == 0
    todo.come_back(again, "two", charged=False)
    assert todo.take("one", patience=0).losses == 1


def test_a_worker_waits_for_what_may_come_back(data, tmp_path):
    out = OutFolder(tmp_path / "out")
    todo = Todo(items([str(data / "b/c/x.tif")], out.root, [""]), Claims(out, SignsOfLife(out)))
    item = todo.take("one")
    assert todo.take("two", patience=0) is None and not todo.exhausted
    threading.Timer(0.1, todo.come_back, (item, "one", True)).start()
    assert todo.take("two").attempts == 1
    threading.Timer(0.1, todo.finished, (item,)).start()
    assert todo.take("one") is None and todo.exhausted
