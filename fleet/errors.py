"""What can end a run, as sentences for the person at the keyboard, and the exit codes."""

ALL_GOOD, SOME_FAILED, COULD_NOT_RUN, INTERRUPTED = 0, 1, 2, 130


def first_line(reason: object) -> str:
    """Of an error or its text, which may hold a server's log; "" where there is none."""
    return next(iter(str(reason).strip().splitlines()), "")


class FleetError(RuntimeError):
    """The run cannot start or go on; the message says why and what to do."""


class WorkflowError(FleetError):
    """The workflow cannot be used for a batch as it is."""


class StationDown(FleetError):
    """One ComfyUI cannot be used now: it does not start, or does not answer."""


class PictureFailed(Exception):
    """One picture cannot be made, here or elsewhere: its file, or a node that refuses it.

    kind: the exception's type as ComfyUI names it; node: class of the node that raised, "" where there is none.
    """

    def __init__(self, message: str, kind: str, node: str = ""):
        super().__init__(message)
        self.kind, self.node = kind, node


class TryAgain(Exception):
    """This attempt failed for a reason that is not the picture's: memory, a dead or a hanging server.

    charged: whether the picture had begun; one that only waited beside the one that failed keeps its attempts.
    """

    def __init__(self, message: str, kind: str, charged: bool):
        super().__init__(message)
        self.kind, self.charged = kind, charged


class Stopped(Exception):
    """The run is being stopped while this picture is made."""
