"""The language of Go's text/template: read and executed. Source: Go 1.26, `text/template`."""
