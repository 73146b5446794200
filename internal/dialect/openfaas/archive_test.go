package openfaas_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
)

// archive writes a source whose only file holds text.
func archive(to io.Writer, text string) error {
	z := gzip.NewWriter(to)
	w := tar.NewWriter(z)
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "handler.py", Size: int64(len(text)), Mode: 0o644})
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	return errors.Join(err, w.Close(), z.Close())
}
