"""vLLM's logging: set up on first use, which removes who listens; some things are said once."""

import logging
import logging.config
from functools import lru_cache

LOGGER = logging.getLogger("vllm.config")
_CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"vllm": {"format": "(MainProcess pid=1) %(levelname)s %(message)s"}},
    "handlers": {"vllm": {"class": "logging.StreamHandler", "formatter": "vllm"}},
    "loggers": {"vllm": {"handlers": ["vllm"], "level": "INFO", "propagate": False}},
}


@lru_cache
def set_up() -> None:
    """Configure logging once."""
    logging.config.dictConfig(_CONFIG)


@lru_cache
def _print_warning_once(text: str) -> None:
    LOGGER.warning(text)


warning_once = _print_warning_once
