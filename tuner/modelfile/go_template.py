"""Read a TEMPLATE, and render a conversation with it as Ollama does.

Source: `template/template.go` of Ollama 0.11.4, on top of Go's text/template (`go.lexer`,
`go.parser`, `go.execute`). Ollama's documentation does not say this:

- A template that names neither .Messages nor .Response gets {{ .Response }} at its end.
- With .Messages, consecutive messages of one role are joined by a blank line, and .System holds
  all system messages.
- Without .Messages, it is rendered once for each turn of system, prompt and response. The last
  turn ends before the first {{ .Response }}, and Ollama's own functions are unknown in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from tuner.modelfile.go.execute import execute
from tuner.modelfile.go.functions import OLLAMA, Tools, Value
from tuner.modelfile.go.nodes import (
    Action,
    Branch,
    Field,
    Invoke,
    Node,
    Nodes,
    Operand,
    Pipe,
    Variable,
)
from tuner.modelfile.go.parser import parse_trees
from tuner.spec.errors import InputError
from tuner.spec.values import Message

_RESPONSE = Action(Pipe(((Field(("Response",)),),), (), assigns=False, line=1))


@dataclass(frozen=True, slots=True)
class Template:
    """A TEMPLATE as Ollama holds it: its own tree under "", and the trees that it defines.

    `fields` are the names in it, in lower case: fields without their dot ("messages", "role"),
    variables with their $. As in Ollama, names behind parentheses are missing.
    """

    trees: Mapping[str, Nodes]
    fields: frozenset[str]


def parse(text: str) -> Template:
    """Read a TEMPLATE.

    Raises InputError, with the line, where Ollama refuses it or fails.
    """
    trees = parse_trees(text, OLLAMA)
    fields = frozenset(n.lower() for nodes in trees.values() for n in _names(nodes))
    if not fields & {"messages", "response"}:
        trees = {**trees, "": (*trees[""], _RESPONSE)}
        fields |= {"response"}
    return Template(trees, fields)


def render(
    template: Template,
    *,
    messages: Sequence[Message] = (),
    system: str = "",
    prompt: str = "",
    suffix: str = "",
    think: bool | None = None,
) -> str:
    """Return the prompt that Ollama makes of a conversation, or of a text with a suffix.

    `system` is a Modelfile's SYSTEM: it comes first unless the messages start with their own.
    `think` is that of the request, None where it has none. There are no tools and no images.
    Raises InputError, with the line, where Ollama answers with an error.
    """
    thinking: dict[str, Value] = {"Think": bool(think), "ThinkLevel": ""}
    thinking["IsThinkSet"] = think is not None
    if prompt and suffix:
        data = {"Prompt": prompt, "Suffix": suffix, "Response": "", **thinking}
        return execute(template.trees, data)
    own = bool(messages) and messages[0].role == "system"
    first = [Message("system", system)] if system and not own else []
    conversation = [*first, *messages]
    if "messages" in template.fields:
        return execute(template.trees, _chat(conversation) | thinking)
    return _turn_by_turn(template, [turn | thinking for turn in _turns(_collated(conversation))])


def _turn_by_turn(template: Template, turns: Sequence[dict[str, Value]]) -> str:
    """Render a template without .Messages; the last turn ends where the response would begin."""
    *turns, last = turns
    cut, _ = _cut(template.trees[""])
    done = [execute(template.trees, turn) for turn in turns]
    return "".join(done) + execute({"": cut}, last, bare=True)


def _chat(messages: Sequence[Message]) -> dict[str, Value]:
    return {
        "System": "\n\n".join(m.content for m in messages if m.role == "system"),
        "Messages": _collated(messages),
        "Tools": Tools(),
        "Response": "",
    }


def _collated(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Join consecutive messages of one role."""
    return tuple(
        Message(role, "\n\n".join(m.content for m in row))
        for role, row in groupby(messages, key=lambda m: m.role)
    )


def _turns(messages: Sequence[Message]) -> Iterator[dict[str, Value]]:
    """Yield the values of each turn for a template without .Messages.

    A turn is system, prompt, response. A message that comes too late for its turn starts the next.
    """
    order = ("System", "Prompt", "Response")
    places = dict(zip(("system", "user", "assistant"), order, strict=True))
    turn: dict[str, Value] = dict.fromkeys(order, "")
    for message in messages:
        place = places[message.role]
        if any(turn[later] for later in order[order.index(place) + 1 :]):
            yield turn
            turn = dict.fromkeys(order, "")
        turn[place] = message.content
    yield turn


def _names(nodes: Nodes) -> Iterator[str]:
    """Yield the names of fields and variables, as Ollama's function Identifiers does."""
    for node in nodes:
        match node:
            case Action(pipe) | Invoke(_, Pipe() as pipe, _):
                yield from _operand_names(pipe)
            case Branch():
                yield from _operand_names(node.pipe)
                yield from _names(node.body + (node.otherwise or ()))
            case Invoke():
                raise InputError(
                    f"TEMPLATE, line {node.line}: found a template action without a value, at "
                    f'which Ollama crashes: write {{{{ template "{node.name}" . }}}}.'
                )


def _operand_names(operand: Operand) -> Iterator[str]:
    match operand:
        case Field(names):
            yield from names
        case Variable(name, names):
            yield from (name, *names)
        case Pipe(commands):
            for command in commands:
                for argument in command:
                    yield from _operand_names(argument)


def _cut(nodes: Nodes) -> tuple[Nodes, bool]:
    """Return nodes without what follows the first {{ .Response }}, and whether there was one.

    As in Ollama, the pipelines of if, with and range and template actions are not searched.
    Ollama crashes where that {{ .Response }} stands before an else.
    """
    kept: list[Node] = []
    done = False
    for node in nodes:
        if done:
            break
        if isinstance(node, Branch):
            node, done = _cut_branch(node)
        elif isinstance(node, Action):
            pipe, done = _cut_pipe(node.pipe)
            if pipe is None:
                break
            node = Action(pipe)
        kept.append(node)
    return tuple(kept), done


def _cut_branch(branch: Branch) -> tuple[Branch, bool]:
    body, done = _cut(branch.body)
    if branch.otherwise is None:
        return replace(branch, body=body), done
    if done:
        raise InputError(
            f"TEMPLATE, line {branch.pipe.line}: .Response stands before an {{{{ else }}}}, at "
            "which Ollama crashes: move it behind the {{ end }}."
        )
    otherwise, done = _cut(branch.otherwise)
    return replace(branch, body=body, otherwise=otherwise), done


def _cut_pipe(pipe: Pipe) -> tuple[Pipe | None, bool]:
    """Return a pipeline without the arguments after .Response; None where a command loses all."""
    done = False
    commands = []
    for command in pipe.commands:
        kept, done = _cut_command(command, done)
        if not kept:
            return None, done
        commands.append(kept)
    return replace(pipe, commands=tuple(commands)), done


def _cut_command(command: Sequence[Operand], done: bool) -> tuple[tuple[Operand, ...], bool]:
    kept: list[Operand] = []
    for argument in command:
        if done:
            break
        part: Operand | None = argument
        if isinstance(argument, Pipe):
            part, done = _cut_pipe(argument)
        elif isinstance(argument, Field):
            done = "Response" in argument.names
        if part is not None:
            kept.append(part)
    return tuple(kept), done
