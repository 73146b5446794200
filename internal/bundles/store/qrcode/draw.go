package function

import "math"

// draw lays out a code. mask -1 chooses the best one.
func draw(version int, words []byte, mask int) *code {
	size := 17 + 4*version
	c := &code{version: version, size: size, dots: make([]bool, size*size), fixed: make([]bool, size*size)}
	c.patterns()
	c.format(0) // keeps its place free
	c.place(words)
	if mask < 0 {
		mask = c.best()
	}
	c.mask(mask)
	c.format(mask)
	return c
}

// dark says whether a dot is dark; dots outside are not.
func (c *code) dark(x, y int) bool {
	return x >= 0 && y >= 0 && x < c.size && y < c.size && c.dots[y*c.size+x]
}

// fix sets a dot that is no data.
func (c *code) fix(x, y int, dark bool) {
	if x >= 0 && y >= 0 && x < c.size && y < c.size {
		c.dots[y*c.size+x], c.fixed[y*c.size+x] = dark, true
	}
}

// patterns draws what a reader finds its way by.
func (c *code) patterns() {
	for i := range c.size { // timing
		c.fix(6, i, i%2 == 0)
		c.fix(i, 6, i%2 == 0)
	}
	for _, at := range [][2]int{{3, 3}, {c.size - 4, 3}, {3, c.size - 4}} {
		c.square(at[0], at[1], 4, func(ring int) bool { return ring != 2 && ring != 4 })
	}
	centres := c.alignment()
	last := len(centres) - 1
	for i, x := range centres {
		for j, y := range centres {
			if (i != 0 || j != 0) && (i != 0 || j != last) && (i != last || j != 0) {
				c.square(x, y, 2, func(ring int) bool { return ring != 1 })
			}
		}
	}
	if c.version >= 7 {
		rest := c.version
		for range 12 {
			rest = rest<<1 ^ (rest>>11)*0x1f25
		}
		word := c.version<<12 | rest
		for i := range 18 {
			c.fix(c.size-11+i%3, i/3, word>>i&1 == 1)
			c.fix(i/3, c.size-11+i%3, word>>i&1 == 1)
		}
	}
}

// square draws rings around a centre.
func (c *code) square(x, y, radius int, dark func(ring int) bool) {
	for dy := -radius; dy <= radius; dy++ {
		for dx := -radius; dx <= radius; dx++ {
			c.fix(x+dx, y+dy, dark(max(dx, -dx, dy, -dy)))
		}
	}
}

// alignment lists the rows and columns of the small squares.
func (c *code) alignment() []int {
	if c.version == 1 {
		return nil
	}
	n := c.version/7 + 2
	step := (c.version*8 + n*3 + 5) / (n*4 - 4) * 2
	out := make([]int, n)
	out[0] = 6
	for i := range n - 1 {
		out[n-1-i] = c.size - 7 - i*step
	}
	return out
}

// format writes level and mask, twice.
func (c *code) format(mask int) {
	word := mask // level M is 00
	rest := word
	for range 10 {
		rest = rest<<1 ^ (rest>>9)*0x537
	}
	word = (word<<10 | rest) ^ 0x5412
	bit := func(i int) bool { return word>>i&1 == 1 }
	for i := range 6 {
		c.fix(8, i, bit(i))
		c.fix(5-i, 8, bit(9+i))
	}
	c.fix(8, 7, bit(6))
	c.fix(8, 8, bit(7))
	c.fix(7, 8, bit(8))
	for i := range 8 {
		c.fix(c.size-1-i, 8, bit(i))
	}
	for i := 8; i < 15; i++ {
		c.fix(8, c.size-15+i, bit(i))
	}
	c.fix(8, c.size-8, true)
}

// place writes the codewords in columns of two, up and down from the right.
func (c *code) place(words []byte) {
	at := 0
	for right := c.size - 1; right >= 1; right -= 2 {
		if right == 6 {
			right = 5
		}
		for i := range c.size {
			y := i
			if (right+1)&2 == 0 {
				y = c.size - 1 - i
			}
			for x := right; x >= right-1; x-- {
				if !c.fixed[y*c.size+x] && at < 8*len(words) {
					c.dots[y*c.size+x] = words[at/8]>>(7-at%8)&1 == 1
					at++
				}
			}
		}
	}
}

// mask turns the data dots where a pattern is; a second time turns them back.
func (c *code) mask(mask int) {
	for y := range c.size {
		for x := range c.size {
			if !c.fixed[y*c.size+x] && masked(mask, x, y) {
				c.dots[y*c.size+x] = !c.dots[y*c.size+x]
			}
		}
	}
}

func masked(mask, x, y int) bool {
	switch mask {
	case 0:
		return (x+y)%2 == 0
	case 1:
		return y%2 == 0
	case 2:
		return x%3 == 0
	case 3:
		return (x+y)%3 == 0
	case 4:
		return (x/3+y/2)%2 == 0
	case 5:
		return x*y%2+x*y%3 == 0
	case 6:
		return (x*y%2+x*y%3)%2 == 0
	}
	return ((x+y)%2+x*y%3)%2 == 0
}

// best is the mask with the least penalty.
func (c *code) best() int {
	best, least := 0, math.MaxInt
	for mask := range 8 {
		c.mask(mask)
		c.format(mask)
		if p := c.penalty(); p < least {
			best, least = mask, p
		}
		c.mask(mask)
	}
	return best
}

// penalty adds up what makes a code hard to read: runs, blocks, what looks
// like a corner, more of one colour than of the other.
func (c *code) penalty() int {
	sum, dark := 0, 0
	for a := range c.size {
		sum += line(c.size, func(b int) bool { return c.dark(b, a) }) + line(c.size, func(b int) bool { return c.dark(a, b) })
		for b := range c.size {
			d := c.dark(a, b)
			if d {
				dark++
			}
			if a+1 < c.size && b+1 < c.size && d == c.dark(a+1, b) && d == c.dark(a, b+1) && d == c.dark(a+1, b+1) {
				sum += 3
			}
		}
	}
	share := 100 * dark / (c.size * c.size)
	return sum + 10*(max(share-50, 50-share)/5)
}

// line is the penalty of one row or column.
func line(size int, dark func(int) bool) int {
	sum, run, last11 := 0, 0, 0
	for i := range size {
		if i > 0 && dark(i) == dark(i-1) {
			run++
		} else {
			run = 1
		}
		switch {
		case run == 5:
			sum += 3
		case run > 5:
			sum++
		}
		last11 = last11<<1&0x7ff | map[bool]int{true: 1}[dark(i)]
		if i >= 10 && (last11 == 0x05d || last11 == 0x5d0) {
			sum += 40
		}
	}
	return sum
}
