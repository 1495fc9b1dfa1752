package main

import (
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// A connection. send begins one request and returns; done gets "" or why it failed, on a goroutine of the connection.
type sender interface {
	send(done func(failure string))
	// err is what ended the connection, or nil while it lives.
	err() error
	// flush writes what send has put together; what done sends is flushed without it.
	flush()
}

func closedLoop(senders []sender, o options, r *recorder) error {
	for _, connection := range senders {
		for range o.inflight {
			var ask func()
			ask = func() {
				began := time.Now()
				connection.send(func(failure string) {
					now := time.Now()
					r.record(now, now.Sub(began), failure)
					if now.Before(r.end) && connection.err() == nil {
						ask()
					}
				})
			}
			ask()
		}
		connection.flush()
	}
	r.tell()
	return firstError(senders)
}

// How long the last answers may take.
const patience = 5 * time.Second

func openLoop(senders []sender, o options, r *recorder) error {
	told := make(chan struct{})
	go func() {
		r.tell()
		close(told)
	}()
	runtime.LockOSThread()
	arrivals := rand.New(rand.NewPCG(20, 1))
	var out atomic.Int64
	due := time.Now()
	for i := 0; due.Before(r.end); i++ {
		sleepUntil(due)
		counted := due
		r.sentLate(time.Since(due))
		connection := senders[i%len(senders)]
		out.Add(1)
		connection.send(func(failure string) {
			r.record(counted, time.Since(counted), failure)
			out.Add(-1)
		})
		connection.flush()
		due = due.Add(time.Duration(arrivals.ExpFloat64() / o.rate * float64(time.Second)))
	}
	for until := time.Now().Add(patience); out.Load() > 0 && time.Now().Before(until); {
		time.Sleep(10 * time.Millisecond)
	}
	<-told
	for range out.Load() {
		r.record(r.begin, 0, "not answered within 5 s")
	}
	return firstError(senders)
}

// The runtime's own timers wake a sleeping process to the millisecond only.
func sleepUntil(due time.Time) {
	if wait := time.Until(due); wait > 0 {
		spec := syscall.NsecToTimespec(wait.Nanoseconds())
		_ = syscall.Nanosleep(&spec, nil) // woken early by a signal, it is early by as much
	}
}

func firstError(senders []sender) error {
	for _, connection := range senders {
		if err := connection.err(); err != nil {
			return err
		}
	}
	return nil
}
