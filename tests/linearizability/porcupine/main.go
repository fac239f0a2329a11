// Judges histories of topics with Porcupine: one operation a line on standard input, one verdict a
// line on standard output. It reads the promise again, in another language than ../model.ts, so
// that a mistake in one of them shows.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// A line of the history; see ../history.ts.
type line struct {
	Client int             `json:"client"`
	Topic  string          `json:"topic"`
	Ask    ask             `json:"ask"`
	Call   int64           `json:"call"`
	Return *int64          `json:"return"`
	Told   json.RawMessage `json:"told"`
}

// A history that takes longer is not judged, and that is said.
const limit = 5 * time.Minute

func main() {
	topics := map[string][]porcupine.Operation{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		var one line
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		operation := porcupine.Operation{
			ClientId: one.Client,
			Input:    one.Ask,
			Call:     one.Call,
			Output:   readTold(one.Told),
			Return:   math.MaxInt64,
		}
		if one.Return != nil {
			operation.Return = *one.Return
		}
		topics[one.Topic] = append(topics[one.Topic], operation)
	}
	names := make([]string, 0, len(topics))
	for name := range topics {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		verdict := porcupine.CheckOperationsTimeout(model, topics[name], limit)
		fmt.Printf("%s %s\n", name, verdict)
	}
}
