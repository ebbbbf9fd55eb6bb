"""Read a template of Go's text/template, the second step: from tokens to a tree.

Source: `text/template/parse/parse.go` of Go 1.26. Ollama refuses to make a model
where this parser refuses its template. Only complex numbers are missing here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final, Literal, NoReturn

from tuner.modelfile.go.lexer import Token, fail, lex, line_of
from tuner.modelfile.go.literals import number, string
from tuner.modelfile.go.nodes import (
    Action,
    Branch,
    Chain,
    Constant,
    Dot,
    Field,
    Function,
    Invoke,
    Jump,
    Nil,
    Node,
    Nodes,
    Operand,
    Pipe,
    Text,
    Variable,
)
from tuner.spec.errors import InputError

_TERMS: Final = frozenset(
    ("string", "raw", "char", "number", "variable", "field", "dot", "word", "open")
)
_KEYWORDS: Final = frozenset(
    ("block", "break", "continue", "define", "else", "end", "if", "range", "template", "with")
)
_SHOWN: Final = {"end": "the end of the template", "text": "text"}


def parse_trees(text: str, functions: Collection[str]) -> Mapping[str, Nodes]:
    """Return the trees of a template by name, its own under "".

    `functions` are the names of known functions. Raises InputError, with the line, where Go
    refuses the template.
    """
    try:
        return _Parser(text, functions).trees()
    except RecursionError:
        raise InputError("TEMPLATE: it is nested too deeply.") from None


class _Parser:
    """Parse the tokens of one template, and of those that it defines, by recursive descent."""

    def __init__(self, text: str, functions: Collection[str]) -> None:
        self._text = text
        self._functions = functions
        self._tokens = list(lex(text))
        self._at = 0
        self._variables = ["$"]
        self._ranges = 0
        self._trees: dict[str, Nodes] = {}

    def trees(self) -> Mapping[str, Nodes]:
        nodes: list[Node] = []
        while (token := self._next()).kind != "end":
            if token.kind == "{{" and self._takes("define"):
                self._define(self._name("define"))
                continue
            node = self._node(token)
            if isinstance(node, Token):
                self._fail(node, f"{{{{ {node.text} }}}} closes no if, with or range")
            nodes.append(node)
        self._add("", tuple(nodes), token)
        return self._trees

    def _next(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _takes(self, word: str) -> bool:
        """Tell whether the next token is the word, and consume it then."""
        found = self._peek().kind == "word" and self._peek().text == word
        self._at += found
        return found

    def _expect(self, kind: str, where: str) -> Token:
        token = self._next()
        if token.kind != kind:
            self._unexpected(token, where, kind)
        return token

    def _fail(self, token: Token, problem: str) -> NoReturn:
        fail(self._text, token.at, problem)

    def _unexpected(self, token: Token, where: str, expected: str) -> NoReturn:
        shown = _SHOWN.get(token.kind, token.text.strip())
        self._fail(token, f"found {shown} in {where}, expected {expected}")

    def _add(self, name: str, nodes: Nodes, token: Token) -> None:
        """Add a tree under a name; of two trees, one of white space gives way to the other."""
        if not _blank(self._trees.get(name, ())) and not _blank(nodes):
            self._fail(token, f'the template "{name}" is defined a second time')
        if _blank(self._trees.get(name, ())):
            self._trees[name] = nodes

    def _define(self, name: str) -> None:
        """Parse the body of a define or block, which sees no outer variables and no outer range."""
        outside = self._variables, self._ranges
        self._variables, self._ranges = ["$"], 0
        nodes, closing = self._body("define")
        if closing.text != "end":
            self._unexpected(closing, "a define or block", "{{ end }}")
        self._add(name, nodes, closing)
        self._variables, self._ranges = outside

    def _body(self, word: str) -> tuple[Nodes, Token]:
        """Parse up to an end or else; return the nodes and that token."""
        nodes: list[Node] = []
        while True:
            token = self._next()
            if token.kind == "end":
                self._unexpected(token, f"the body of {word}", "{{ end }}")
            node = self._node(token)
            if isinstance(node, Token):
                return tuple(nodes), node
            nodes.append(node)

    def _node(self, token: Token) -> Node | Token:
        """Parse a text or an action; return the token itself for an end or else."""
        if token.kind == "text":
            return Text(token.text)
        if token.kind != "{{":
            self._unexpected(token, "an else", "}}")
        word = self._peek()
        if word.kind != "word" or word.text not in _KEYWORDS:
            return Action(self._pipe("an action", "}}"))
        self._next()
        return self._keyword(word)

    def _keyword(self, word: Token) -> Node | Token:
        match word.text:
            case "if" | "with" | "range" as kind:
                return self._branch(kind)
            case "break" | "continue" as jump:
                self._expect("}}", word.text)
                if not self._ranges:
                    self._fail(word, f"{{{{ {jump} }}}} stands outside of a range")
                return Jump(jump)
            case "end" | "else":
                return self._closing(word)
            case "block" | "template":
                return self._invoke(word)
        return self._unexpected(word, "an action", "it at the top level of the template")

    def _closing(self, word: Token) -> Token:
        """Return the token of an end or else; the caller parses what follows an else."""
        ahead = self._peek()
        chained = word.text == "else" and ahead.kind == "word" and ahead.text in ("if", "with")
        if not chained:
            self._expect("}}", word.text)
        return word

    def _branch(self, word: Literal["if", "with", "range"]) -> Branch:
        outside = len(self._variables)
        pipe = self._pipe(word, "}}")
        self._ranges += word == "range"
        body, closing = self._body(word)
        self._ranges -= word == "range"
        otherwise = self._otherwise(word) if closing.text == "else" else None
        del self._variables[outside:]
        return Branch(word, pipe, body, otherwise)

    def _otherwise(self, word: Literal["if", "with", "range"]) -> Nodes:
        if word != "range" and self._takes(word):
            return (self._branch(word),)
        nodes, closing = self._body("else")
        if closing.text != "end":
            self._fail(closing, "found a second {{ else }}, expected {{ end }}")
        return nodes

    def _invoke(self, word: Token) -> Invoke:
        """Parse a template action, or a block, which defines a template and invokes it."""
        name = self._name(word.text)
        bare = word.text == "template" and self._peek().kind == "}}"
        pipe = None if bare else self._pipe(word.text, "}}")
        if bare:
            self._next()
        if word.text == "block":
            self._define(name)
        return Invoke(name, pipe, line_of(self._text, word.at))

    def _name(self, word: str) -> str:
        token = self._next()
        if token.kind not in ("string", "raw"):
            self._unexpected(token, word, "a template's name in quotes")
        name = string(token.text)
        if name is None:
            self._fail(token, f"{token.text} is no valid string")
        if word == "define":
            self._expect("}}", word)
        return name

    def _pipe(self, where: str, end: str) -> Pipe:
        start = self._peek()
        declared, assigns = self._declared(where)
        commands = []
        while (token := self._peek()).kind != end:
            if token.kind not in _TERMS:
                self._unexpected(token, where, "a value")
            commands.append(self._command())
        self._next()
        self._check(start, where, commands)
        return Pipe(tuple(commands), declared, assigns, line_of(self._text, start.at))

    def _check(self, start: Token, where: str, commands: list[tuple[Operand, ...]]) -> None:
        if not commands:
            self._fail(start, f"found no value in {where}, expected one")
        if any(isinstance(c[0], Constant | Dot | Nil) for c in commands[1:]):
            self._fail(start, "found a constant or dot after |, expected a function")

    def _declared(self, where: str) -> tuple[tuple[str, ...], bool]:
        """Parse the variables before a := or =, of which a range may have two."""
        names: list[str] = []
        while self._peek().kind == "variable":
            after = self._tokens[self._at + 1]
            if after.kind not in ("assign", "declare") and after.text != ",":
                break
            names.append(self._next().text)
            self._variables.append(names[-1])
            self._next()
            if after.text != ",":
                return tuple(names), after.kind == "assign"
            if where != "range" or len(names) > 1:
                self._fail(after, f"{where} declares too many variables")
            if self._peek().kind not in ("variable", "}}", "shut"):
                self._unexpected(self._peek(), where, "a second variable")
        return tuple(names), False

    def _command(self) -> tuple[Operand, ...]:
        """Parse operands with spaces between them, up to a `|`, which is consumed."""
        operands = [self._operand()]
        while (token := self._peek()).kind in _TERMS and token.spaced:
            operands.append(self._operand())
        if token.kind == "pipe":
            self._next()
        elif token.kind not in ("}}", "shut"):
            self._unexpected(token, "an action", "a space, | or }}")
        return tuple(operands)

    def _operand(self) -> Operand:
        token = self._next()
        term = self._term(token)
        names = tuple(self._fields())
        if not names:
            return term
        match term:
            case Field(start):
                return Field(start + names)
            case Variable(name, start):
                return Variable(name, start + names)
            case Pipe() | Function():
                return Chain(term, names)
        return self._unexpected(self._tokens[self._at - 1], "a constant", "a space before it")

    def _fields(self) -> Iterator[str]:
        while self._peek().kind == "field" and not self._peek().spaced:
            yield self._next().text[1:]

    def _term(self, token: Token) -> Operand:
        match token.kind:
            case "field":
                return Field((token.text[1:],))
            case "dot":
                return Dot()
            case "open":
                return self._pipe("parentheses", "shut")
            case "word":
                return self._word(token)
            case "variable":
                if token.text not in self._variables:
                    self._fail(token, f"the variable {token.text} is not declared")
                return Variable(token.text, ())
        return self._constant(token)

    def _word(self, token: Token) -> Operand:
        if token.text in ("true", "false"):
            return Constant(token.text == "true")
        if token.text == "nil":
            return Nil()
        if token.text in _KEYWORDS:
            self._unexpected(token, "an action", "a value")
        if token.text not in self._functions:
            hint = "a field starts with a dot, a text stands in quotes"
            self._fail(token, f"there is no function {token.text}: {hint}")
        return Function(token.text)

    def _constant(self, token: Token) -> Constant:
        value = number(token.text) if token.kind in ("number", "char") else string(token.text)
        if value is None:
            hint = ": a text stands in double quotes" if token.kind == "char" else ""
            self._fail(token, f"{token.text} is no valid {token.kind}{hint}")
        return Constant(value)


def _blank(nodes: Nodes) -> bool:
    """Tell whether a tree is nothing but white space."""
    return all(isinstance(n, Text) and re.fullmatch(r"\s*", n.text) for n in nodes)
