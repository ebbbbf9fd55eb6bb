"""Execute a template of Go's text/template, the third step: from tree and data to text.

Source: `text/template/exec.go` of Go 1.26.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuner.modelfile.go.functions import (
    BUILTINS,
    OLLAMA,
    ExecutionError,
    Value,
    message_fields,
    shown,
    type_name,
)
from tuner.modelfile.go.literals import to_bytes
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
from tuner.spec.values import Message

Operands = Sequence[Operand]
Final = tuple[()] | tuple[Value]
"""What the command before hands on as the last argument, if there is one."""


def execute(trees: Mapping[str, Nodes], data: dict[str, Value], *, bare: bool = False) -> str:
    """Return the text of a template; bytes that are not UTF-8 are replaced.

    With `bare` Ollama's functions and its option missingkey=zero are off. Raises InputError,
    with the line, where Go stops with an error.
    """
    run = _Execution(trees, data, bare)
    try:
        run.walk(trees[""], data)
    except ExecutionError as error:
        raise InputError(f"TEMPLATE, line {run.line}: {error}.") from error
    except RecursionError:
        raise InputError(f"TEMPLATE, line {run.line}: it is nested too deeply.") from None
    return to_bytes("".join(run.out)).decode("utf-8", "replace")


class _Execution:
    """One run of a template: the text so far, and the variables, the innermost last."""

    def __init__(self, trees: Mapping[str, Nodes], data: Value, bare: bool) -> None:
        self._trees = trees
        self._bare = bare
        self._functions = BUILTINS if bare else OLLAMA
        self._variables: list[tuple[str, Value]] = [("$", data)]
        self.out: list[str] = []
        self.line = 1

    def walk(self, nodes: Nodes, dot: Value) -> Jump | None:
        """Run nodes; return the break or continue that ended them, None where none did."""
        for node in nodes:
            jump = self._node(node, dot)
            if jump is not None:
                return jump
        return None

    def _node(self, node: Node, dot: Value) -> Jump | None:
        match node:
            case Text(text):
                self.out.append(text)
            case Action(pipe):
                value = self._pipe(pipe, dot)
                if not pipe.declared:
                    self.out.append(shown(value, "<no value>"))
            case Branch():
                return self._branch(node, dot)
            case Invoke():
                self._invoke(node, dot)
            case Jump():
                return node
        return None

    def _branch(self, branch: Branch, dot: Value) -> Jump | None:
        outside = len(self._variables)
        value = self._pipe(branch.pipe, dot)
        jump: Jump | None = None
        if branch.word == "range":
            jump = self._range(branch, self._elements(branch, value), dot)
        elif value:
            jump = self.walk(branch.body, value if branch.word == "with" else dot)
        else:
            jump = self.walk(branch.otherwise or (), dot)
        del self._variables[outside:]
        return jump

    def _range(
        self, branch: Branch, elements: Sequence[tuple[Value, Value]], dot: Value
    ) -> Jump | None:
        """Run the body once for each element; a jump in the else belongs to the outer range."""
        if not elements:
            return self.walk(branch.otherwise or (), dot)
        outside = len(self._variables)
        for key, element in elements:
            self._bind(branch.pipe, key, element)
            jump = self.walk(branch.body, element)
            del self._variables[outside:]
            if jump is not None and jump.word == "break":
                break
        return None

    def _elements(self, branch: Branch, value: Value) -> Sequence[tuple[Value, Value]]:
        match value:
            case None:
                return ()
            case tuple():
                return tuple(enumerate(value))
            case dict():
                return sorted(value.items())
            case int() if not isinstance(value, bool) and len(branch.pipe.declared) < 2:
                return tuple((None, number) for number in range(value))
        raise ExecutionError(f"range cannot go over a {type_name(value)}")

    def _bind(self, pipe: Pipe, key: Value, element: Value) -> None:
        """Give a range's variables their values; a single one gets the element."""
        values = (key, element)[-len(pipe.declared) :] if pipe.declared else ()
        for depth, (name, value) in enumerate(zip(pipe.declared, values, strict=True)):
            if pipe.assigns:
                self._assign(name, value)
            else:
                self._variables[depth - len(values)] = (name, value)

    def _invoke(self, node: Invoke, dot: Value) -> None:
        """Run another template, which sees none of the variables here."""
        self.line = node.line
        if node.name not in self._trees:
            raise ExecutionError(f'there is no template "{node.name}"')
        value = None if node.pipe is None else self._pipe(node.pipe, dot)
        outside, self._variables = self._variables, [("$", value)]
        self.walk(self._trees[node.name], value)
        self._variables = outside

    def _assign(self, name: str, value: Value) -> None:
        for place in reversed(range(len(self._variables))):
            if self._variables[place][0] == name:
                self._variables[place] = (name, value)
                return
        raise ExecutionError(f"the variable {name} is not declared")

    def _variable(self, name: str) -> Value:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise ExecutionError(f"the variable {name} is not declared")

    def _pipe(self, pipe: Pipe, dot: Value) -> Value:
        self.line = pipe.line
        final: Final = ()
        for command in pipe.commands:
            final = (self._command(command, dot, final),)
        (value,) = final or (None,)
        for name in pipe.declared:
            if pipe.assigns:
                self._assign(name, value)
            else:
                self._variables.append((name, value))
        return value

    def _command(self, command: Operands, dot: Value, final: Final) -> Value:
        first, *rest = command
        given = bool(rest or final)
        match first:
            case Function(name):
                return self._call(name, rest, dot, final)
            case Nil():
                raise ExecutionError("nil is no command")
            case Field() | Chain():
                return self._value(first, dot, given)
            case Variable(_, names) if names:
                return self._value(first, dot, given)
        if given:
            raise ExecutionError("an argument is given to what is no function")
        return self._value(first, dot)

    def _value(self, operand: Operand, dot: Value, given: bool = False) -> Value:
        """Evaluate an operand; `given` tells that arguments follow, which no field takes."""
        match operand:
            case Constant(value):
                return value
            case Dot():
                return dot
            case Field(names):
                return self._fields(dot, names, given)
            case Variable(name, names):
                return self._fields(self._variable(name), names, given)
            case Chain(start, names):
                return self._fields(self._value(start, dot), names, given)
            case Pipe():
                return self._pipe(operand, dot)
            case Function(name):
                return self._call(name, (), dot, ())
        return None

    def _fields(self, value: Value, names: Sequence[str], given: bool) -> Value:
        """Follow fields: those of nothing are nothing, those of a missing key are an error."""
        for number, name in enumerate(names):
            if value is None:
                if number and not self._bare:
                    raise ExecutionError(f"there is no .{names[number - 1]} to take .{name} of")
                return None
            value = self._field(value, name, given and number == len(names) - 1)
        return value

    def _field(self, value: Value, name: str, given: bool) -> Value:
        fields = message_fields(value) if isinstance(value, Message) else value
        if not isinstance(fields, dict):
            raise ExecutionError(f"a {type_name(value)} has no fields, so no .{name}")
        if isinstance(value, Message) and name not in fields:
            raise ExecutionError(f"a message has no .{name}, only .{', .'.join(fields)}")
        if given:
            raise ExecutionError(f"an argument is given to .{name}, which is no function")
        return fields.get(name)

    def _call(self, name: str, operands: Operands, dot: Value, final: Final) -> Value:
        callee = self._functions.get(name)
        if callee is None:
            raise ExecutionError(
                f"Ollama does not know {name} where it renders the last turn of a template "
                "without .Messages"
            )
        count = len(operands) + len(final)
        if count < callee.least or (callee.most is not None and count > callee.most):
            raise ExecutionError(f"{name} takes another number of arguments than {count}")
        if name in ("and", "or"):
            return self._decide(name == "or", operands, dot, final)
        return callee.run(*(self._value(operand, dot) for operand in operands), *final)

    def _decide(self, wanted: bool, operands: Operands, dot: Value, final: Final) -> Value:
        """Return the first argument whose truth is `wanted`, else the last; evaluate no others."""
        value: Value = None
        for operand in operands:
            value = self._value(operand, dot)
            if bool(value) is wanted:
                return value
        return final[0] if final else value
