package main

import (
	"io"
	"strings"

	"github.com/rancher/wrangler/v3/pkg/summary"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// runRancher tells what Rancher, Fleet and Steve show of a kind that they do not know:
// the colour as the status, and the word with its messages as the message.
func runRancher(_ []string, in io.Reader, out io.Writer) error {
	return eachObject(in, out, func(object map[string]any) (any, error) {
		found := summary.Summarize(&unstructured.Unstructured{Object: object})
		colour := "active"
		switch {
		case found.Error:
			colour = "error"
		case found.Transitioning:
			colour = "transitioning"
		}
		return verdict{Status: colour, Message: found.State + ": " + strings.Join(found.Message, ", ")}, nil
	})
}
