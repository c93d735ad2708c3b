// Command originals writes down what Go and robfig/cron make of durations and schedules, for the Rust tests to compare with.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"github.com/robfig/cron/v3"
)

// A durationCase is a text, and why our crate refuses it although Go takes it.
type durationCase struct {
	text string
	ours string
}

// A scheduleCase is a text, where the search for its next five times begins, and why our crate refuses it although Velero's parser
// takes it.
type scheduleCase struct {
	text string
	from string
	ours string
}

func main() {
	log.SetFlags(0)
	time.Local = time.UTC
	if len(os.Args) != 2 {
		log.Fatal("usage: originals durations|schedules|judge")
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	switch os.Args[1] {
	case "durations":
		fmt.Fprintln(out, "# input\tgo\tnanoseconds\trefused by us alone")
		for _, c := range durationCases {
			verdict, nanoseconds := judgeDuration(c.text)
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", quote(c.text), verdict, nanoseconds, c.ours)
		}
	case "schedules":
		fmt.Fprintln(out, "# input\tvelero\tfrom\tnext five\trefused by us alone")
		for _, c := range scheduleCases {
			from := c.from
			if from == "" {
				from = defaultFrom
			}
			verdict, next := judgeSchedule(c.text, from)
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", quote(c.text), verdict, from, next, c.ours)
		}
	case "judge":
		in := bufio.NewScanner(os.Stdin)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			var text string
			if err := json.Unmarshal(in.Bytes(), &text); err != nil {
				log.Fatalf("cannot read line: %v", err)
			}
			duration, nanoseconds := judgeDuration(text)
			schedule, next := judgeSchedule(text, defaultFrom)
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", duration, nanoseconds, schedule, next)
		}
		if err := in.Err(); err != nil {
			log.Fatal(err)
		}
	default:
		log.Fatalf("cannot run %q: it is none of durations, schedules, judge", os.Args[1])
	}
}

func judgeDuration(text string) (verdict, nanoseconds string) {
	duration, err := time.ParseDuration(text)
	if err != nil {
		return "refused", ""
	}
	return "taken", fmt.Sprint(duration.Nanoseconds())
}

func judgeSchedule(text, from string) (verdict, next string) {
	// Velero catches the panic, and asks no parser about the empty text.
	defer func() {
		if recover() != nil {
			verdict, next = "panics", ""
		}
	}()
	if text == "" {
		return "refused", ""
	}
	schedule, err := cron.ParseStandard(text)
	if err != nil {
		return "refused", ""
	}
	at, err := time.Parse(time.RFC3339Nano, from)
	if err != nil {
		log.Fatal(err)
	}
	// The search may go in circles for ever in zones whose clocks change by half an hour.
	found := make(chan string, 1)
	go func() { found <- nextFive(schedule, at) }()
	select {
	case next := <-found:
		return "taken", next
	case <-time.After(3 * time.Second):
		return "taken", "hangs"
	}
}

func nextFive(schedule cron.Schedule, at time.Time) string {
	var times []string
	for range 5 {
		at = schedule.Next(at)
		if at.IsZero() {
			break
		}
		times = append(times, at.UTC().Format(time.RFC3339))
	}
	if len(times) == 0 {
		return "never"
	}
	return strings.Join(times, " ")
}

func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		log.Fatal(err)
	}
	return string(quoted)
}
