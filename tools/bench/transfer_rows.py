"""Row c: a whole transfer beside 3 N plain steps, and a change of gamma beside N, through the real server's cache."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench_tables import subjects, table
from timing import interleaved, ratio

STEPS = 10


def rows(options) -> list[dict]:
    """Prints the table; returns [{what, model, ratio}]."""
    found = []

    def lines():
        for measure in (whole_runs, through_the_server):
            for each in measure(options):
                found.append(each)
                yield [each["what"], each["model"], f"{each['ratio']:.3f}"]

    table("c. Whole runs", ["what", "model", "ratio"], lines())
    return found


def whole_runs(options) -> Iterator[dict]:
    """Two inversions, AdaIN and the sampling in this process, without pictures."""
    import run_nodes

    for subject, pixels, repeats in subjects(options):
        content, style = subject.latent(pixels, seed=1), subject.latent(pixels, seed=2)
        steps = 2 if subject.kind == "sd15" else STEPS
        sigmas = subject.invert(content, steps, "auto")[2]

        def whole(subject=subject, content=content, style=style, steps=steps):
            inverted, query, _ = subject.invert(content, steps, "auto")
            style_kv, noise = subject.capture(style, steps, "auto")
            return subject.sample(run_nodes.adain(inverted, noise), style_kv, query)

        variants = {
            "whole": whole,
            "plain": lambda subject=subject, content=content, sigmas=sigmas: subject.plain(content, sigmas),
        }
        seconds = interleaved(variants, repeats)
        model = f"{subject.kind} {subject.precision}, {pixels} px, {steps} steps"
        yield {"what": "whole transfer / 3 N plain steps", "model": model, "ratio": ratio(seconds, "whole", "plain", 3)}


def through_the_server(options) -> list[dict]:
    """The demo's workflow on a real server: new pairs, then another gamma, beside KSampler's prompt of N steps."""
    from comfy_server import ComfyServer
    from demo_graph import filled, read_workflow
    from demo_pictures import contents, save_png, styles

    steps, repeats = (4, 2) if options.quick else (20, options.repeats or 5)
    found: dict[str, list[float]] = {"new pair": [], "gamma": [], "N": []}
    workflow, content, style = read_workflow(), contents(256), styles(256)
    with ComfyServer() as server:
        for picture in (*content, *style):
            save_png(picture.image, server.input_dir / f"{picture.name}.png")
        for i in range(repeats + 1):
            pair = [f"{each[i % len(each)].name}.png" for each in (content, style)]
            for name, prompt in (
                ("new pair", filled(workflow, *pair, steps=steps, gamma=0.5)),
                ("gamma", filled(workflow, *pair, steps=steps, gamma=0.6)),
                ("N", plain_prompt(pair[0], steps, i)),
            ):
                start = time.perf_counter()
                server.client.run(prompt)
                found[name].append(time.perf_counter() - start)
    seconds = {name: values[1:] for name, values in found.items()}  # the first loads the model
    where = f"demo on the server, 256 px, {steps} steps; with loading, encoding and decoding"
    return [
        {"what": "new pair / 3 N steps of KSampler", "model": where, "ratio": ratio(seconds, "new pair", "N", 3)},
        {"what": "gamma alone / N steps of KSampler", "model": where, "ratio": ratio(seconds, "gamma", "N")},
    ]


def plain_prompt(picture: str, steps: int, seed: int) -> dict:
    """ComfyUI's own nodes alone: a picture encoded, sampled and decoded."""
    sampler = {"sampler_name": "euler", "scheduler": "ddim_uniform", "steps": steps, "cfg": 1.0, "denoise": 1.0}
    wires = {"model": ["model", 0], "positive": ["model", 1], "negative": ["model", 1], "latent_image": ["latent", 0]}
    return {
        "model": {"class_type": "CellStyleLoadDemoModel", "inputs": {}},
        "picture": {"class_type": "LoadImage", "inputs": {"image": picture}},
        "latent": {"class_type": "VAEEncode", "inputs": {"pixels": ["picture", 0], "vae": ["model", 2]}},
        "sample": {"class_type": "KSampler", "inputs": {**sampler, **wires, "seed": seed}},
        "image": {"class_type": "VAEDecode", "inputs": {"samples": ["sample", 0], "vae": ["model", 2]}},
        "out": {"class_type": "PreviewImage", "inputs": {"images": ["image", 0]}},
    }
