// Writes a receipt for an order, and publishes that it did.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// It can never work: a dead letter at once.
func refuse(why any) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(65)
}

// It may work later: a retry.
func later(why any) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(75)
}

func main() {
	var order struct{ Total float64 }
	if err := json.NewDecoder(os.Stdin).Decode(&order); err != nil || order.Total <= 0 {
		refuse("the order has no total")
	}
	receipts, seq := os.Getenv("RECEIPTS"), os.Getenv("EVS_SEQ")
	if info, err := os.Stat(receipts); err != nil || !info.IsDir() {
		later("there is no folder " + receipts + " yet")
	}
	// The seq is the same in each delivery of an event: doing it twice makes one receipt.
	file := filepath.Join(receipts, seq+".txt")
	if err := os.WriteFile(file, fmt.Appendf(nil, "total %v\n", order.Total), 0o644); err != nil {
		later(err)
	}
	// The id makes it one event, too. What caused it, evs knows.
	receipt, err := json.Marshal(map[string]string{"file": file})
	if err != nil {
		refuse(err)
	}
	publish := exec.Command("evs", "publish", "receipts", "receipt.written", string(receipt),
		"--id", "receipt-"+seq, "--quiet")
	publish.Stderr = os.Stderr
	if err := publish.Run(); err != nil {
		later("evs publish: " + err.Error())
	}
}
