package main

import "encoding/binary"

// The first byte of a ModelStreamInferResponse that has an error_message, its field 1.
const errorMessageTag = 0x0a

// Finds the messages in what arrives of a stream, wherever frames cut it.
type messageReader struct {
	prefix [grpcPrefixSize]byte
	have   int
	left   int
	first  bool
	failed bool
}

// Returns one text for each message that is now whole: "" or why it is no answer.
func (m *messageReader) read(data []byte) []string {
	var whole []string
	for len(data) > 0 {
		if m.left == 0 {
			taken := copy(m.prefix[m.have:], data)
			m.have += taken
			data = data[taken:]
			if m.have < grpcPrefixSize {
				break
			}
			m.have, m.first, m.failed = 0, true, false
			if m.left = int(binary.BigEndian.Uint32(m.prefix[1:])); m.left == 0 {
				whole = append(whole, "an empty message")
			}
			continue
		}
		if m.first {
			m.failed, m.first = data[0] == errorMessageTag, false
		}
		taken := min(m.left, len(data))
		m.left -= taken
		data = data[taken:]
		if m.left == 0 && m.failed {
			whole = append(whole, "error_message")
		} else if m.left == 0 {
			whole = append(whole, "")
		}
	}
	return whole
}
