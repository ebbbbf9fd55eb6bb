// Renders TEMPLATEs with Ollama's own package.
// Reads [{"template": ..., "messages": [...], ...}] from stdin, writes a JSON list of what came
// of each: the text in base64, the names in the template, or the error.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/template"
)

type job struct {
	Template string
	Messages []api.Message
	Prompt   string
	Suffix   string
	Think    *bool
}

type result struct {
	Text  []byte
	Vars  []string
	Error string
}

func render(j job) (r result) {
	defer func() {
		if p := recover(); p != nil {
			r.Error = fmt.Sprint("panic: ", p)
		}
	}()
	t, err := template.Parse(j.Template)
	if err != nil {
		r.Error = err.Error()
		return
	}
	r.Vars = t.Vars()
	values := template.Values{Messages: j.Messages, Prompt: j.Prompt, Suffix: j.Suffix}
	values.IsThinkSet = j.Think != nil
	values.Think = j.Think != nil && *j.Think
	var text bytes.Buffer
	if err := t.Execute(&text, values); err != nil {
		r.Error = err.Error()
		return
	}
	r.Text = text.Bytes()
	return
}

func main() {
	var jobs []job
	if err := json.NewDecoder(os.Stdin).Decode(&jobs); err != nil {
		panic(err)
	}
	results := []result{}
	for _, j := range jobs {
		results = append(results, render(j))
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		panic(err)
	}
}
