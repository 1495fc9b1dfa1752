// The generator of load tests that count what a gRPC status says: open loop, native, and cheap enough to offer more than a server can take from one core.
// It sends the same message on a schedule, whatever comes back, and prints one JSON object.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// raw sends and keeps messages as the bytes that they are.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}
func (raw) Name() string { return "proto" }

type sample struct {
	due     time.Duration // since the beginning
	latency time.Duration // since it was due, so that a generator that lags hides nothing
	code    string
}

func main() {
	address := flag.String("address", "", "host:port")
	method := flag.String("method", "/inference.GRPCInferenceService/ModelInfer", "path")
	message := flag.String("message", "", "file with the message")
	headers := flag.String("headers", "", "name=value,name=value")
	rate := flag.Float64("rate", 0, "calls a second; 0 = closed loop of -inflight")
	inflight := flag.Int("inflight", 64, "calls in flight of a closed loop")
	seconds := flag.Float64("seconds", 10, "")
	connections := flag.Int("connections", 8, "")
	deadline := flag.Duration("deadline", time.Second, "of each call")
	flag.Parse()
	body, err := os.ReadFile(*message)
	if err != nil {
		panic(err)
	}
	pairs := []string{}
	for _, pair := range strings.Split(*headers, ",") {
		if name, value, found := strings.Cut(pair, "="); found {
			pairs = append(pairs, name, value)
		}
	}
	base := metadata.AppendToOutgoingContext(context.Background(), pairs...)
	clients := make([]*grpc.ClientConn, *connections)
	for i := range clients {
		options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{}))}
		if clients[i], err = grpc.NewClient(*address, options...); err != nil {
			panic(err)
		}
	}
	var mutex sync.Mutex
	samples := []sample{}
	start := time.Now()
	call := func(i int, due time.Duration) {
		ctx, cancel := context.WithTimeout(base, *deadline)
		defer cancel()
		var answer []byte
		failed := clients[i%len(clients)].Invoke(ctx, *method, &body, &answer)
		one := sample{due, time.Since(start) - due, status.Code(failed).String()}
		mutex.Lock()
		samples = append(samples, one)
		mutex.Unlock()
	}
	length := time.Duration(*seconds * float64(time.Second))
	var group sync.WaitGroup
	if *rate > 0 {
		// A wake-up a millisecond, as many calls as are due; the first at once, or each would be sent a whole interval late.
		for sent := 0; time.Since(start) < length; time.Sleep(time.Millisecond) {
			for due := int(time.Since(start).Seconds()**rate) + 1; sent < due; sent++ {
				group.Add(1)
				go func(i int) {
					defer group.Done()
					call(i, time.Duration(float64(i) / *rate * float64(time.Second)))
				}(sent)
			}
		}
	} else {
		for i := 0; i < *inflight; i++ {
			group.Add(1)
			go func(i int) {
				defer group.Done()
				for time.Since(start) < length {
					call(i, time.Since(start))
				}
			}(i)
		}
	}
	group.Wait()
	print(samples, *seconds)
}

func print(samples []sample, seconds float64) {
	latencies := map[string][]float64{}
	perSecond := make([]int, int(seconds)+1)
	for _, one := range samples {
		latencies[one.code] = append(latencies[one.code], float64(one.latency.Microseconds())/1000)
		if second := int(one.due.Seconds()); one.code == "OK" && second < len(perSecond) {
			perSecond[second]++
		}
	}
	codes := map[string]any{}
	for code, all := range latencies {
		sort.Float64s(all)
		at := func(q float64) float64 { return all[min(len(all)-1, int(q*float64(len(all))))] }
		codes[code] = map[string]any{"calls": len(all), "p50Ms": at(0.5), "p99Ms": at(0.99), "maxMs": all[len(all)-1]}
	}
	out, _ := json.Marshal(map[string]any{"calls": len(samples), "codes": codes, "okPerSecond": perSecond})
	fmt.Println(string(out))
}
