package conf

import "rouse.dev/rouse/internal/fn"

// Bytes is a size, written "128Mi".
type Bytes int64

// String writes it as UnmarshalText reads it.
func (b Bytes) String() string { return fn.FormatBytes(int64(b)) }

// MarshalText writes it as UnmarshalText reads it.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads "128Mi"; see fn.ParseBytes.
func (b *Bytes) UnmarshalText(text []byte) error {
	n, err := fn.ParseBytes(string(text))
	if err == nil {
		*b = Bytes(n)
	}
	return err
}

// CPU is a share of processors in thousandths of a core, written "500m".
type CPU int

// String writes it as UnmarshalText reads it.
func (c CPU) String() string { return fn.FormatCPU(int(c)) }

// MarshalText writes it as UnmarshalText reads it.
func (c CPU) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads "500m"; see fn.ParseCPU.
func (c *CPU) UnmarshalText(text []byte) error {
	n, err := fn.ParseCPU(string(text))
	if err == nil {
		*c = CPU(n)
	}
	return err
}
