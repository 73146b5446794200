package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
)

// scripted is a connection whose reads come from a reader.
type scripted struct {
	net.Conn
	io.Reader
}

func (s scripted) Read(p []byte) (int, error) { return s.Reader.Read(p) }

// bodyOf reads a body to its end, size bytes at a time.
func bodyOf(r io.Reader, kind Framing, length int64, size int) (string, *Body, *Conn, error) {
	c := NewConn(scripted{Reader: r})
	b := new(Body)
	b.Reset(c, kind, length)
	var all bytes.Buffer
	p := make([]byte, size)
	for {
		n, err := b.Read(p)
		all.Write(p[:n])
		if err == io.EOF {
			return all.String(), b, c, nil
		}
		if err != nil {
			return all.String(), b, c, err
		}
	}
}

func TestBodiesEndWhereTheirFramingSays(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 4096)
	for name, tc := range map[string]struct {
		kind   Framing
		length int64
		in     string
		want   string
		rest   string // stays for the next message
		err    error
	}{
		"fixed":              {Fixed, 5, "hello", "hello", "", nil},
		"fixed and cut":      {Fixed, 5, "hell", "hell", "", io.ErrUnexpectedEOF},
		"until close":        {UntilClose, -1, "hello", "hello", "", nil},
		"none":               {NoBody, 0, "", "", "", nil},
		"chunks":             {Chunked, -1, "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", "abcde", "", nil},
		"chunks then more":   {Chunked, -1, "3\r\nabc\r\n0\r\n\r\nGET", "abc", "GET", nil},
		"no chunk":           {Chunked, -1, "0\r\n\r\n", "", "", nil},
		"padded size":        {Chunked, -1, "0003 ;a\r\nabc\r\n000\r\n\r\n", "abc", "", nil},
		"capital size":       {Chunked, -1, "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", "", nil},
		"big chunk":          {Chunked, -1, fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(big), big), big, "", nil},
		"trailers":           {Chunked, -1, "1\r\na\r\n0\r\nX-Sum: 1\r\nY:2\r\n\r\nrest", "a", "rest", nil},
		"cut in data":        {Chunked, -1, "5\r\nabc", "abc", "", io.ErrUnexpectedEOF},
		"cut after data":     {Chunked, -1, "3\r\nabc\r\n", "abc", "", io.ErrUnexpectedEOF},
		"cut in trailers":    {Chunked, -1, "3\r\nabc\r\n0\r\nX: y\r\n", "abc", "", io.ErrUnexpectedEOF},
		"no size":            {Chunked, -1, "\r\nabc\r\n0\r\n\r\n", "", "", errChunkSize},
		"bad size":           {Chunked, -1, "g\r\nabc\r\n0\r\n\r\n", "", "", errChunkSize},
		"signed size":        {Chunked, -1, "+3\r\nabc\r\n0\r\n\r\n", "", "", errChunkSize},
		"hex prefix":         {Chunked, -1, "0x3\r\nabc\r\n0\r\n\r\n", "", "", errChunkSize},
		"size overflows":     {Chunked, -1, "10000000000000003\r\nabc\r\n0\r\n\r\n", "", "", errChunkSize},
		"junk after size":    {Chunked, -1, "3 x\r\nabc\r\n0\r\n\r\n", "", "", errChunkSize},
		"bare LF after size": {Chunked, -1, "3\nabc\r\n0\r\n\r\n", "", "", errBareLF},
		"CR in extension":    {Chunked, -1, "3;a\rb\r\nabc\r\n0\r\n\r\n", "", "", errChunkExt},
		"data too long":      {Chunked, -1, "3\r\nabcd\r\n0\r\n\r\n", "abc", "", errChunkEnd},
		"LF after data":      {Chunked, -1, "3\r\nabc\n0\r\n\r\n", "abc", "", errChunkEnd},
		"endless size line":  {Chunked, -1, "3;" + strings.Repeat("x", 4096), "", "", errChunkExt},
		"extensions galore":  {Chunked, -1, strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\na\r\n", 30), strings.Repeat("a", 16), "", errChunkExt},
		"endless trailers":   {Chunked, -1, "0\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 40), "", "", errTrailerTooBig},
		"folded trailer":     {Chunked, -1, "0\r\nX: y\r\n z\r\n\r\n", "", "", errFieldName},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, 7, 4096, 1 << 20} {
				for kind, r := range map[string]io.Reader{
					"at once":      strings.NewReader(tc.in),
					"byte by byte": iotest.OneByteReader(strings.NewReader(tc.in)),
					"EOF early":    iotest.DataErrReader(strings.NewReader(tc.in)),
				} {
					got, b, c, err := bodyOf(r, tc.kind, tc.length, size)
					if got != tc.want || !errors.Is(err, tc.err) {
						t.Fatalf("%s, %d at a time: %q, %v; want %q, %v", kind, size, short(got), err, short(tc.want), tc.err)
					}
					rest := string(c.Buffered())
					if tc.err == nil && (!b.Done() || b.Count() != int64(len(tc.want)) || !strings.HasPrefix(tc.rest, rest)) {
						t.Fatalf("%s, %d at a time: done %v, count %d, rest %q", kind, size, b.Done(), b.Count(), rest)
					}
				}
			}
		})
	}
}

func short(s string) string { return s[:min(len(s), 100)] }

func TestTrailersOutliveTheBuffer(t *testing.T) {
	_, b, c, err := bodyOf(strings.NewReader("0\r\nX-Sum: 1\r\nContent-Length: 5\r\nConnection: x\r\n\r\n"), Chunked, -1, 10)
	if err != nil || c.buf != nil {
		t.Fatalf("%v, buffer kept: %v", err, c.buf != nil)
	}
	if got := string(AppendLastChunk(nil, b.Trailers())); got != "0\r\nX-Sum: 1\r\n\r\n" {
		t.Errorf("trailers passed on as %q", got)
	}
}

func TestReadyMeansThatReadDoesNotWait(t *testing.T) {
	in := "3\r\nabc\r\n0a;x\r\n0123456789\r\n0\r\nA: b\r\n\r\n"
	for cut := range len(in) + 1 {
		c := NewConn(scripted{Reader: io.MultiReader(strings.NewReader(in[:cut]), blocked{})})
		var b Body
		b.Reset(c, Chunked, -1)
		if cut > 0 {
			if err := c.Fill(BufferSize); err != nil {
				t.Fatal(err)
			}
		}
		for b.Ready() && !b.Done() {
			if _, err := b.Read(make([]byte, 2)); errors.Is(err, errBlocked) {
				t.Fatalf("%q: ready, but Read waited", in[:cut])
			}
		}
		if cut == len(in) && !b.Done() {
			t.Errorf("all is there, but Ready stopped at %d bytes", b.Count())
		}
	}
}

var errBlocked = errors.New("would wait")

type blocked struct{}

func (blocked) Read([]byte) (int, error) { return 0, errBlocked }

func TestPutChunkWritesWhatTheReaderReads(t *testing.T) {
	for _, n := range []int{1, 15, 16, 255, 256, 4095, 4096, 65535, 65536, 1<<20 + 3} {
		data := bytes.Repeat([]byte("x"), n)
		buf := make([]byte, 3+ChunkBefore+n+ChunkAfter)
		copy(buf[3+ChunkBefore:], data)
		start, end := PutChunk(buf, 3+ChunkBefore, n)
		if want := fmt.Sprintf("%x\r\n%s\r\n", n, data); string(buf[start:end]) != want {
			t.Errorf("%d bytes: chunk begins %q", n, short(string(buf[start:end])))
		}
	}
}
