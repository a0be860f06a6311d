"""Vendors' formats by their own readers, each an optional package; one file a format, all of them give a Source."""
