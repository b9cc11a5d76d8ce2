package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// healthKey is where Argo CD looks for the health script of our kind.
const healthKey = "resource.customizations.health.pullsecrets.dev_ClusterPullSecret"

// runArgoCD tells the health that Argo CD would show for each object, by its engine,
// the libraries that it opens for scripts of users, its time limit, and its check of
// what comes back. The script is in the patch for argocd-cm that args name, or is the
// file itself if that ends with .lua, as in Argo CD's own sources.
func runArgoCD(args []string, in io.Reader, out io.Writer) error {
	script, err := healthScript(args)
	if err != nil {
		return err
	}
	return eachObject(in, out, func(object map[string]any) (any, error) {
		return health(script, object)
	})
}

func healthScript(args []string) (string, error) {
	text, err := onlyFile(args)
	if err != nil {
		return "", err
	}
	if strings.HasSuffix(args[0], ".lua") {
		return string(text), nil
	}
	var config corev1.ConfigMap
	if err := yaml.UnmarshalStrict(text, &config); err != nil {
		return "", err
	}
	script := config.Data[healthKey]
	if config.Name != "argocd-cm" || script == "" {
		return "", fmt.Errorf("%s is no argocd-cm with %s", args[0], healthKey)
	}
	return script, nil
}

func health(script string, object map[string]any) (*verdict, error) {
	// No standard libraries but these: so it is unless useOpenLibs is set. Argo CD's
	// own os library has time and date only; a script that asks for it fails here.
	state, err := newLua(map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage,
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
	})
	if err != nil {
		return nil, err
	}
	defer state.Close()
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
