"""Random TEMPLATEs, for comparing with real Go: most of them valid, some broken by a character.

One seed always gives the same templates. Names, functions and kinds of values fit each other
often enough that about a third of them render.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

FIELDS = (
    *(".", ".Role", ".Content", ".Prompt", ".System", ".Response", ".Messages", ".Tools"),
    *(".First", ".Foo.Bar", ".Thinking", ".ToolCalls", ".Think", ".IsThinkSet"),
    *("$", "$.System", "$.Messages", "$.Prompt", "$.Tools", "$.First.X"),
)
CONSTANTS = (
    *('"user"', '"assistant"', '"system"', '""', r'"a\n\x41\u00e9"', '"日本"', "`r\\`", "'x'"),
    *("0", "1", "2", "-1", "1.5", "0x10", "017", "1e3", "true", "false", "nil"),
)
LISTS = (".Messages", "$.Messages", ".Tools", '"abc"', ".Content", ".Prompt", "$.System")
TEXTS = ("", "", "x", " y\n", "<|im_start|>", "\n\n", "<|end|>\r\n", "}", " { ", "日 ")
BREAKING = ("", "{{", "}}", " ", "-", "(", ")", "|", '"', "$", ".", ",", "end", "\n", "=")
ARGUMENTS = {"not": 1, "len": 1, "json": 1, "ne": 2, "lt": 2, "gt": 2, "le": 2, "ge": 2}
FUNCTIONS = (*ARGUMENTS, "eq", "and", "or", "index", "slice", "print", "printf", "println")


def random_template(seed: int) -> str:
    """Return the template of a seed."""
    return _Writer(Random(seed)).template()


@dataclass
class _Writer:
    random: Random
    variables: list[str] = field(default_factory=list)
    calls: tuple[str, ...] = ('{{ template "t" . }}', '{{ template "t" $ }}')

    def often(self, share: float) -> bool:
        return self.random.random() < share

    def one(self, *choices: str) -> str:
        return self.random.choice(choices)

    def template(self) -> str:
        text = self.body(0) + self.one("", "{{ .Response }}", "{{ .Messages | len }}")
        if self.often(0.3):
            self.calls = ()  # Go takes minutes to give up on a template that calls itself
            text += self.action('define "t"') + self.body(2) + self.action("end")
        if self.often(0.1):
            at = self.random.randrange(len(text) + 1)
            text = text[:at] + self.one(*BREAKING) + text[at + self.random.randint(0, 2) :]
        return text

    def body(self, depth: int) -> str:
        outside = list(self.variables)
        text = "".join(self.node(depth) for _ in range(self.random.randint(0, 4)))
        self.variables = outside
        return text

    def action(self, inside: str) -> str:
        opening = self.one("{{ ", "{{ ", "{{- ", "{{", "{{-\n")
        return opening + inside + self.one(" }}", " }}", " -}}", "}}", "\n-}}", "  -}} ", "\t}}")

    def node(self, depth: int) -> str:
        kinds = [self.printed, self.declared, self.chosen, self.looped, self.with_, self.rare]
        weights = [4, 1, 3, 3, 1, 1] if depth < 4 else [4, 1, 0, 0, 0, 1]
        (kind,) = self.random.choices(kinds, weights)
        return self.one(*TEXTS) + kind(depth)

    def printed(self, depth: int) -> str:
        return self.action(self.pipe())

    def declared(self, depth: int) -> str:
        name = self.one("$a", "$b", "$c")
        word = "=" if name in self.variables and self.often(0.6) else ":="
        text = self.action(f"{name} {word} {self.pipe()}")
        self.variables.append(name)
        return text

    def chosen(self, depth: int) -> str:
        text = self.action(f"if {self.pipe()}") + self.body(depth + 1)
        while self.often(0.3):
            text += self.action(f"else if {self.pipe()}") + self.body(depth + 1)
        return text + self.ended(depth)

    def looped(self, depth: int) -> str:
        outside = list(self.variables)
        names = self.one("", "$i, $m := ", "$m := ", "$_ := ")
        over = self.one(".Messages", "$.Messages", ".Messages", ".Tools", "2", self.pipe())
        self.variables += [name for name in ("$i", "$m", "$_") if name in names]
        text = self.action(f"range {names}{over}") + self.body(depth + 1)
        if self.often(0.2):
            jump = self.action(self.one("break", "continue"))
            text += self.action(f"if {self.pipe()}") + jump + self.action("end")
        self.variables = outside
        return text + self.ended(depth)

    def with_(self, depth: int) -> str:
        return self.action(f"with {self.pipe()}") + self.body(depth + 1) + self.ended(depth)

    def ended(self, depth: int) -> str:
        other = self.action("else") + self.body(depth + 1) if self.often(0.3) else ""
        return other + self.action("end")

    def rare(self, depth: int) -> str:
        return self.one("{{/* c */}}", "{{- /* c */ -}}", *self.calls)

    def pipe(self, depth: int = 0) -> str:
        text = self.command(depth)
        while self.often(0.12):
            text += self.one(" | ", "|") + self.one("print", "len", "json", "not", "or 1")
        return text

    def command(self, depth: int) -> str:
        if self.often(0.4):
            return self.term(depth)
        name = self.one(*FUNCTIONS)
        count = ARGUMENTS.get(name) or self.random.randint(1, 3)
        arguments = [self.term(depth) for _ in range(count)]
        if name == "printf":
            arguments.insert(0, '"%s %v|%d"')
        if name in ("len", "index", "slice") and self.often(0.7):
            arguments = [self.one(*LISTS), *[self.one("0", "1", "2") for _ in arguments[1:]]]
        if name in ("eq", "ne") and self.often(0.7):
            arguments = [self.one(".Role", ".Content", "$.Prompt", "$.System"), '"user"']
        return " ".join([name, *arguments])

    def term(self, depth: int) -> str:
        if self.variables and self.often(0.3):
            return self.one(*self.variables) + self.one("", "", ".Role", ".Content")
        if depth < 3 and self.often(0.25):
            return f"({self.pipe(depth + 1)})" + self.one("", "", "", ".Content")
        return self.one(*FIELDS) if self.often(0.6) else self.one(*CONSTANTS)
