package main

import (
	"fmt"
	"io"

	"github.com/google/cel-go/cel"
)

// clusterProfile is ClusterProfile of config.projectsveltos.io/v1beta1, with the
// fields that the shipped file has.
type clusterProfile struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
	Spec       struct {
		ClusterSelector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"clusterSelector"`
		SyncMode   string `json:"syncMode"`
		PolicyRefs []struct {
			Kind      string `json:"kind"`
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"policyRefs"`
		ValidateHealths []struct {
			Name        string `json:"name"`
			FeatureID   string `json:"featureID"`
			Group       string `json:"group"`
			Version     string `json:"version"`
			Kind        string `json:"kind"`
			EvaluateCEL []struct {
				Name string `json:"name"`
				Rule string `json:"rule"`
			} `json:"evaluateCEL"`
		} `json:"validateHealths"`
	} `json:"spec"`
}

// runSveltos tells whether Sveltos takes each object for healthy. One rule that holds
// is enough. Sveltos logs a rule that fails, and takes it for one that does not hold;
// here it is an error.
func runSveltos(args []string, in io.Reader, out io.Writer) error {
	var profile clusterProfile
	if err := strictly(args, &profile); err != nil {
		return err
	}
	if profile.APIVersion != "config.projectsveltos.io/v1beta1" || profile.Kind != "ClusterProfile" {
		return fmt.Errorf("%s is no ClusterProfile", args[0])
	}
	if len(profile.Spec.ValidateHealths) != 1 {
		return fmt.Errorf("%s does not have one check of health", args[0])
	}
	check := profile.Spec.ValidateHealths[0]
	if check.Group != "pullsecrets.dev" || check.Version != "v1alpha1" || check.Kind != "ClusterPullSecret" {
		return fmt.Errorf("%s is for %s of %s/%s", args[0], check.Kind, check.Group, check.Version)
	}
	return eachObject(in, out, func(object map[string]any) (any, error) {
		for _, one := range check.EvaluateCEL {
			holds, err := sveltosRule(one.Rule, object)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", one.Name, err)
			}
			if holds {
				return verdict{Status: "healthy", Message: one.Name}, nil
			}
		}
		return verdict{Status: "unhealthy"}, nil
	})
}

// sveltosRule evaluates one rule in the environment of Sveltos, which has no library.
func sveltosRule(expression string, object map[string]any) (bool, error) {
	env, err := cel.NewEnv(cel.Variable("resource", cel.DynType))
	if err != nil {
		return false, err
	}
	tree, issues := env.Compile(expression)
	if issues.Err() != nil {
		return false, issues.Err()
	}
	program, err := env.Program(tree)
	if err != nil {
		return false, err
	}
	value, _, err := program.Eval(map[string]any{"resource": object})
	if err != nil {
		return false, err
	}
	holds, ok := value.Value().(bool)
	if !ok {
		return false, fmt.Errorf("gives %v", value.Type())
	}
	return holds, nil
}
