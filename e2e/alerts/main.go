// Command alerts evaluates alerting rules with Prometheus' own engine, without its storage and the clients of clouds
// that promtool brings along: a third of promtool's packages.
//
//	alerts fire  < question.json   when which rule fires, given these series
//	alerts names < question.json   which metrics and labels each expression asks for; an error if it is none
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

var promQL = parser.NewParser(parser.Options{})

func main() {
	commands := map[string]func() (any, error){"fire": fire, "names": names}
	if len(os.Args) != 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: alerts fire|names")
		os.Exit(2)
	}
	answer, err := commands[os.Args[1]]()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answer)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "alerts:", err)
		os.Exit(1)
	}
}

// A question for fire: the rules of a group, and series as promtool's tests write them.
type question struct {
	Rules []struct {
		Alert string `json:"alert"`
		Expr  string `json:"expr"`
		For   string `json:"for"`
	} `json:"rules"`
	Series []struct {
		Series string `json:"series"`
		Values string `json:"values"`
	} `json:"input_series"`
	// Between two values, and between two evaluations.
	Interval string `json:"interval"`
	Until    string `json:"until"`
}

// A rule that fires at a time, with the labels that its expression gives it.
type firing struct {
	Alert   string            `json:"alert"`
	Seconds int64             `json:"seconds"`
	Labels  map[string]string `json:"labels"`
}

func fire() (any, error) {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return nil, err
	}
	interval, err := model.ParseDuration(asked.Interval)
	if err != nil {
		return nil, err
	}
	until, err := model.ParseDuration(asked.Until)
	if err != nil {
		return nil, err
	}
	series, err := asked.samples(time.Duration(interval))
	if err != nil {
		return nil, err
	}
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute,
	})
	fired := []firing{}
	for _, rule := range asked.Rules {
		var pending model.Duration
		if rule.For != "" {
			if pending, err = model.ParseDuration(rule.For); err != nil {
				return nil, fmt.Errorf("%s: %w", rule.Alert, err)
			}
		}
		// As a rule does it: active from the first evaluation that gives a label set, firing when that has been so for as
		// long as `for` says, forgotten at the first that does not.
		active := map[string]time.Duration{}
		for at := time.Duration(0); at <= time.Duration(until); at += time.Duration(interval) {
			query, err := engine.NewInstantQuery(context.Background(), series, nil, rule.Expr, time.Unix(0, 0).Add(at))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", rule.Alert, err)
			}
			vector, err := query.Exec(context.Background()).Vector()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", rule.Alert, err)
			}
			still := map[string]time.Duration{}
			for _, sample := range vector {
				key := sample.Metric.String()
				since, known := active[key]
				if !known {
					since = at
				}
				still[key] = since
				if at-since >= time.Duration(pending) {
					labels := sample.Metric.Map()
					delete(labels, model.MetricNameLabel)
					fired = append(fired, firing{rule.Alert, int64(at.Seconds()), labels})
				}
			}
			active = still
		}
	}
	return fired, nil
}

// All series, each from time 0 on.
func (asked *question) samples(interval time.Duration) (storage.Queryable, error) {
	type held struct {
		labels labels.Labels
		series storage.Series
	}
	var all []held
	for _, input := range asked.Series {
		set, values, err := promQL.ParseSeriesDesc(input.Series + " " + input.Values)
		if err != nil {
			return nil, err
		}
		var samples []chunks.Sample
		for number, value := range values {
			if !value.Omitted {
				at := (time.Duration(number) * interval).Milliseconds()
				samples = append(samples, sample{at, value.Value})
			}
		}
		all = append(all, held{set, storage.NewListSeries(set, samples)})
	}
	selected := func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		var found []storage.Series
		for _, one := range all {
			differs := func(m *labels.Matcher) bool { return !m.Matches(one.labels.Get(m.Name)) }
			if !slices.ContainsFunc(matchers, differs) {
				found = append(found, one.series)
			}
		}
		return &list{series: found}
	}
	return &storage.MockQueryable{MockQuerier: &storage.MockQuerier{SelectMockFunction: selected}}, nil
}

// A chunks.Sample that is a number.
type sample struct {
	milliseconds int64
	value        float64
}

func (s sample) T() int64                      { return s.milliseconds }
func (s sample) ST() int64                     { return 0 }
func (s sample) F() float64                    { return s.value }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

// A storage.SeriesSet of what is at hand.
type list struct {
	series []storage.Series
	next   int
}

func (l *list) Next() bool         { l.next++; return l.next <= len(l.series) }
func (l *list) At() storage.Series { return l.series[l.next-1] }
func (l *list) Err() error         { return nil }

func (l *list) Warnings() annotations.Annotations { return nil }

// A selector in an expression.
type selector struct {
	Metric string   `json:"metric"`
	Labels []string `json:"labels"`
}

func names() (any, error) {
	var expressions []string
	if err := json.NewDecoder(os.Stdin).Decode(&expressions); err != nil {
		return nil, err
	}
	all := [][]selector{}
	for _, expression := range expressions {
		parsed, err := promQL.ParseExpr(expression)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", expression, err)
		}
		found := []selector{}
		parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
			if vector, is := node.(*parser.VectorSelector); is {
				one := selector{vector.Name, []string{}}
				for _, matcher := range vector.LabelMatchers {
					if matcher.Name != model.MetricNameLabel {
						one.Labels = append(one.Labels, matcher.Name)
					}
				}
				found = append(found, one)
			}
			return nil
		})
		all = append(all, found)
	}
	return all, nil
}
