package main

import (
	"fmt"
	"io"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
	"k8s.io/client-go/util/jsonpath"
)

// manifestWork is ManifestWork of work.open-cluster-management.io/v1, with the fields
// that the shipped file has.
type manifestWork struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
	Spec       struct {
		Workload struct {
			Manifests []map[string]any `json:"manifests"`
		} `json:"workload"`
		ManifestConfigs []struct {
			ResourceIdentifier struct {
				Group     string `json:"group"`
				Resource  string `json:"resource"`
				Name      string `json:"name"`
				Namespace string `json:"namespace"`
			} `json:"resourceIdentifier"`
			UpdateStrategy struct {
				Type string `json:"type"`
			} `json:"updateStrategy"`
			FeedbackRules []struct {
				Type      string `json:"type"`
				JSONPaths []struct {
					Name    string `json:"name"`
					Version string `json:"version"`
					Path    string `json:"path"`
				} `json:"jsonPaths"`
			} `json:"feedbackRules"`
			ConditionRules []struct {
				Condition         string   `json:"condition"`
				Type              string   `json:"type"`
				CelExpressions    []string `json:"celExpressions"`
				MessageExpression string   `json:"messageExpression"`
			} `json:"conditionRules"`
		} `json:"manifestConfigs"`
	} `json:"spec"`
}

// feedback is the condition of an object, and its values.
type feedback struct {
	verdict
	Condition string         `json:"condition"`
	Values    map[string]any `json:"values"`
}

// runOCM tells the condition that the work agent gives to each object, and the values
// that it sends to the hub.
func runOCM(args []string, in io.Reader, out io.Writer) error {
	var work manifestWork
	if err := strictly(args, &work); err != nil {
		return err
	}
	if work.APIVersion != "work.open-cluster-management.io/v1" || work.Kind != "ManifestWork" {
		return fmt.Errorf("%s is no ManifestWork", args[0])
	}
	if len(work.Spec.ManifestConfigs) != 1 || len(work.Spec.ManifestConfigs[0].ConditionRules) != 1 {
		return fmt.Errorf("%s does not have one condition rule", args[0])
	}
	config := work.Spec.ManifestConfigs[0]
	if config.ResourceIdentifier.Group != "pullsecrets.dev" || config.ResourceIdentifier.Resource != "clusterpullsecrets" {
		return fmt.Errorf("%s is for %v", args[0], config.ResourceIdentifier)
	}
	rule := config.ConditionRules[0]
	if rule.Type != "CEL" {
		return fmt.Errorf("%s has a condition of type %q", args[0], rule.Type)
	}
	return eachObject(in, out, func(object map[string]any) (any, error) {
		found := feedback{Condition: rule.Condition, Values: map[string]any{}}
		holds := true
		for _, expression := range rule.CelExpressions {
			one, err := celValue[bool](expression, map[string]any{"object": object}, cel.Variable("object", cel.DynType))
			if err != nil {
				return nil, err
			}
			holds = holds && one
		}
		found.Status = map[bool]string{true: "True", false: "False"}[holds]
		var err error
		found.Message, err = celValue[string](
			rule.MessageExpression,
			map[string]any{"object": object, "result": holds},
			cel.Variable("object", cel.DynType), cel.Variable("result", cel.BoolType),
		)
		if err != nil {
			return nil, err
		}
		for _, rule := range config.FeedbackRules {
			if rule.Type != "JSONPaths" {
				return nil, fmt.Errorf("a feedback rule of type %q", rule.Type)
			}
			for _, one := range rule.JSONPaths {
				value, err := feedbackValue(one.Name, one.Path, object)
				if err != nil {
					return nil, err
				}
				if value != nil {
					found.Values[one.Name] = value
				}
			}
		}
		return found, nil
	})
}

// celValue evaluates an expression in the part of the agent's environment that needs
// no other module: its libraries of Kubernetes and its own functions are missing.
func celValue[T any](expression string, input map[string]any, variables ...cel.EnvOption) (T, error) {
	var zero T
	env, err := cel.NewEnv(append(variables, cel.OptionalTypes(), ext.Strings())...)
	if err != nil {
		return zero, err
	}
	tree, issues := env.Compile(expression)
	if issues.Err() != nil {
		return zero, issues.Err()
	}
	program, err := env.Program(tree)
	if err != nil {
		return zero, err
	}
	value, _, err := program.Eval(input)
	if err != nil {
		return zero, err
	}
	found, ok := value.Value().(T)
	if !ok {
		return zero, fmt.Errorf("%q gives %v", expression, value.Type())
	}
	return found, nil
}

// feedbackValue is the one value at a path: a string, a bool or a whole number, as
// long as the agent's feature gate for JSON is off. A missing value is no error.
func feedbackValue(name, path string, object map[string]any) (any, error) {
	parser := jsonpath.New(name).AllowMissingKeys(true)
	if err := parser.Parse(fmt.Sprintf("{%s}", path)); err != nil {
		return nil, err
	}
	results, err := parser.FindResults(object)
	if err != nil {
		return nil, err
	}
	if len(results) == 0 || len(results[0]) == 0 {
		return nil, nil
	}
	value := results[0][0].Interface()
	switch value.(type) {
	case nil, string, bool, int64:
		return value, nil
	}
	return nil, fmt.Errorf("%s is a %T", name, value)
}
