package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// runKstatus tells the kstatus of each object on standard input: what Flux,
// kpt and `kubectl` plugins wait for where they know nothing else of a kind.
func runKstatus(_ []string, in io.Reader, out io.Writer) error {
	return eachObject(in, out, func(object map[string]any) (any, error) {
		result, err := status.Compute(&unstructured.Unstructured{Object: object})
		if err != nil {
			return nil, err
		}
		return verdict{Status: result.Status.String(), Message: result.Message}, nil
	})
}

// eachObject answers every JSON object of in with a line of JSON.
func eachObject(in io.Reader, out io.Writer, answer func(map[string]any) (any, error)) error {
	decoder := json.NewDecoder(in)
	encoder := json.NewEncoder(out)
	for {
		var raw json.RawMessage
		if err := decoder.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		// As clients of the API server decode it: whole numbers become int64.
		var object unstructured.Unstructured
		if err := object.UnmarshalJSON(raw); err != nil {
			return err
		}
		given, err := answer(object.Object)
		if err != nil {
			return fmt.Errorf("%s: %w", object.GetName(), err)
		}
		if err := encoder.Encode(given); err != nil {
			return err
		}
	}
}
