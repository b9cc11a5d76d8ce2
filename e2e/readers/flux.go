package main

import (
	"fmt"
	"io"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/yaml"
)

// kustomization is the part of Flux's Kustomization that says how health is told.
type kustomization struct {
	Spec struct {
		HealthCheckExprs []struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			InProgress string `json:"inProgress"`
			Failed     string `json:"failed"`
			Current    string `json:"current"`
		} `json:"healthCheckExprs"`
	} `json:"spec"`
}

// rule is one expression, and the status where it is true.
type rule struct {
	program cel.Program
	status  status.Status
}

// runFlux tells the health that Flux would see of each object, by the
// healthCheckExprs in the Kustomization that args name: its CEL environment, its
// order, and its look at observedGeneration before them.
func runFlux(args []string, in io.Reader, out io.Writer) error {
	text, err := onlyFile(args)
	if err != nil {
		return err
	}
	rules, err := healthRules(text)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return eachObject(in, out, func(object map[string]any) (any, error) {
		found, err := evaluate(rules, object)
		return verdict{Status: found.String()}, err
	})
}

func healthRules(text []byte) ([]rule, error) {
	var found kustomization
	if err := yaml.Unmarshal(text, &found); err != nil {
		return nil, err
	}
	for _, exprs := range found.Spec.HealthCheckExprs {
		if exprs.APIVersion != "pullsecrets.dev/v1alpha1" || exprs.Kind != "ClusterPullSecret" {
			continue
		}
		if exprs.Current == "" {
			return nil, fmt.Errorf("no expression for current, which Flux demands")
		}
		var rules []rule
		for _, one := range []struct {
			text   string
			status status.Status
		}{
			{exprs.InProgress, status.InProgressStatus},
			{exprs.Failed, status.FailedStatus},
			{exprs.Current, status.CurrentStatus},
		} {
			if one.text == "" {
				continue
			}
			program, err := parse(one.text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", one.status, err)
			}
			rules = append(rules, rule{program, one.status})
		}
		return rules, nil
	}
	return nil, fmt.Errorf("no healthCheckExprs for ClusterPullSecret")
}

// parse makes a program of an expression that was parsed and not checked: Flux
// knows no types of the objects of others.
func parse(text string) (cel.Program, error) {
	env, err := cel.NewEnv(
		cel.HomogeneousAggregateLiterals(),
		cel.EagerlyValidateDeclarations(true),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.OptionalTypes(),
		ext.Strings(),
		ext.Sets(),
		ext.Encoders(),
	)
	if err != nil {
		return nil, err
	}
	tree, issues := env.Parse(text)
	if issues != nil {
		return nil, issues.Err()
	}
	return env.Program(tree, cel.EvalOptions(cel.OptOptimize))
}

func evaluate(rules []rule, object map[string]any) (status.Status, error) {
	observed, ok, err := unstructured.NestedInt64(object, "status", "observedGeneration")
	if err != nil {
		return status.UnknownStatus, err
	}
	if ok {
		generation, ok, err := unstructured.NestedInt64(object, "metadata", "generation")
		if err != nil {
			return status.UnknownStatus, err
		}
		if ok && observed != generation {
			return status.InProgressStatus, nil
		}
	}
	for _, rule := range rules {
		value, _, err := rule.program.Eval(object)
		if err != nil {
			return status.UnknownStatus, err
		}
		holds, ok := value.Value().(bool)
		if !ok {
			return status.UnknownStatus, fmt.Errorf("%s is not told by a boolean", rule.status)
		}
		if holds {
			return rule.status, nil
		}
	}
	return status.InProgressStatus, nil
}
