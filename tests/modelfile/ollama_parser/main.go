// Says what `ollama create` makes of Modelfiles, by Ollama's own packages: reads a JSON list of
// files (base64) from stdin and writes for each its commands as [name, args] pairs, or null
// where the parser, or the client that checks parameters and REQUIRES, refuses it. With `names`
// it reads a JSON list of names and writes each whole, or empty where no model can be called so.
package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/parser"
	"github.com/ollama/ollama/types/model"
	"golang.org/x/mod/semver"
)

var texts = []string{"model", "draft", "adapter", "template", "system", "license", "renderer",
	"parser", "message"}

// parser.CreateRequest skips these with a warning.
var deprecated = []string{"penalize_newline", "low_vram", "f16_kv", "logits_all", "vocab_only",
	"use_mlock", "mirostat", "mirostat_tau", "mirostat_eta"}

func accepted(command parser.Command) bool {
	if slices.Contains(texts, command.Name) || slices.Contains(deprecated, command.Name) {
		return true
	}
	if command.Name == "requires" {
		return semver.IsValid("v" + strings.TrimPrefix(command.Args, "v"))
	}
	_, err := api.FormatParams(map[string][]string{command.Name: {command.Args}})
	return err == nil
}

func parsed(text []byte) [][2]string {
	file, err := parser.ParseFile(bytes.NewReader(text))
	if err != nil {
		return nil
	}
	found := [][2]string{}
	for _, command := range file.Commands {
		if !accepted(command) {
			return nil
		}
		found = append(found, [2]string{command.Name, command.Args})
	}
	return found
}

func whole(text string) string {
	name := model.ParseName(text)
	if !name.IsValid() {
		return ""
	}
	return name.String()
}

func names() {
	var texts []string
	if err := json.NewDecoder(os.Stdin).Decode(&texts); err != nil {
		panic(err)
	}
	all := []string{}
	for _, text := range texts {
		all = append(all, whole(text))
	}
	if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
		panic(err)
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "names" {
		names()
		return
	}
	var files [][]byte
	if err := json.NewDecoder(os.Stdin).Decode(&files); err != nil {
		panic(err)
	}
	all := [][][2]string{}
	for _, file := range files {
		all = append(all, parsed(file))
	}
	if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
		panic(err)
	}
}
