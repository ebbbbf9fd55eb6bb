"""Why requests take as long as they do, and what would help: from figures, and pure."""
