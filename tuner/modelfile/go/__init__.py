"""Read and execute templates of Go's text/template. Source: Go 1.26."""
