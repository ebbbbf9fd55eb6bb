"""One command a file: parse options, call a workflow, print."""
