package main

import (
	lua "github.com/yuin/gopher-lua"
)

// newLua returns an interpreter with these libraries and no others.
func newLua(libraries map[string]lua.LGFunction) (*lua.LState, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	for name, open := range libraries {
		call := lua.P{Fn: state.NewFunction(open), NRet: 0, Protect: true}
		if err := state.CallByParam(call, lua.LString(name)); err != nil {
			state.Close()
			return nil, err
		}
	}
	return state, nil
}

// toLua makes a table of a decoded object.
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
