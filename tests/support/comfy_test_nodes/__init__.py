"""Nodes that only the tests load: tiny random models, and counters of network calls."""
