// Package function draws QR codes.
package function

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"strings"
)

// border is the width of the empty frame in dots, as the standard asks for.
const border = 4

// Handle draws the body, or the parameter text, as SVG; ?format=png and
// ?format=text draw otherwise.
func Handle(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBytes+1))
	if err != nil {
		return // the caller has left
	}
	text := string(body)
	if text == "" {
		text = r.URL.Query().Get("text")
	}
	if text == "" {
		http.Error(w, "say what to encode: as the body or as ?text=", http.StatusBadRequest)
		return
	}
	code, err := encode([]byte(text))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	switch r.URL.Query().Get("format") {
	case "png":
		w.Header().Set("Content-Type", "image/png")
		_ = png.Encode(w, code.picture(8)) // fails only if the caller has left
	case "text":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, code.text())
	default:
		w.Header().Set("Content-Type", "image/svg+xml")
		_, _ = io.WriteString(w, code.svg())
	}
}

func (c *code) svg() string {
	var path strings.Builder
	for y := range c.size {
		for x := range c.size {
			if c.dark(x, y) {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x, y)
			}
		}
	}
	whole := c.size + 2*border
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="-%d -%d %d %d" width="%d" height="%d" shape-rendering="crispEdges">`+
		`<path fill="#fff" d="M-%d-%dh%dv%dh-%dz"/><path d="%s"/></svg>`+"\n",
		border, border, whole, whole, 6*whole, 6*whole, border, border, whole, whole, whole, path.String())
}

func (c *code) picture(scale int) image.Image {
	whole := (c.size + 2*border) * scale
	img := image.NewPaletted(image.Rect(0, 0, whole, whole), color.Palette{color.White, color.Black})
	for y := range whole {
		for x := range whole {
			if c.dark(x/scale-border, y/scale-border) {
				img.SetColorIndex(x, y, 1)
			}
		}
	}
	return img
}

// text draws two rows in one line of blocks.
func (c *code) text() string {
	var b strings.Builder
	for y := -border; y < c.size+border; y += 2 {
		for x := -border; x < c.size+border; x++ {
			block := "█"
			switch upper, lower := c.dark(x, y), c.dark(x, y+1); {
			case upper && lower:
				block = " "
			case upper:
				block = "▄"
			case lower:
				block = "▀"
			}
			b.WriteString(block)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
