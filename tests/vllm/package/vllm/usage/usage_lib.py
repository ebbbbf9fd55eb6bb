"""Who asks for a configuration."""

import enum


class UsageContext(enum.Enum):
    """The server does."""

    OPENAI_API_SERVER = "OPENAI_API_SERVER"
