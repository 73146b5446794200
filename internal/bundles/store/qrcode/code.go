package function

import "fmt"

// code is a QR code (ISO/IEC 18004) with error correction level M.
type code struct {
	version, size int
	dots          []bool // row by row; true is dark
	fixed         []bool // dots that are pattern, not data
}

// maxBytes is the most a code of the largest version holds.
const maxBytes = 2331

// Error correction of level M, by version.
var (
	eccLength = [41]int{0, 10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26,
		26, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28}
	blockCount = [41]int{0, 1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16,
		17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35, 37, 38, 40, 43, 45, 47, 49}
)

// encode makes the smallest code that holds data, in byte mode, with the mask
// that reads best.
func encode(data []byte) (*code, error) {
	for version := 1; version <= 40; version++ {
		if len(data) <= room(version) {
			return draw(version, protect(version, codewords(version, data)), -1), nil
		}
	}
	return nil, fmt.Errorf("at most %d bytes fit, these are %d", maxBytes, len(data))
}

// capacity is the number of codewords of data and correction in a version.
func capacity(version int) int {
	bits := (16*version+128)*version + 64
	if version >= 2 {
		n := version/7 + 2
		bits -= (25*n-10)*n - 55
	}
	if version >= 7 {
		bits -= 36
	}
	return bits / 8
}

// dataLength is the number of codewords for data.
func dataLength(version int) int { return capacity(version) - eccLength[version]*blockCount[version] }

// countBits is the length of the field with the number of bytes.
func countBits(version int) int {
	if version < 10 {
		return 8
	}
	return 16
}

// room is how many bytes of text fit.
func room(version int) int { return (8*dataLength(version) - 4 - countBits(version)) / 8 }

// codewords writes mode, length and text, and fills up.
func codewords(version int, data []byte) []byte {
	var b bits
	b.add(4, 4) // byte mode
	b.add(len(data), countBits(version))
	for _, c := range data {
		b.add(int(c), 8)
	}
	length := dataLength(version)
	b.add(0, min(4, 8*length-b.n))
	b.add(0, (8-b.n%8)%8)
	for pad := 0xec; len(b.bytes) < length; pad ^= 0xec ^ 0x11 {
		b.add(pad, 8)
	}
	return b.bytes
}

// bits collects bits, the highest first.
type bits struct {
	bytes []byte
	n     int
}

func (b *bits) add(value, length int) {
	for i := length - 1; i >= 0; i-- {
		if b.n%8 == 0 {
			b.bytes = append(b.bytes, 0)
		}
		b.bytes[b.n/8] |= byte(value>>i&1) << (7 - b.n%8)
		b.n++
	}
}

// protect splits data into blocks, adds the correction of each, and
// interleaves them.
func protect(version int, data []byte) []byte {
	n, ecc := blockCount[version], eccLength[version]
	total := capacity(version)
	short, long := total/n-ecc, total%n // bytes of data in a short block; how many have one more
	divisor := generator(ecc)
	blocks, sums := make([][]byte, n), make([][]byte, n)
	for i := range n {
		length := short
		if i >= n-long {
			length++
		}
		blocks[i], data = data[:length], data[length:]
		sums[i] = remainder(blocks[i], divisor)
	}
	out := make([]byte, 0, total)
	for at := range short + 1 {
		for _, b := range blocks {
			if at < len(b) {
				out = append(out, b[at])
			}
		}
	}
	for at := range ecc {
		for _, s := range sums {
			out = append(out, s[at])
		}
	}
	return out
}

// multiply multiplies in the field of 256 elements modulo x⁸+x⁴+x³+x²+1.
func multiply(a, b byte) byte {
	z := 0
	for i := 7; i >= 0; i-- {
		z = z<<1 ^ (z>>7)*0x11d
		z ^= int(b>>i&1) * int(a)
	}
	return byte(z)
}

// generator is the divisor of a Reed–Solomon code without its first term.
func generator(degree int) []byte {
	out := make([]byte, degree)
	out[degree-1] = 1
	root := byte(1)
	for range degree {
		for j := range out {
			out[j] = multiply(out[j], root)
			if j+1 < len(out) {
				out[j] ^= out[j+1]
			}
		}
		root = multiply(root, 2)
	}
	return out
}

func remainder(data, divisor []byte) []byte {
	out := make([]byte, len(divisor))
	for _, b := range data {
		factor := b ^ out[0]
		copy(out, out[1:])
		out[len(out)-1] = 0
		for i, d := range divisor {
			out[i] ^= multiply(d, factor)
		}
	}
	return out
}
