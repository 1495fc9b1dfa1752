// Generates load for one server and prints what came of it, as JSON: unary gRPC, gRPC streams or HTTP/1.1, with one payload or with several by turns.
//
// Closed loop (-rate 0): each of -connections keeps -inflight requests out. Open loop: -rate requests a second arrive by a seeded Poisson process
// whatever comes back, and a latency counts from when its request was due. After -warm seconds a line "begin" is printed, after -seconds more a line
// "end": who reads the server's CPU time reads it then. What is answered in between is counted.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"
)

type options struct {
	protocol    string
	address     string
	path        string
	payloads    [][]byte
	headers     [][2]string
	connections int
	inflight    int
	rate        float64
	warm        time.Duration
	length      time.Duration
	within      time.Duration
}

func readOptions() (options, error) {
	var o options
	var warm, seconds, within float64
	flag.StringVar(&o.protocol, "protocol", "grpc", "grpc, stream or http")
	flag.StringVar(&o.address, "address", "", "host:port")
	flag.StringVar(&o.path, "path", "", "/package.Service/Method, or the path of a URL")
	flag.Func("payload", "file with the message or the body; may be repeated", func(file string) error {
		payload, err := os.ReadFile(file)
		o.payloads = append(o.payloads, payload)
		return err
	})
	flag.IntVar(&o.connections, "connections", 8, "connections")
	flag.IntVar(&o.inflight, "inflight", 8, "requests out on each connection; an HTTP connection has one")
	flag.Float64Var(&o.rate, "rate", 0, "arrivals a second; 0 = closed loop")
	flag.Float64Var(&warm, "warm", 1, "seconds before counting")
	flag.Float64Var(&seconds, "seconds", 5, "seconds of counting")
	flag.Float64Var(&within, "within", 0, "seconds; an answer later than that has failed, 0 = none has")
	flag.Func("header", "name: value; may be repeated", func(text string) error {
		name, value, found := strings.Cut(text, ":")
		if !found {
			return fmt.Errorf("%q is not name: value", text)
		}
		o.headers = append(o.headers, [2]string{strings.ToLower(name), strings.TrimSpace(value)})
		return nil
	})
	flag.Parse()
	o.warm = time.Duration(warm * float64(time.Second))
	o.length = time.Duration(seconds * float64(time.Second))
	o.within = time.Duration(within * float64(time.Second))
	if len(o.payloads) == 0 {
		return o, errors.New("-payload: a file is needed")
	}
	return o, nil
}

func connectAll(o options) ([]sender, error) {
	senders := make([]sender, 0, o.connections)
	for range o.connections {
		var made sender
		var err error
		switch o.protocol {
		case "grpc", "stream":
			made, err = dialHTTP2(o)
		case "http":
			made, err = dialHTTP1(o, http.MethodPost)
		default:
			err = fmt.Errorf("protocol %q is none of grpc, stream, http", o.protocol)
		}
		if err != nil {
			return nil, err
		}
		senders = append(senders, made)
	}
	return senders, nil
}

func main() {
	// Threads beyond the one core: the scheduler of arrivals sleeps in the kernel, which is exact to some microseconds.
	runtime.GOMAXPROCS(4)
	o, err := readOptions()
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(o options) error {
	senders, err := connectAll(o)
	if err != nil {
		return err
	}
	r := newRecorder(time.Now().Add(o.warm), o.length, o.within)
	if o.rate > 0 {
		err = openLoop(senders, o, r)
	} else {
		err = closedLoop(senders, o, r)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r.summary())
}
