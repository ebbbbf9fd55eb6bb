"""Write which release of vLLM has which flags, variables and keys, from unpacked wheels.

    python -m tools.vllm_releases FOLDER

FOLDER holds a folder for each release, named by its version, with the wheel's `vllm/` in it. What
is written is `tuner/engines/vllm/installed/flags/releases.json`: names, and in which of the
releases read each came and went. Nothing of vLLM is imported.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tuner.engines.vllm.installed.flags.releases import FILE, release
from tuner.engines.vllm.installed.flags.source import declared, known_variables

_FILES = ("engine/arg_utils.py", "entrypoints/**/cli_args.py", "entrypoints/cli/serve.py")
_CONFIGS = ("config.py", "config/**/*.py")
_FRONTENDS = ("FrontendArgs", "BaseFrontendArgs")


def spans(found: dict[str, set[str]]) -> dict[str, list[str]]:
    """Return of each name in which release it came, and in which it was gone, if it is."""
    versions = sorted(found, key=release)
    ranges: dict[str, list[str]] = {}
    for name in sorted(set().union(*found.values())):
        there = [version for version in versions if name in found[version]]
        after = versions[versions.index(there[-1]) + 1 :]
        ranges[name] = [there[0], *after[:1]]
    return ranges


def flags(package: Path) -> set[str]:
    """Return the long names of the flags of the server in a package."""
    files = (path for pattern in _FILES for path in package.glob(pattern))
    return {name for path in files for name in _names(ast.parse(path.read_text()))}


def keys(package: Path) -> set[str]:
    """Return the keys of the classes of config in a package, such as PassConfig.fuse_norm_quant."""
    files = (path for pattern in _CONFIGS for path in package.glob(pattern))
    said = declared(*(path.read_text() for path in files))
    return {f"{config}.{key}" for config, held in said.keys.items() for key in held}


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            said = (a.value for a in node.args if isinstance(a, ast.Constant))
            yield from (name for name in said if str(name).startswith("--"))
        if isinstance(node, ast.ClassDef) and node.name in _FRONTENDS:
            fields = (f.target for f in node.body if isinstance(f, ast.AnnAssign))
            yield from ("--" + ast.unparse(field).replace("_", "-") for field in fields)


def _lines(read: Mapping[str, list[str] | dict[str, list[str]]]) -> Iterator[str]:
    """Yield a line for each name, so that a change is one line of a diff."""
    for key, value in read.items():
        if isinstance(value, list):
            yield f"{json.dumps(key)}: {json.dumps(value)}"
            continue
        rows = (f"  {json.dumps(name)}: {json.dumps(span)}" for name, span in value.items())
        yield f"{json.dumps(key)}: {{\n" + ",\n".join(rows) + "\n}"


def main(folder: Path, out: Path = FILE) -> None:
    """Write the file."""
    packages = {path.parent.name: path for path in folder.glob("*/vllm")}
    variables = {
        v: set(known_variables((p / "envs.py").read_text()) or ()) for v, p in packages.items()
    }
    read: dict[str, list[str] | dict[str, list[str]]] = {
        "read": sorted(packages, key=release),
        "flags": spans({version: flags(path) for version, path in packages.items()}),
        "variables": spans(variables),
        "keys": spans({version: keys(path) for version, path in packages.items()}),
    }
    lines = ",\n".join(_lines(read))
    out.write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
