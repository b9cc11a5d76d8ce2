package main

import (
	"io"

	helm "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// runKstatus tells the kstatus of each object: what Flux, kpt and plugins of kubectl
// wait for where they have no rules for a kind.
func runKstatus(_ []string, in io.Reader, out io.Writer) error {
	return eachObject(in, out, func(object map[string]any) (any, error) {
		result, err := status.Compute(&unstructured.Unstructured{Object: object})
		if err != nil {
			return nil, err
		}
		return verdict{Status: result.Status.String(), Message: result.Message}, nil
	})
}

// runHelm tells the status by which Helm 4 waits under --wait: that of Flux's fork of
// cli-utils. Helm ends its wait at Current, and fails at once at Failed.
func runHelm(_ []string, in io.Reader, out io.Writer) error {
	return eachObject(in, out, func(object map[string]any) (any, error) {
		result, err := helm.Compute(&unstructured.Unstructured{Object: object})
		if err != nil {
			return nil, err
		}
		return verdict{Status: result.Status.String(), Message: result.Message}, nil
	})
}
