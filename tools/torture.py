#!/usr/bin/env python3
"""Run the long tests, those that every run of tools/test.py leaves out.

    python3 tools/torture.py [SECTION ...] [--list] [pytest arguments]

Without a section, all of them run one after the other. What each one holds is in TESTING.md. A test belongs to a
section by its mark: @pytest.mark.long(section="faults").
"""

import require_python  # noqa: F401  first: an old Python cannot even parse what follows

# isort: split
import sys
import time

import test

SECTIONS = {
    "faults": "exceptions at every call of a run, servers killed, disks full, folders that refuse",
    "flags": "ComfyUI's memory and cache flags: the same prompt, the same bits",
    "hostile": "thousands of broken style files and pictures, senseless values through the server's API",
    "composition": "every other node on the model at once and left out in turn; inductor (needs a C++ compiler)",
    "soak": "200 prompts through one server: memory, threads, files, and every result as on a fresh server",
    "concurrency": "clients that queue, cancel, leave and come back at once: nothing is mixed up",
    "fleet": "ComfyUIs killed under a batch at 19 more seeds, Ray's actors too; 10,000 pictures in flat memory",
    "fuzz": "coverage-guided fuzzing of the two parsers for a bounded time",
    "pictures": "every shipped style on the synthetic fluorescence stack, and on flat backgrounds",
}


def main(arguments: list[str] | None = None) -> int:
    """Say what runs, run the sections' tests through tools/test.py, and return pytest's exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    names = [text for text in given if text in SECTIONS] or list(SECTIONS)
    rest = [text for text in given if text not in SECTIONS]
    for name in names:
        print(f"{name:12} {SECTIONS[name]}")
    if "--list" in rest:
        return 0
    print(f"Started {time.strftime('%Y-%m-%d %H:%M:%S')}; each test is named with its time as it ends.", flush=True)
    chosen = " or ".join(f'long(section="{name}")' for name in names)
    return test.main(["-m", chosen, "-v", "--durations=0", "--durations-min=1", *rest])


if __name__ == "__main__":
    sys.exit(main())
