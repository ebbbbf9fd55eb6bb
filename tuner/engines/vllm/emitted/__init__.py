"""What goes into service: vLLM's own file of options, and how a server is started with them."""
