"""Nodes that only the tests load: tiny random models, and a count of network calls."""


async def comfy_entrypoint():
    """ComfyUI's V3 entry point."""
    from .test_nodes import TestNodesExtension

    return TestNodesExtension()
