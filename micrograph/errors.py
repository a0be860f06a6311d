"""Everything a file can do wrong, as one sentence."""

from __future__ import annotations

import contextlib


class MicrographError(ValueError):
    """A file, or a choice about it, that can't be honoured: its name, what is wrong, what to do."""


@contextlib.contextmanager
def in_one_sentence(name: str):
    """Turns whatever a parser raises inside the block into a MicrographError that names the file.

    Raises: MicrographError.
    """
    try:
        yield
    except MicrographError:
        raise
    except MemoryError:
        raise MicrographError(
            f"{name} does not fit into memory. Choose fewer channels, one plane instead of all, or a higher "
            "pyramid_level."
        ) from None
    except Exception as error:
        # libpng names a chunk by its bytes, whatever they are
        shown = "".join(c if c.isprintable() else " " for c in str(error))
        what = " ".join(shown.split())[:200] or type(error).__name__
        if "imagecodecs" in what:
            raise MicrographError(
                f"{name} is stored in a way that needs the package imagecodecs, which is missing or lacks it ({what}). "
                "Run `pip install imagecodecs` in ComfyUI's environment, or save the file again without compression."
            ) from None
        raise MicrographError(
            f"{name} could not be read: it is damaged, or not what its header says ({what}). "
            "Open it in its own program or in Fiji and save it again as TIFF."
        ) from None
