package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	window         = 1 << 24
	windowRefresh  = 1 << 20
	maxFrameBytes  = 16384
	bufferBytes    = 1 << 16
	grpcPrefixSize = 5
)

// One HTTP/2 connection at the level of frames: an HTTP client library would cost more than most of the servers measured.
type http2Connection struct {
	streaming bool
	path      string
	address   string
	headers   [][2]string
	messages  [][]byte

	reader *bufio.Reader
	framer *http2.Framer
	failed atomic.Pointer[error]

	mu           sync.Mutex // of all below
	writer       *bufio.Writer
	encoder      *hpack.Encoder
	block        bytes.Buffer
	nextID       uint32
	calls        map[uint32]*call
	sendWindow   int64
	streamWindow int64
	pending      []outgoing
	stream       *call
	received     int
	sent         int
}

// One call: unary, or the connection's stream with its messages that wait for an answer.
type call struct {
	id       uint32
	window   int64
	done     []func(string)
	messages messageReader
	received int
}

type outgoing struct {
	call *call
	data []byte
	end  bool
}

func dialHTTP2(o options) (sender, error) {
	socket, err := net.Dial("tcp", o.address)
	if err != nil {
		return nil, err
	}
	c := &http2Connection{
		streaming: o.protocol == "stream", path: o.path, address: o.address, headers: o.headers,
		reader: bufio.NewReaderSize(socket, bufferBytes), writer: bufio.NewWriterSize(socket, bufferBytes),
		nextID: 1, calls: map[uint32]*call{}, sendWindow: 65535, streamWindow: 65535,
	}
	for _, payload := range o.payloads {
		c.messages = append(c.messages, append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(payload))), payload...))
	}
	c.encoder = hpack.NewEncoder(&c.block)
	c.framer = http2.NewFramer(c.writer, c.reader)
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.framer.SetReuseFrames()
	_, _ = c.writer.WriteString(http2.ClientPreface) // what cannot be written fails at the flush
	_ = c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}, http2.Setting{ID: http2.SettingEnablePush, Val: 0})
	_ = c.framer.WriteWindowUpdate(0, window)
	if err := c.writer.Flush(); err != nil {
		return nil, err
	}
	go c.read()
	return c, nil
}

func (c *http2Connection) err() error {
	if failed := c.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}

func (c *http2Connection) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.writer.Flush(); err != nil {
		c.failed.CompareAndSwap(nil, &err)
	}
}

func (c *http2Connection) send(done func(string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	message := c.messages[c.sent%len(c.messages)]
	c.sent++
	if !c.streaming {
		c.write(outgoing{c.open(done), message, true})
		return
	}
	if c.stream == nil {
		c.stream = c.open()
	}
	c.stream.done = append(c.stream.done, done)
	c.write(outgoing{c.stream, message, false})
}

func (c *http2Connection) open(done ...func(string)) *call {
	made := &call{id: c.nextID, window: c.streamWindow, done: done}
	c.nextID += 2
	c.calls[made.id] = made
	c.block.Reset()
	fields := [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", c.path}, {":authority", c.address}, {"te", "trailers"}, {"content-type", "application/grpc"}}
	for _, field := range append(fields, c.headers...) {
		_ = c.encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	_ = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: made.id, BlockFragment: c.block.Bytes(), EndHeaders: true})
	return made
}

// Sends it, or keeps it until the server's windows take it whole.
func (c *http2Connection) write(out outgoing) {
	size := int64(len(out.data))
	if len(c.pending) > 0 || size > c.sendWindow || size > out.call.window {
		c.pending = append(c.pending, out)
		return
	}
	c.writeNow(out)
}

func (c *http2Connection) writeNow(out outgoing) {
	c.sendWindow -= int64(len(out.data))
	out.call.window -= int64(len(out.data))
	for data := out.data; ; data = data[maxFrameBytes:] {
		if len(data) <= maxFrameBytes {
			_ = c.framer.WriteData(out.call.id, out.end, data)
			return
		}
		_ = c.framer.WriteData(out.call.id, false, data[:maxFrameBytes])
	}
}

func (c *http2Connection) writePending() {
	for len(c.pending) > 0 {
		out := c.pending[0]
		size := int64(len(out.data))
		if size > c.sendWindow || size > out.call.window {
			return
		}
		c.pending = c.pending[1:]
		c.writeNow(out)
	}
}

// Frames until the connection ends. What answers bring about is flushed when everything that has arrived is read.
func (c *http2Connection) read() {
	for {
		frame, err := c.framer.ReadFrame()
		if err == nil {
			err = c.take(frame)
		}
		if err != nil {
			err = fmt.Errorf("connection to %s: %w", c.address, err)
			c.failed.CompareAndSwap(nil, &err)
			return
		}
		if c.reader.Buffered() == 0 {
			c.flush()
		}
	}
}

func (c *http2Connection) take(frame http2.Frame) error {
	switch frame := frame.(type) {
	case *http2.MetaHeadersFrame:
		c.takeHeaders(frame)
	case *http2.DataFrame:
		c.takeData(frame)
	case *http2.SettingsFrame:
		return c.takeSettings(frame)
	case *http2.WindowUpdateFrame:
		c.takeWindow(frame)
	case *http2.PingFrame:
		if !frame.IsAck() {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.framer.WritePing(true, frame.Data)
		}
	case *http2.RSTStreamFrame:
		c.finish(frame.StreamID, "reset: "+frame.ErrCode.String())
	case *http2.GoAwayFrame:
		return fmt.Errorf("GOAWAY %s %q", frame.ErrCode, frame.DebugData())
	}
	return nil
}

func (c *http2Connection) takeHeaders(frame *http2.MetaHeadersFrame) {
	failure, message := "", ""
	for _, field := range frame.Fields {
		switch {
		case field.Name == "grpc-status" && field.Value != "0":
			failure = "grpc-status " + field.Value
		case field.Name == "grpc-message":
			message = field.Value
		case field.Name == ":status" && field.Value != "200":
			failure = "HTTP " + field.Value
		}
	}
	if failure != "" && message != "" {
		failure += " " + message
	}
	if frame.StreamEnded() {
		c.finish(frame.StreamID, failure)
	}
}

func (c *http2Connection) takeData(frame *http2.DataFrame) {
	c.mu.Lock()
	found := c.calls[frame.StreamID]
	length := len(frame.Data())
	c.received += length
	if c.received >= windowRefresh {
		_ = c.framer.WriteWindowUpdate(0, uint32(c.received))
		c.received = 0
	}
	var answered []func(string)
	var failures []string
	if found != nil && c.streaming {
		if found.received += length; found.received >= windowRefresh {
			_ = c.framer.WriteWindowUpdate(found.id, uint32(found.received))
			found.received = 0
		}
		failures = found.messages.read(frame.Data())
		count := min(len(failures), len(found.done))
		answered = found.done[:count:count]
		found.done = found.done[count:]
	}
	c.mu.Unlock()
	for i, done := range answered {
		done(failures[i])
	}
	if frame.StreamEnded() {
		c.finish(frame.StreamID, "ended without a grpc-status")
	}
}

func (c *http2Connection) finish(id uint32, failure string) {
	c.mu.Lock()
	found := c.calls[id]
	delete(c.calls, id)
	if found == c.stream {
		c.stream = nil
	}
	c.mu.Unlock()
	if found == nil {
		return
	}
	if c.streaming && failure == "" {
		failure = "the stream ended"
	}
	for _, done := range found.done {
		done(failure)
	}
}

func (c *http2Connection) takeSettings(frame *http2.SettingsFrame) error {
	if frame.IsAck() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if value, found := frame.Value(http2.SettingInitialWindowSize); found {
		change := int64(value) - c.streamWindow
		c.streamWindow = int64(value)
		for _, open := range c.calls {
			open.window += change
		}
	}
	c.writePending()
	return c.framer.WriteSettingsAck()
}

func (c *http2Connection) takeWindow(frame *http2.WindowUpdateFrame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if frame.StreamID == 0 {
		c.sendWindow += int64(frame.Increment)
	} else if found := c.calls[frame.StreamID]; found != nil {
		found.window += int64(frame.Increment)
	}
	c.writePending()
}
