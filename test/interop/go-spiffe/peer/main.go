// A workload of its own: what a program built on go-spiffe sees of a Workload API, and how it gets on with Sallyport.
// It takes orders as JSON lines from its standard input and answers each with a JSON line.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

func main() {
	if len(os.Args) < 3 {
		fail(fmt.Errorf("peer watch|client|server|jwt SOCKET …"))
	}
	ctx := context.Background()
	socket := workloadapi.WithAddr(os.Args[2])
	var err error
	switch os.Args[1] {
	case "watch":
		err = watch(ctx, socket)
	case "client":
		err = runClient(ctx, socket)
	case "server":
		err = runServer(ctx, socket)
	case "jwt":
		err = runJWT(ctx, socket)
	default:
		err = fmt.Errorf("no such command: %s", os.Args[1])
	}
	fail(err)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var output sync.Mutex

func report(answer any) {
	output.Lock()
	defer output.Unlock()
	fail(json.NewEncoder(os.Stdout).Encode(answer))
}

// Ends with the standard input.
func answerEach[Order any](answer func(Order) any) error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var order Order
		if err := json.Unmarshal(lines.Bytes(), &order); err != nil {
			return err
		}
		report(answer(order))
	}
	return lines.Err()
}
