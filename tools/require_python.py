"""Importing this ends an interpreter that is too old with a sentence. Kept readable for those interpreters."""

import sys

if sys.version_info < (3, 10):  # noqa: UP036
    sys.exit("This is Python %d.%d; the tools need Python 3.10 or later, such as python3.11." % sys.version_info[:2])  # noqa: UP031
