"""A real Ollama of both generations: built by Go, kept outside the tree, served models of ours."""
