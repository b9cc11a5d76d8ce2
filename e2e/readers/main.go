// Command readers answers how tools that deploy to clusters judge a
// ClusterPullSecret. It runs the engine of each tool: the same library where the Go
// proxy serves it, and else the few lines around the library, as the tool has them.
// For each JSON object on standard input it prints one line of JSON.
//
//	readers argo-cd ARGOCD-CM.yaml|health.lua       by the health script
//	readers flux KUSTOMIZATION.yaml                 by the healthCheckExprs
//	readers kstatus                                 cli-utils: kpt, Config Sync
//	readers helm                                    Helm 4, under --wait
//	readers karmada CUSTOMIZATION.yaml              by InterpretHealth
//	readers karmada-reflect CUSTOMIZATION.yaml      the status that a member cluster reports
//	readers karmada-aggregate CUSTOMIZATION.yaml    of {"object", "items"}: the object with its aggregated status
//	readers ocm MANIFESTWORK.yaml                   by the condition rule, with the feedback values
//	readers sveltos CLUSTERPROFILE.yaml             by validateHealths
//	readers rancher                                 for kinds that Rancher does not know
//
// Files are decoded strictly, into the fields that the types of the tool have.
package main

import (
	"fmt"
	"io"
	"os"
)

// reader answers every object of in, by the rules in the files that args name.
type reader func(args []string, in io.Reader, out io.Writer) error

var readers = map[string]reader{
	"argo-cd":           runArgoCD,
	"flux":              runFlux,
	"kstatus":           runKstatus,
	"helm":              runHelm,
	"karmada":           runKarmada,
	"karmada-reflect":   runKarmadaReflect,
	"karmada-aggregate": runKarmadaAggregate,
	"ocm":               runOCM,
	"sveltos":           runSveltos,
	"rancher":           runRancher,
}

func main() {
	if len(os.Args) < 2 || readers[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: readers TOOL [FILE] < OBJECTS.json")
		os.Exit(2)
	}
	if err := readers[os.Args[1]](os.Args[2:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
