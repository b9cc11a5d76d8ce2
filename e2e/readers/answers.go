package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// verdict is one answer. Some tools have a message beside the status.
type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
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
		object, err := decoded(raw)
		if err != nil {
			return err
		}
		given, err := answer(object)
		if err != nil {
			return fmt.Errorf("%s: %w", (&unstructured.Unstructured{Object: object}).GetName(), err)
		}
		if err := encoder.Encode(given); err != nil {
			return err
		}
	}
}

// decoded is the object as clients of the API server decode it: whole numbers become
// int64.
func decoded(raw []byte) (map[string]any, error) {
	var object unstructured.Unstructured
	if err := object.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	return object.Object, nil
}

// onlyFile returns the one file that args name.
func onlyFile(args []string) ([]byte, error) {
	if len(args) != 1 {
		return nil, fmt.Errorf("usage: readers TOOL FILE < OBJECTS.json")
	}
	return os.ReadFile(args[0])
}

// strictly decodes the one file that args name. An unknown field is an error.
func strictly(args []string, into any) error {
	text, err := onlyFile(args)
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return nil
}

// metadata is what the shipped files have of it.
type metadata struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}
