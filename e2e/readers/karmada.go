package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	lua "github.com/yuin/gopher-lua"
	luajson "layeh.com/gopher-json"
)

// interpreter is Karmada's ResourceInterpreterCustomization, with the rules that the
// shipped file has.
type interpreter struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
	Spec       struct {
		Target struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
		} `json:"target"`
		Customizations struct {
			StatusReflection     luaRule `json:"statusReflection"`
			StatusAggregation    luaRule `json:"statusAggregation"`
			HealthInterpretation luaRule `json:"healthInterpretation"`
		} `json:"customizations"`
	} `json:"spec"`
}

type luaRule struct {
	LuaScript string `json:"luaScript"`
}

// aggregation is what Karmada hands to AggregateStatus: the object of its own API
// server, and one item for each member cluster.
type aggregation struct {
	Object json.RawMessage  `json:"object"`
	Items  []aggregatedItem `json:"items"`
}

// aggregatedItem is AggregatedStatusItem of work.karmada.io/v1alpha2.
type aggregatedItem struct {
	ClusterName    string         `json:"clusterName"`
	Status         map[string]any `json:"status,omitempty"`
	Applied        bool           `json:"applied,omitempty"`
	AppliedMessage string         `json:"appliedMessage,omitempty"`
	Health         string         `json:"health,omitempty"`
}

func readInterpreter(args []string) (*interpreter, error) {
	var found interpreter
	if err := strictly(args, &found); err != nil {
		return nil, err
	}
	if found.APIVersion != "config.karmada.io/v1alpha1" || found.Kind != "ResourceInterpreterCustomization" {
		return nil, fmt.Errorf("%s is no ResourceInterpreterCustomization", args[0])
	}
	target := found.Spec.Target
	if target.APIVersion != "pullsecrets.dev/v1alpha1" || target.Kind != "ClusterPullSecret" {
		return nil, fmt.Errorf("%s is for %s of %s", args[0], target.Kind, target.APIVersion)
	}
	return &found, nil
}

// runKarmada tells the health of each object of a member cluster.
func runKarmada(args []string, in io.Reader, out io.Writer) error {
	found, err := readInterpreter(args)
	if err != nil {
		return err
	}
	script := found.Spec.Customizations.HealthInterpretation.LuaScript
	return eachObject(in, out, func(object map[string]any) (any, error) {
		result, err := interpret(script, "InterpretHealth", object)
		if err != nil {
			return nil, err
		}
		switch result {
		case lua.LTrue:
			return verdict{Status: "Healthy"}, nil
		case lua.LFalse:
			return verdict{Status: "Unhealthy"}, nil
		}
		return nil, fmt.Errorf("InterpretHealth returns %s, not a bool", result.Type())
	})
}

// runKarmadaReflect tells what a member cluster reports of each object.
func runKarmadaReflect(args []string, in io.Reader, out io.Writer) error {
	found, err := readInterpreter(args)
	if err != nil {
		return err
	}
	script := found.Spec.Customizations.StatusReflection.LuaScript
	return eachObject(in, out, func(object map[string]any) (any, error) {
		return interpretTable(script, "ReflectStatus", object)
	})
}

// runKarmadaAggregate tells the object that Karmada would write to its own API server.
func runKarmadaAggregate(args []string, in io.Reader, out io.Writer) error {
	found, err := readInterpreter(args)
	if err != nil {
		return err
	}
	script := found.Spec.Customizations.StatusAggregation.LuaScript
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	for decoder.More() {
		var given aggregation
		if err := decoder.Decode(&given); err != nil {
			return err
		}
		object, err := decoded(given.Object)
		if err != nil {
			return err
		}
		items, err := generic(given.Items)
		if err != nil {
			return err
		}
		aggregated, err := interpretTable(script, "AggregateStatus", object, items)
		if err != nil {
			return err
		}
		if err := encoder.Encode(aggregated); err != nil {
			return err
		}
	}
	return nil
}

// generic is the value as JSON that was decoded without types: what Karmada's VM makes
// of a typed argument.
func generic(value any) (any, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var found any
	return found, json.Unmarshal(raw, &found)
}

// interpret runs the script as Karmada's VM does, and returns the first result of the
// function.
func interpret(script, function string, arguments ...any) (lua.LValue, error) {
	state, err := newLua(map[string]lua.LGFunction{
		lua.LoadLibName:   lua.OpenPackage,
		lua.BaseLibName:   lua.OpenBase,
		lua.TabLibName:    lua.OpenTable,
		lua.StringLibName: lua.OpenString,
		lua.MathLibName:   lua.OpenMath,
	})
	if err != nil {
		return nil, err
	}
	defer state.Close()
	if err := state.DoString(refused); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(ctx)
	if err := state.DoString(script); err != nil {
		return nil, err
	}
	values := make([]lua.LValue, len(arguments))
	for i, argument := range arguments {
		values[i] = toLua(state, argument)
	}
	call := lua.P{Fn: state.GetGlobal(function), NRet: 1, Protect: true}
	if err := state.CallByParam(call, values...); err != nil {
		return nil, err
	}
	return state.Get(-1), nil
}

// refused are the functions that Karmada replaces by an error. Its os library has date
// and time only, and the library "kube" is for Pods: a script that asks for them fails
// here.
const refused = `
for _, name in ipairs({
  "collectgarbage", "dofile", "getfenv", "getmetatable", "load", "loadfile", "loadstring", "rawequal", "rawget",
  "rawset", "setfenv", "setmetatable", "module", "newproxy",
}) do
  _G[name] = function() error(name .. " is not supported by Karmada") end
end
for _, name in ipairs({"dump", "gsub", "rep"}) do
  string[name] = function() error("string." .. name .. " is not supported by Karmada") end
end
`

// interpretTable is as interpret, for a table. Karmada drops its empty tables: it
// cannot tell an empty list from an empty map.
func interpretTable(script, function string, arguments ...any) (map[string]any, error) {
	result, err := interpret(script, function, arguments...)
	if err != nil {
		return nil, err
	}
	if result.Type() != lua.LTTable {
		return nil, fmt.Errorf("%s returns %s, not a table", function, result.Type())
	}
	// Fails for a table that is in two places, or has holes.
	raw, err := luajson.Encode(result)
	if err != nil {
		return nil, err
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, err
	}
	found, _ := withoutEmpty(value).(map[string]any)
	return found, nil
}

func withoutEmpty(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, item := range value {
			if isEmpty(item) {
				delete(value, key)
			} else {
				value[key] = withoutEmpty(item)
			}
		}
	case []any:
		kept := value[:0]
		for _, item := range value {
			if !isEmpty(item) {
				kept = append(kept, withoutEmpty(item))
			}
		}
		return kept
	}
	return value
}

func isEmpty(value any) bool {
	list, ok := value.([]any)
	return ok && len(list) == 0
}
