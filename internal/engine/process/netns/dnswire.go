package netns

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"io"
)

// The few parts of a DNS message (RFC 1035) that a relay has to look at.
const (
	headerSize   = 12
	flagResponse = 0x80 // in byte 2
	codeFailure  = 2    // SERVFAIL, in the low bits of byte 3
	maxNameLabel = 63
)

// randomID returns two unpredictable bytes.
func randomID() []byte {
	var id [2]byte
	_, _ = rand.Read(id[:]) // never fails
	return id[:]
}

// withID returns a copy of message with another id.
func withID(message, id []byte) []byte {
	out := bytes.Clone(message)
	copy(out, id[:2])
	return out
}

// answers reports whether message is a response to question: same id, same
// question section. A failed server may leave the question out.
func answers(message, question []byte) bool {
	if len(message) < headerSize || message[2]&flagResponse == 0 || !bytes.Equal(message[:2], question[:2]) {
		return false
	}
	asked := questionSection(question)
	if binary.BigEndian.Uint16(message[4:]) == 0 {
		return message[3]&0x0f != 0
	}
	return asked != nil && bytes.EqualFold(questionSection(message), asked)
}

// questionSection returns the bytes of the one question in message; nil if
// there is not exactly one, or it is broken.
func questionSection(message []byte) []byte {
	if len(message) < headerSize || binary.BigEndian.Uint16(message[4:]) != 1 {
		return nil
	}
	for at := headerSize; at < len(message); {
		n := int(message[at])
		at++
		if n == 0 {
			if at+4 > len(message) {
				return nil
			}
			return message[headerSize : at+4]
		}
		if n > maxNameLabel {
			return nil // no compression in a question
		}
		at += n
	}
	return nil
}

// serverFailure returns the response that says no resolver could be asked.
func serverFailure(question []byte) []byte {
	out := bytes.Clone(question[:headerSize])
	out[2] = out[2]&0x79 | flagResponse // keep opcode and RD
	out[3] = 0x80 | codeFailure         // RA: we would recurse
	clear(out[4:])
	if q := questionSection(question); q != nil {
		out[5] = 1
		out = append(out, q...)
	}
	return out
}

// framed puts the length before a message, as DNS over TCP has it.
func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
}

// readFramed reads one message of a TCP stream: at most 64 KiB, which is all
// its length can say.
func readFramed(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}
