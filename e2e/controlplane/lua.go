package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	lua "github.com/yuin/gopher-lua"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// healthKey is where Argo CD looks for the health script of our kind.
const healthKey = "resource.customizations.health.pullsecrets.dev_ClusterPullSecret"

// runLua tells the health that Argo CD would show for each object on standard
// input, by the script in the patch for argocd-cm that args name: its engine, the
// libraries that it opens for scripts of users, its time limit, its check of what
// comes back.
func runLua(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: lua ARGOCD-CM.yaml < OBJECTS.json")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	var config corev1.ConfigMap
	if err := yaml.UnmarshalStrict(text, &config); err != nil {
		return err
	}
	script := config.Data[healthKey]
	if config.Name != "argocd-cm" || script == "" {
		return fmt.Errorf("%s is no argocd-cm with %s", args[0], healthKey)
	}
	return eachObject(in, out, func(object map[string]any) (any, error) {
		return health(script, object)
	})
}

// verdict is one answer; Argo CD's has a message beside the status.
type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func health(script string, object map[string]any) (*verdict, error) {
	// No standard libraries but these: so it is unless useOpenLibs is set. Argo CD's
	// own os library has time and date only; a script that asks for it fails here.
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage,
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
	} {
		call := lua.P{Fn: state.NewFunction(open), NRet: 0, Protect: true}
		if err := state.CallByParam(call, lua.LString(name)); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoString(script); err != nil {
		return nil, err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return nil, fmt.Errorf("the script returns %s, not a table", state.Get(-1).Type())
	}
	found := verdict{
		Status:  lua.LVAsString(table.RawGetString("status")),
		Message: lua.LVAsString(table.RawGetString("message")),
	}
	switch found.Status {
	case "Unknown", "Progressing", "Suspended", "Healthy", "Degraded", "Missing":
		return &found, nil
	}
	return nil, fmt.Errorf("the script returns the status %q", found.Status)
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case string:
		return lua.LString(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case []any:
		list := state.CreateTable(len(value), 0)
		for _, item := range value {
			list.Append(toLua(state, item))
		}
		return list
	case map[string]any:
		table := state.CreateTable(0, len(value))
		for key, item := range value {
			table.RawSetString(key, toLua(state, item))
		}
		return table
	}
	return lua.LNil
}
