"""Nodes that only the tests load: tiny random models, odd latents, digests of results, and a count of network calls."""


async def comfy_entrypoint():
    from . import audit, leaks, memory
    from .nodes import TestExtension, register_routes

    register_routes()
    audit.register_routes()
    leaks.register_routes()
    memory.register_routes()
    return TestExtension()
