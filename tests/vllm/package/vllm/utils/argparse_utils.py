"""The parser of flags."""

import argparse


class FlexibleArgumentParser(argparse.ArgumentParser):
    """As argparse's own, for what the tests need."""
