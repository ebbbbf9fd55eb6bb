"""The parser of flags."""

import argparse
from pathlib import Path

import yaml


class FlexibleArgumentParser(argparse.ArgumentParser):
    """As argparse's own, with vLLM's rules for the file of --config."""

    def parse_args(self, args=None):
        """Read flags; those of a file come first, so that what stands beside it wins."""
        if args is not None and "--config" in args:
            at = args.index("--config")
            first = args[:1] if args[0] == "serve" else []
            args = [*first, *self._of_file(args[at + 1]), *args[len(first) : at], *args[at + 2 :]]
        return super().parse_args(args)

    def _of_file(self, path):
        """Return the flags of a file; a false is dropped where there is no switch to turn off."""
        for key, value in yaml.safe_load(Path(path).read_text()).items():
            if isinstance(value, bool):
                if value:
                    yield f"--{key}"
                elif f"--no-{key}" in self._option_string_actions:
                    yield f"--no-{key}"
            else:
                yield from (f"--{key}", str(value))
