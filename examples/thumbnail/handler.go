// Package thumbnail makes small pictures of large ones.
package thumbnail

import (
	"bufio"
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"net/http"
	"strconv"

	_ "image/gif" // a format that is read

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // a format that is read
)

const (
	maxPixels = 40_000_000 // of a picture that is read, so that memory is bounded
	maxSize   = 2048
)

// Handle reads a PNG, JPEG, GIF or WebP and answers with a picture that fits
// into size × size (query "size", 128 if left out): PNG for PNG, else JPEG.
func Handle(w http.ResponseWriter, r *http.Request) {
	size := 128
	if s := r.URL.Query().Get("size"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxSize {
			http.Error(w, fmt.Sprintf("size must be a number from 1 to %d", maxSize), http.StatusBadRequest)
			return
		}
		size = n
	}
	body := bufio.NewReaderSize(r.Body, 64<<10)
	src, format, err := decode(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnsupportedMediaType)
		return
	}
	small := shrink(src, size)
	if format == "png" {
		w.Header().Set("Content-Type", "image/png")
		err = png.Encode(w, small)
	} else {
		w.Header().Set("Content-Type", "image/jpeg")
		err = jpeg.Encode(w, small, &jpeg.Options{Quality: 85})
	}
	if err != nil {
		panic(http.ErrAbortHandler) // the caller left
	}
}

// decode looks at the head of a picture before it reads the rest.
func decode(r *bufio.Reader) (image.Image, string, error) {
	var head bytes.Buffer
	cfg, format, err := image.DecodeConfig(&recorder{r, &head})
	if err != nil {
		return nil, "", fmt.Errorf("send a PNG, JPEG, GIF or WebP picture as the body: %w", err)
	}
	if cfg.Width <= 0 || cfg.Height <= 0 || cfg.Width > maxPixels/cfg.Height {
		return nil, "", fmt.Errorf("the picture has %d × %d pixels, at most %d in all are read", cfg.Width, cfg.Height, maxPixels)
	}
	src, _, err := image.Decode(&joined{&head, r})
	if err != nil {
		return nil, "", fmt.Errorf("the picture is damaged: %w", err)
	}
	return src, format, nil
}

// recorder keeps a copy of what is read.
type recorder struct {
	r    *bufio.Reader
	copy *bytes.Buffer
}

func (c *recorder) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.copy.Write(p[:n])
	return n, err
}

// joined reads the copy, then the rest.
type joined struct {
	copy *bytes.Buffer
	r    *bufio.Reader
}

func (j *joined) Read(p []byte) (int, error) {
	if j.copy.Len() > 0 {
		return j.copy.Read(p)
	}
	return j.r.Read(p)
}

// shrink scales a picture down to fit a square; a small one stays as it is.
func shrink(src image.Image, size int) image.Image {
	b := src.Bounds()
	w, h := b.Dx(), b.Dy()
	if w <= size && h <= size {
		return src
	}
	if w >= h {
		w, h = size, max(1, h*size/w)
	} else {
		w, h = max(1, w*size/h), size
	}
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.CatmullRom.Scale(dst, dst.Bounds(), src, b, draw.Src, nil)
	return dst
}
