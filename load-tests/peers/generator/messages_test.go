package main

import (
	"slices"
	"testing"
)

// However frames cut a stream, each message is found once, and one whose first field is error_message is a failure.
func TestMessagesAreFoundWhereverFramesCut(t *testing.T) {
	stream := []byte{0, 0, 0, 0, 3, 0x12, 1, 7, 0, 0, 0, 0, 2, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x12}
	want := []string{"", "error_message", "an empty message", ""}
	for size := 1; size <= len(stream); size++ {
		var reader messageReader
		var got []string
		for chunk := range slices.Chunk(stream, size) {
			got = append(got, reader.read(chunk)...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %q, not %q", size, got, want)
		}
	}
}
