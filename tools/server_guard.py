"""Run a ComfyUI main.py in this process, and end with the process that started it.

Usage: python server_guard.py MAIN_PY [arguments of main.py]

Standard input is a pipe whose other end the starting process holds. However that process ends (also by SIGKILL, when
none of its own clean-up runs), the pipe closes, and this process and its group end at once. Standard library only:
it runs in whatever Python the host has.
"""

import os
import runpy
import signal
import sys
import threading


def end_with_parent() -> None:
    """Block until standard input closes, then kill this process and its group."""
    while os.read(0, 4096):
        pass
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, name="end-with-parent", daemon=True).start()
    main_py = sys.argv[1]
    sys.argv = sys.argv[1:]
    sys.path[0] = os.path.dirname(os.path.abspath(main_py))
    runpy.run_path(main_py, run_name="__main__")
