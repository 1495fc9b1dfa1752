package main

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// What is answered, or was due, between begin and end. Safe for many goroutines.
type recorder struct {
	begin, end time.Time
	mu         sync.Mutex
	latencies  []time.Duration
	late       []time.Duration
	failures   map[string]int
	// Of what failed; in an open loop since it was due.
	slowestFailure time.Duration
	// An answer later than that has failed; 0 = it may take as long as it likes.
	within time.Duration
}

type summary struct {
	Answered  int            `json:"answered"`
	PerSecond float64        `json:"perSecond"`
	P50Ms     float64        `json:"p50Ms"`
	P90Ms     float64        `json:"p90Ms"`
	P99Ms     float64        `json:"p99Ms"`
	P999Ms    float64        `json:"p999Ms"`
	MaxMs     float64        `json:"maxMs"`
	LateP99Ms float64        `json:"lateP99Ms"`
	Failed    map[string]int `json:"failed"`
	// The slowest of them.
	FailedMaxMs float64 `json:"failedMaxMs"`
}

func newRecorder(begin time.Time, length, within time.Duration) *recorder {
	return &recorder{within: within, begin: begin, end: begin.Add(length), latencies: make([]time.Duration, 0, 1<<20), failures: map[string]int{}}
}

// counted is the instant that decides whether it is counted: the answer's in a closed loop, when it was due in an open one.
func (r *recorder) record(counted time.Time, latency time.Duration, failure string) {
	if counted.Before(r.begin) || !counted.Before(r.end) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if failure == "" && r.within > 0 && latency > r.within {
		failure = "late"
	}
	if failure != "" {
		r.failures[failure]++
		r.slowestFailure = max(r.slowestFailure, latency)
		return
	}
	r.latencies = append(r.latencies, latency)
}

// How much later than due a request was sent; it is in the latency too.
func (r *recorder) sentLate(late time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.late = append(r.late, late)
}

// Prints "begin" and "end" on time, and returns at the end.
func (r *recorder) tell() {
	time.Sleep(time.Until(r.begin))
	fmt.Println("begin")
	time.Sleep(time.Until(r.end))
	fmt.Println("end")
}

// Nearest rank; 0 where nothing was answered.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := min(len(sorted)-1, int(q*float64(len(sorted))))
	return float64(sorted[at].Microseconds()) / 1000
}

func (r *recorder) summary() summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.latencies)
	slices.Sort(r.late)
	return summary{
		Answered:  len(r.latencies),
		PerSecond: float64(len(r.latencies)) / r.end.Sub(r.begin).Seconds(),
		P50Ms:     quantile(r.latencies, 0.5),
		P90Ms:     quantile(r.latencies, 0.9),
		P99Ms:     quantile(r.latencies, 0.99),
		P999Ms:    quantile(r.latencies, 0.999),
		MaxMs:     quantile(r.latencies, 1),
		LateP99Ms: quantile(r.late, 0.99),
		Failed:    r.failures,

		FailedMaxMs: float64(r.slowestFailure.Microseconds()) / 1000,
	}
}
