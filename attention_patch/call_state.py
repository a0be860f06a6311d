"""What the pack knows about a prediction and its network calls: one value under one key of `transformer_options`.

ComfyUI copies the dicts in there for every call; this value it hands on as it is. Nobody changes one: `with_state` puts
another in its place, in a copy of the options.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from ..features.feature_bank import FeatureBank, LevelFeatures
from ..features.layer_key import LayerKey
from ..features.level_recorder import LevelRecorder
from .injected_call import InjectedCall
from .joint_call import JointCall
from .picture_area import Area

KEY = "cellstyle"


@dataclass(frozen=True, eq=False)
class CallState:
    """Of a prediction: recorder: takes the features of a pass that only reads them. joint: the banks that ride along.
    fresh: features that are not stored, computed for this prediction. picture: (H, W) of it, in latent pixels.
    areas: {uuid of a conditioning: what of the picture it sees}, None for a part that nobody tells the place of.

    Of one network call: rows: those of its batch that are recorded. taken: layers that an injection has taken, for
    the next one on the same model. calls: what each injection injects.
    """

    recorder: LevelRecorder | None = None
    joint: JointCall | None = None
    fresh: Mapping[FeatureBank, LevelFeatures] = field(default_factory=dict)
    picture: tuple[int, int] | None = None
    areas: Mapping[Hashable, Area | None] = field(default_factory=dict)
    rows: slice | None = None
    taken: frozenset[LayerKey] = frozenset()
    calls: Mapping[object, InjectedCall] = field(default_factory=dict)


_NOTHING = CallState()


def state_of(transformer_options: Mapping | None) -> CallState:
    """The state in the options of a prediction or a call."""
    return (transformer_options or {}).get(KEY, _NOTHING)


def with_state(transformer_options: Mapping | None, **changes) -> dict:
    """A copy of the options with another state. changes: fields of CallState."""
    state = dataclasses.replace(state_of(transformer_options), **changes)
    return {**(transformer_options or {}), KEY: state}


def state_of_model(model_options: Mapping | None) -> CallState:
    """The state in a prediction's `model_options`."""
    return state_of((model_options or {}).get("transformer_options"))


def model_options_with(model_options: Mapping | None, **changes) -> dict:
    """A copy of a prediction's `model_options` with another state. changes: fields of CallState."""
    model_options = model_options or {}
    return {**model_options, "transformer_options": with_state(model_options.get("transformer_options"), **changes)}
