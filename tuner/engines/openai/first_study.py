"""A first study of a running server: what requests to it can carry; nobody asks it anything."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.engines.first_space import (
    ABOVE_LIMITS,
    ABOVE_STAND_IN,
    OUTPUT_LIMIT,
    output_limits,
    up_to_one,
)
from tuner.engines.first_study import Draft, Line, Origin, unused

_DEFAULTS: Mapping[str, float] = {"temperature": 1.0, "top_p": 1.0}
"""The defaults of the OpenAI API; servers have others where a request says nothing."""

_ABOUT = """\
What serves the model: a server that runs, which is neither started nor changed. If it wants a
key, put that into the environment and add the variable's name here: api_key_env: NAME. Further
keys: headers, ca_file, stream_options, and knobs for fields of a request that are not usual."""

_UNNAMED = """\
is not
sent, so that the server's own default holds. These are the OpenAI API's; write what you send."""

_ALSO = """\
Also: presence_penalty, frequency_penalty, and where the server knows them top_k, min_p,
repeat_penalty (llama.cpp), repetition_penalty (vLLM). What it refuses is left out and named.
With texts under workload.prompt: system and shots. format: [none, json]."""


def draft(origin: Origin) -> Draft:
    """Return what a first study of a running server says."""
    limit = Line(OUTPUT_LIMIT, ABOVE_STAND_IN)
    return Draft(
        baseline={"num_predict": limit, **{n: Line(v) for n, v in _DEFAULTS.items()}},
        space={
            "num_predict": Line(output_limits(OUTPUT_LIMIT), ABOVE_LIMITS),
            "temperature": Line(up_to_one(_DEFAULTS["temperature"], 0.0)),
            "top_p": Line(up_to_one(_DEFAULTS["top_p"], 0.1)),
        },
        about=_ABOUT,
        unnamed=_UNNAMED,
        below_space=_ALSO,
        limit="num_predict",
        writes="client files",
        left_out=unused(origin.modelfile, (), "the server's own is used"),
    )
