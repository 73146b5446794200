package view

import (
	"errors"
	"sync"
)

// Cache keeps a view for each content of /etc/resolv.conf, and makes a new
// one when /etc of the host has changed.
type Cache struct {
	config     Config
	mountPoint string

	mu    sync.Mutex
	views map[string]*cached // guarded by mu
}

type cached struct {
	view *View
	uses int // guarded by Cache.mu
}

// maxCached is how many unused views are kept.
const maxCached = 8

// NewCache makes an empty cache; mountPoint is as for Build.
func NewCache(c Config, mountPoint string) *Cache {
	return &Cache{config: c, mountPoint: mountPoint, views: map[string]*cached{}}
}

// Get returns a view and a function to give it back.
func (c *Cache) Get(resolv []byte) (*View, func(), error) {
	key := c.config.fingerprint() + "\x00" + string(resolv)
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.views[key]
	if e == nil {
		v, err := Build(c.config, c.mountPoint, resolv)
		if err != nil {
			return nil, nil, err
		}
		c.evictLocked()
		e = &cached{view: v}
		c.views[key] = e
	}
	e.uses++
	return e.view, func() {
		c.mu.Lock()
		e.uses--
		c.mu.Unlock()
	}, nil
}

func (c *Cache) evictLocked() {
	for key, e := range c.views {
		if len(c.views) < maxCached {
			return
		}
		if e.uses == 0 {
			_ = e.view.Close()
			delete(c.views, key)
		}
	}
}

// Close gives all views up.
func (c *Cache) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for key, e := range c.views {
		errs = append(errs, e.view.Close())
		delete(c.views, key)
	}
	return errors.Join(errs...)
}
