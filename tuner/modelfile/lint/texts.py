"""Find mistakes in FROM, ADAPTER, SYSTEM and TEMPLATE by their texts.

`lint.template` renders the TEMPLATE to find others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tuner.modelfile.lint.findings import Draft, Finding, error, note, warn
from tuner.modelfile.lint.stops import QUOTED
from tuner.spec.model_name import EXPECTED, is_name, is_path

LONG_TOKENS = 250
"""Tokens from which on a system text takes a part of the window that is worth knowing."""

DEFAULT_WINDOW = 4096
"""num_ctx of Ollama below 23 GiB of GPU memory (`server/routes.go`)."""

BYTES_PER_TOKEN = 4.8
"""Bytes in UTF-8 that a token of letters and blanks holds, in whatever script.

Digits are a token each, two other signs share one. So Qwen's tokenizer is met within a quarter in
prose of nine languages (English, Chinese, Russian, Thai), in JSON and in code; Hindi takes twice as
many. Tokenizers of a smaller vocabulary need more.
"""

HOT = 0.5
"""Temperature above which a model breaks the form of its answers now and then."""

FAMILIES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "<|im_start|>": ("ChatML", ("qwen", "qwq", "smollm", "hermes", "yi", "dolphin")),
    "<|start_header_id|>": ("Llama 3", ("llama3", "llama-3", "hermes")),
    "<start_of_turn>": ("Gemma", ("gemma", "codegemma", "shieldgemma")),
    "[INST]": ("Mistral", ("mistral", "mixtral", "llama2", "llama-2", "codellama", "ministral")),
    "<|end|>": ("Phi 3", ("phi3", "phi-3", "phi4-mini")),
}  # fmt: skip
"""A token that only one family's template has, its name, and how its models are called."""

_PLACEHOLDER = re.compile(
    r"<[^>]+>|\$\{?\w+.*|\{\{.*|.*/?path/to/.*|(your|my)[-_ ]?(base[-_ ]?)?(model|gguf).*|"
    r"model[-_]?name|base[-_]?model|\.\.\.",
    re.IGNORECASE,
)
_ABSOLUTE = re.compile(r"/|[A-Za-z]:[\\/]|~")
_PATHS = re.compile(r"\.(gguf|bin|safetensors)[,;]?\s|\s(\.{0,2}/|~/|[A-Za-z]:\\)", re.IGNORECASE)
_PART = re.compile(r"(.*-)\d{5}-of-(\d{5})\.gguf", re.DOTALL)
_HUGGING_FACE = ("hf.co/", "huggingface.co/")
_WEB = (
    "is an address, from which Ollama fetches no file: write hf.co/NAME/REPOSITORY:FILE.gguf for "
    "one on Hugging Face, or put the file beside the Modelfile."
)
_WRAPPED = re.compile(r"'[^']*'|[“„‟]+[^“”]*[”“]+|\u2018[^\u2018\u2019]*\u2019|«[^«»]*»")
_JSON = re.compile(r"\bJSON\b", re.IGNORECASE)


def base(draft: Draft) -> Iterator[Finding]:
    """Report a FROM that no machine can have, or only this one.

    Ollama takes the value for a path where a file of that name is there, blanks included
    (`parser/parser.go`, CreateRequest), and else for a model's name (`types/model/name.go`).
    """
    for i in draft.all("FROM"):
        named = i.value not in draft.present
        if i.value in draft.bare:
            yield warn(i, "folder", f"FROM {i.value} is a folder here, and Ollama finds no weights "
                       "in it: name a file, or write the model's tag.")  # fmt: skip
        elif named and " #" in i.value:
            yield error(i, "comment", f"FROM names a model {i.value!r}, # and all: comments have "
                        "lines of their own.")  # fmt: skip
        elif named and _PLACEHOLDER.fullmatch(i.value):
            yield warn(i, "placeholder", f"FROM {i.value} looks like a placeholder: name a model.")
        elif named and (wrong := _no_name(i.value)):
            yield error(i, "name", f"FROM {i.value} {wrong}")
        elif _ABSOLUTE.match(i.value):
            yield warn(i, "absolute", f"FROM {i.value} exists on one machine only: put the file "
                       "beside the Modelfile and write ./ and its name.")  # fmt: skip


def parts(draft: Draft) -> Iterator[Finding]:
    """Name the files of a split model that FROM leaves out: Ollama takes all of them or none.

    Source: `server/create.go` of 0.33, mergeSplitGGUFLayers; an older one creates what it cannot
    load.
    """
    named = [(i, _PART.fullmatch(i.value)) for i in draft.all("FROM")]
    found = [(i, match[1], int(match[2])) for i, match in named if match]
    for i, start, count in found:
        if sum(other == start for _, other, _ in found) < count:
            yield warn(i, "parts", f"FROM {i.value} is one of {count} files of a model: write a "
                       "line FROM for each (Ollama 0.33), or make one file of them with "
                       "llama-gguf-split --merge.")  # fmt: skip


def several(draft: Draft) -> Iterator[Finding]:
    """Warn of FROM lines that Ollama ignores: all others beside the last name of a model.

    Source: `parser/parser.go` (CreateRequest) and `server/create.go`.
    """
    found = draft.all("FROM")
    names = [i for i in found if i.value not in draft.present and not is_path(i.value)]
    for i in found if names else ():
        if i is not names[-1]:
            yield warn(i, "ignored", f"beside FROM {names[-1].value}, the name of a model, Ollama "
                       f"leaves out FROM {i.value} without a word: remove one.")  # fmt: skip


def files(draft: Draft) -> Iterator[Finding]:
    """Warn of an ADAPTER or DRAFT that is no file; Ollama takes no names there (CreateRequest)."""
    for i in (*draft.all("ADAPTER"), *draft.all("DRAFT")):
        if i.value and i.value not in draft.present and not is_path(i.value):
            yield warn(i, "name", f"{i.word} {i.value} is no file that is here, and Ollama takes "
                       "no model's name for it: name a path, as ./ and the file's.")  # fmt: skip


def _no_name(value: str) -> str | None:
    """Return why a value is neither the name of a model nor a path, None where it is one."""
    if _PATHS.search(value):
        return "is one value, not several: write a line FROM for each."
    if is_name(value):
        return None
    if "://" in value or value.startswith(_HUGGING_FACE):
        return _WEB
    if is_path(value):
        return None
    if re.search(r"\s", value):
        return (
            "is neither the name of a model, which has no spaces, nor a file that is here: name "
            "one, as in FROM llama3.2."
        )
    return f"is no name that Ollama takes, nor a file that is here: {EXPECTED}."


def blank(draft: Draft) -> Iterator[Finding]:
    """Warn of blank texts, which do not clear those of the base."""
    for i in (*draft.all("SYSTEM"), *draft.all("TEMPLATE")):
        if not i.value.strip():
            yield warn(i, "blank", f"a blank {i.word} does not clear that of the base: leave it "
                       "out or write a text.")  # fmt: skip


def quotes(draft: Draft) -> Iterator[Finding]:
    """Warn of quotes that become part of a value."""
    for i in draft.all("FROM"):
        if i.value not in draft.present and QUOTED.fullmatch(i.value):
            yield warn(i, "quotes", f"the quotes are part of the value of FROM, {i.value}: Ollama "
                       'takes off only a pair of ".')  # fmt: skip
    for i in (*draft.all("SYSTEM"), *draft.all("TEMPLATE")):
        if _WRAPPED.fullmatch(i.value):
            yield warn(i, "quotes", f"the quotes {i.value[0]} and {i.value[-1]} are part of "
                       f'{i.word}: write ", or three of them.')  # fmt: skip


def long_system(draft: Draft) -> Iterator[Finding]:
    """Report a system text that is long for the window, or for the usual one where none is set."""
    system, window = draft.last("SYSTEM"), draft.window
    tokens = _tokens(system.value) if system else 0.0
    text = f"the system text has about {tokens:.0f} tokens"
    hint = "shorten it" if window == draft.trained else "raise num_ctx"
    if system and window and tokens > window / 2:
        yield warn(system, "long-system", f"{text} of a window of {window}: {hint}.")
    elif system and not window and tokens > DEFAULT_WINDOW:
        yield warn(system, "long-system", f"{text}, more than the window of {DEFAULT_WINDOW} on "
                   "most machines: set num_ctx.")  # fmt: skip
    elif system and not window and tokens > LONG_TOKENS:
        yield note(system, "long-system", f"{text} of a window that is {DEFAULT_WINDOW} on most "
                   "machines: set num_ctx.")  # fmt: skip


def _tokens(text: str) -> float:
    """Estimate the tokens of a text by its bytes, since JSON and many scripts have no blanks."""
    return sum(_share(char) for char in text)


def _share(char: str) -> float:
    if char.isdigit():
        return 1.0
    return len(char.encode()) / BYTES_PER_TOKEN if char.isalpha() or char.isspace() else 0.5


def demanded_json(draft: Draft) -> Iterator[Finding]:
    """Note what helps where the system text asks for JSON."""
    system = draft.last("SYSTEM")
    if system is None or not _JSON.search(system.value):
        return
    temperature = draft.number("temperature")
    if temperature is None or temperature > HOT:
        now = "unset, so 0.8 or the base's" if temperature is None else f"{temperature:g}"
        yield note(system, "json", f"the system text asks for JSON, and temperature is {now}: 0 to "
                   "0.2 keeps the form.")  # fmt: skip
    if draft.number("num_predict") is None:
        yield note(system, "json", "the system text asks for JSON, and num_predict is not set: an "
                   "answer that never ends is only stopped at ten windows. The field `format` of "
                   "each request makes JSON certain.")  # fmt: skip


def family(draft: Draft) -> Iterator[Finding]:
    """Warn of a template of another family of models than the base."""
    template, origin = draft.prompting, draft.origin
    if template is None or origin is None:
        return
    used = next((token for token in FAMILIES if token in template.value), None)
    meant = _families_of(origin.value)
    if used and meant and used not in meant:
        wanted = " or ".join(FAMILIES[token][0] for token in meant)
        yield warn(template, "family", f"this is a template of {FAMILIES[used][0]}, and "
                   f"{origin.value} was trained with that of {wanted}: leave TEMPLATE out, so that "
                   "the base's own is used.")  # fmt: skip


def newer(draft: Draft) -> Iterator[Finding]:
    """Note what only a newer Ollama can read."""
    for i in (*draft.all("RENDERER"), *draft.all("PARSER"), *draft.all("DRAFT")):
        if not draft.all("REQUIRES"):
            yield note(i, "requires", f"older versions of Ollama do not know {i.word}: say which "
                       "one is needed with REQUIRES.")  # fmt: skip


def own_template(draft: Draft) -> Iterator[Finding]:
    """Report what makes the prompts of a GGUF file without TEMPLATE."""
    origin = draft.origin
    if origin is None or draft.last("TEMPLATE") or draft.all("RENDERER") or draft.gguf is None:
        return
    if draft.base is None:
        yield note(origin, "no-template", "no TEMPLATE, and the file cannot be read from here: "
                   "Ollama takes the chat template of the GGUF if it knows it.")  # fmt: skip
    elif not draft.base.chat_template:
        yield warn(origin, "no-template", "no TEMPLATE, and the GGUF has no chat template: prompts "
                   "reach the model as bare text. Write the one it was trained with.")  # fmt: skip
    else:
        found = [name for token, (name, _) in FAMILIES.items() if token in draft.base.chat_template]
        what = f"of {found[0]}" if found else "of none of the families known here"
        yield note(origin, "no-template", f"no TEMPLATE: the GGUF brings a chat template {what}, "
                   "which Ollama replaces by the nearest of its built-in ones.")  # fmt: skip


def _families_of(name: str) -> list[str]:
    """Return the tokens of the families to which a model belongs by its name."""
    lower = name.lower().rsplit("/", 1)[-1]
    return [t for t, (_, names) in FAMILIES.items() if any(lower.startswith(n) for n in names)]
