"""The server as a module."""

from vllm.entrypoints.cli.main import serve

if __name__ == "__main__":
    serve()
