package main

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/anishathalye/porcupine"
)

type ask struct {
	Op       string          `json:"op"`
	ID       string          `json:"id"`
	Key      *string         `json:"key"`
	Expected json.RawMessage `json:"expected"`
}

// What a client was told; nil: it got no answer. Texts are compact JSON.
type told struct {
	text string
}

func readTold(raw json.RawMessage) *told {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var members map[string]interface{}
	if err := json.Unmarshal(raw, &members); err != nil {
		panic(err)
	}
	return &told{text: compact(members)}
}

// Members in the order of their names.
func compact(value interface{}) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

type event struct {
	id     string
	key    *string
	keySeq int
}

// A topic: never changed, only followed by another.
type topic struct {
	events []event
	name   string
}

var model = porcupine.Model{
	Init: func() interface{} { return topic{} },
	Step: func(state, input, output interface{}) (bool, interface{}) {
		is, then := state.(topic).step(input.(ask))
		was := output.(*told)
		return was == nil || was.text == is, then
	},
	Equal: func(a, b interface{}) bool { return a.(topic).name == b.(topic).name },
}

func (t topic) step(a ask) (string, topic) {
	switch a.Op {
	case "append":
		return t.append(a)
	case "end":
		return compact(map[string]interface{}{"end": len(t.events)}), t
	case "log":
		ids := make([]string, 0, len(t.events))
		for _, e := range t.events {
			ids = append(ids, e.id)
		}
		return compact(map[string]interface{}{"log": ids}), t
	case "newest":
		for i := len(t.events) - 1; i >= 0; i-- {
			e := t.events[i]
			if e.key != nil && *e.key == *a.Key {
				newest := map[string]interface{}{"id": e.id, "seq": i + 1, "keySeq": e.keySeq}
				return compact(map[string]interface{}{"newest": newest}), t
			}
		}
		return compact(map[string]interface{}{"newest": nil}), t
	}
	panic("nobody knows " + a.Op)
}

func (t topic) append(a ask) (string, topic) {
	for i, e := range t.events {
		if e.id == a.ID {
			return stored(i+1, e.keySeq, true), t
		}
	}
	last, lastOfKey := len(t.events), 0
	if a.Key != nil {
		last = 0
		for i, e := range t.events {
			if e.key != nil && *e.key == *a.Key {
				last, lastOfKey = i+1, e.keySeq
			}
		}
	}
	if actual, ok := meets(a.Expected, last, lastOfKey); !ok {
		return compact(map[string]interface{}{"conflict": actual}), t
	}
	added := event{id: a.ID, key: a.Key}
	if a.Key != nil {
		added.keySeq = lastOfKey + 1
	}
	events := append(append(make([]event, 0, len(t.events)+1), t.events...), added)
	name := strings.Join([]string{t.name, a.ID}, " ")
	return stored(len(events), added.keySeq, false), topic{events: events, name: name}
}

func stored(seq, keySeq int, duplicate bool) string {
	return compact(map[string]interface{}{"seq": seq, "keySeq": keySeq, "duplicate": duplicate})
}

// What was compared with the expectation, and whether it was met.
func meets(expected json.RawMessage, last, lastOfKey int) (int, bool) {
	if len(expected) == 0 {
		return last, true
	}
	var word string
	if json.Unmarshal(expected, &word) == nil {
		return last, word == "any" || (word == "none") == (last == 0)
	}
	if bytes.HasPrefix(expected, []byte("{")) {
		var number struct {
			KeySeq int `json:"keySeq"`
		}
		if err := json.Unmarshal(expected, &number); err != nil {
			panic(err)
		}
		return lastOfKey, lastOfKey == number.KeySeq
	}
	var seq int
	if err := json.Unmarshal(expected, &seq); err != nil {
		panic(err)
	}
	return last, last == seq
}
