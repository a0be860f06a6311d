"""What the registry would publish: nothing needless, nothing missing, and it works without the rest."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import tomllib
from cellstyle.nodes import NODES
from comfy_server import ComfyServer
from places import ROOMS, ROOT

MOST_MEGABYTES = 40
NEEDED = {
    *("__init__.py", *ROOMS, "example_images", "locales", "subgraphs", "web", "workflows"),
    *("CHANGELOG.md", "LICENSE", "MODEL_CARD.md", "README.md", "pyproject.toml", "requirements.txt"),
}


def git(*arguments: str) -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("this checkout has no git history, so what is tracked is not known")
    done = subprocess.run(["git", *arguments, "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """The tracked files that .comfyignore lets through; its patterns are git's, as in comfy-cli."""
    left_out = set(git("ls-files", "--cached", "--ignored", "--exclude-from=.comfyignore"))
    folder = tmp_path_factory.mktemp("published") / "cellstyle"
    for name in git("ls-files", "--cached"):
        if name not in left_out:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def test_it_holds_what_users_need_and_no_more(package):
    found = {path.name for path in package.iterdir()}
    assert found >= NEEDED
    assert not found & {".ci", ".git", ".gitattributes", ".gitignore", "tests", "tools", "output"}
    size = sum(path.stat().st_size for path in package.rglob("*") if path.is_file())
    assert size < MOST_MEGABYTES * 1e6
    for node in NODES:
        for language in ("en", "zh"):
            assert (package / "web" / "docs" / node.define_schema().node_id / f"{language}.md").is_file()


def test_what_its_documents_link_to_is_there_and_the_weights_have_their_card(package):
    documents = [*package.glob("*.md"), package / "example_images" / "README.md"]
    assert package / "MODEL_CARD.md" in documents
    for document in documents:
        for link in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8")):
            if not link.startswith(("http:", "https:", "mailto:")):
                assert (document.parent / link).exists(), f"{document.name} links to {link}"


def test_requirements_and_pyproject_say_the_same(package):
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (package / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(project["dependencies"]) == sorted(line for line in lines if line and not line.startswith("#"))


def test_it_runs_on_a_real_server_without_the_rest_of_the_repository(package):
    with ComfyServer(pack=package, cpu=True, env={"OMP_NUM_THREADS": "2"}) as server:
        names = {node.define_schema().node_id for node in NODES}
        assert names <= set(server.client.object_info())
        graph = {
            "model": {"class_type": "CellStyleLoadDemoModel", "inputs": {}},
            "empty": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 9}},
            "latent": {"class_type": "VAEEncode", "inputs": {"pixels": ["empty", 0], "vae": ["model", 2]}},
            "image": {"class_type": "VAEDecode", "inputs": {"samples": ["latent", 0], "vae": ["model", 2]}},
            "out": {"class_type": "PreviewImage", "inputs": {"images": ["image", 0]}},
        }
        assert len(server.client.run(graph).images) == 1
        log = server.log()
        if "some comfy_extras/ nodes did not import" in log:  # what an old ComfyUI lacks itself
            _, log = log.split("Starting server", 1)
        assert "Traceback" not in log
