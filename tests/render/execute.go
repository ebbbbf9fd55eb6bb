// Executes a Go text/template as Ollama does: {"Messages": [{Role, Content}]} is all it sees.
// Reads [{"template": ..., "messages": [...]}] from stdin, writes the texts as a JSON list.
package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

type message struct{ Role, Content string }

type job struct {
	Template string
	Messages []*message
}

func execute(j job) string {
	var out strings.Builder
	t := template.Must(template.New("").Option("missingkey=zero").Parse(j.Template))
	if err := t.Execute(&out, map[string]any{"Messages": j.Messages}); err != nil {
		panic(err)
	}
	return out.String()
}

func main() {
	var jobs []job
	if err := json.NewDecoder(os.Stdin).Decode(&jobs); err != nil {
		panic(err)
	}
	texts := []string{}
	for _, j := range jobs {
		texts = append(texts, execute(j))
	}
	if err := json.NewEncoder(os.Stdout).Encode(texts); err != nil {
		panic(err)
	}
}
