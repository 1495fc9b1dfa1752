package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// One keep-alive HTTP/1.1 connection: one request at a time, others wait for it.
type http1Connection struct {
	requests [][]byte
	sent     int
	queue    chan func(string)
	failed   atomic.Pointer[error]
}

const queuedRequests = 1 << 16

func dialHTTP1(o options, method string) (sender, error) {
	socket, err := net.Dial("tcp", o.address)
	if err != nil {
		return nil, err
	}
	c := &http1Connection{queue: make(chan func(string), queuedRequests)}
	for _, payload := range o.payloads {
		var request bytes.Buffer
		fmt.Fprintf(&request, "%s %s HTTP/1.1\r\nhost: %s\r\ncontent-length: %d\r\n", method, o.path, o.address, len(payload))
		for _, header := range o.headers {
			fmt.Fprintf(&request, "%s: %s\r\n", header[0], header[1])
		}
		request.WriteString("\r\n")
		request.Write(payload)
		c.requests = append(c.requests, request.Bytes())
	}
	go c.serve(socket)
	return c, nil
}

func (c *http1Connection) send(done func(string)) { c.queue <- done }

func (c *http1Connection) flush() {}

func (c *http1Connection) err() error {
	if failed := c.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}

func (c *http1Connection) serve(socket net.Conn) {
	reader := bufio.NewReader(socket)
	for done := range c.queue {
		failure, err := c.ask(socket, reader)
		if err != nil {
			c.failed.CompareAndSwap(nil, &err)
			done(err.Error())
			return
		}
		done(failure)
	}
}

func (c *http1Connection) ask(socket net.Conn, reader *bufio.Reader) (string, error) {
	request := c.requests[c.sent%len(c.requests)]
	c.sent++
	if _, err := socket.Write(request); err != nil {
		return "", err
	}
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Sprintf("HTTP %d %.100s", response.StatusCode, body), nil
	}
	return "", nil
}
