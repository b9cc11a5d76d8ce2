// Command container is the only program in the images of the end-to-end tests,
// the pause image too. It prints its arguments, reaps what it inherits, and waits
// for SIGTERM.
//
//	container once     ends at once, with success: for init containers and Jobs
//	container fail     ends at once, with code 1
//	container ARG...   waits
//
// The other programs of this module are those of others that a node needs; go.mod
// lists them as tools.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	fmt.Println(os.Args[1:])
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "once":
			return
		case "fail":
			os.Exit(1)
		}
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			os.Exit(128 + int(received.(syscall.Signal))) // a Job that is evicted has not succeeded
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
	}
}
