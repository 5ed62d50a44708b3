// Command go-yaml reads documents of YAML as kubectl and the API server do: one JSON string a line on standard input; a line beginning with J
// and the document as JSON, or with E and the error, on standard output.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 64<<20)
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for input.Scan() {
		var text string
		if err := json.Unmarshal(input.Bytes(), &text); err != nil {
			panic(err)
		}
		document, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			message, _ := json.Marshal(err.Error())
			fmt.Fprintf(output, "E%s\n", message)
		} else {
			fmt.Fprintf(output, "J%s\n", document)
		}
	}
}
