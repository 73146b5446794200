package gateway

import (
	"rouse.dev/rouse/internal/wire"
)

// origin is what we know of the client ourselves.
type origin struct {
	peer    []byte // address in text form; empty if it has none
	scheme  string // "http" or "https"
	trusted bool   // a listed proxy: its X-Forwarded-* are believed
}

// reserved tells fields that only the platform may set. A '_' counts as '-':
// CGI-like runtimes cannot tell them apart.
type reserved uint8

const (
	notReserved reserved = iota
	forwardedFor
	forwardedHost
	forwardedProto
	otherReserved // X-Forwarded-anything, X-Real-Ip, X-Rouse-*, X-Call-Id, X-Start-Time
)

func reservation(name []byte) reserved {
	if len(name) < 8 || name[0]|0x20 != 'x' {
		return notReserved
	}
	var low [20]byte
	n := 0
	for _, c := range name[:min(len(name), len(low))] {
		switch {
		case c == '_':
			c = '-'
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		}
		low[n] = c
		n++
	}
	is := func(s string) bool { return len(name) == len(s) && string(low[:n]) == s }
	starts := func(s string) bool { return n >= len(s) && string(low[:len(s)]) == s }
	switch {
	case is("x-forwarded-for"):
		return forwardedFor
	case is("x-forwarded-host"):
		return forwardedHost
	case is("x-forwarded-proto"):
		return forwardedProto
	case starts("x-forwarded-"), starts("x-rouse-"), is(callIDField), is(startTimeField), is("x-real-ip"):
		return otherReserved
	}
	return notReserved
}

// appendRequest appends the head the instance gets.
func (x *call) appendRequest(b []byte) []byte {
	r := &x.req
	b = append(b, r.Method...)
	b = append(b, ' ')
	if p := x.target.path; len(p) == 0 || p[0] != '/' {
		b = append(b, '/')
	}
	b = append(b, x.target.path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, r.Host...)
	b = append(b, "\r\n"...)
	var before forwarded
	for i := range r.Fields {
		f := &r.Fields[i]
		switch f.ID {
		case wire.Other, wire.Date, wire.Trailer:
			if kind := reservation(f.Name); kind != notReserved {
				before.note(kind, f.Value)
				continue
			}
			if !r.Hop(f) {
				b = wire.AppendField(b, f.Name, f.Value)
			}
		}
	}
	b = x.appendFraming(b)
	b = x.appendForwarded(b, &before)
	if x.entry.Timeout > 0 {
		b = append(b, "X-Rouse-Deadline: "...)
		b = wire.AppendInt(b, x.inv.Began.Add(x.entry.Timeout).UnixMilli())
		b = append(b, "\r\n"...)
	}
	b = x.appendIdentity(b)
	return append(b, "\r\n"...)
}

// appendFraming appends the fields that concern the one connection.
func (x *call) appendFraming(b []byte) []byte {
	r := &x.req
	switch {
	case r.Framing == wire.Chunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case r.Length >= 0:
		b = append(b, "Content-Length: "...)
		b = wire.AppendInt(b, r.Length)
		b = append(b, "\r\n"...)
	}
	if r.Trailers {
		b = append(b, "TE: trailers\r\n"...)
	}
	if x.upgrade {
		b = append(b, "Connection: Upgrade\r\nUpgrade: "...)
		b = append(b, r.Upgrade...)
		b = append(b, "\r\n"...)
	}
	return b
}

// forwarded is what proxies before us said: all addresses, the last host and
// scheme.
type forwarded struct{ client, host, proto []byte }

func (f *forwarded) note(kind reserved, v []byte) {
	switch kind {
	case forwardedFor:
		if len(f.client) > 0 {
			v = append(append(f.client[:len(f.client):len(f.client)], ", "...), v...)
		}
		f.client = v
	case forwardedHost:
		f.host = v
	case forwardedProto:
		f.proto = v
	}
}

// appendForwarded appends the X-Forwarded-* fields.
func (x *call) appendForwarded(b []byte, before *forwarded) []byte {
	o := x.client.origin()
	if !o.trusted {
		*before = forwarded{}
	}
	if len(o.peer) > 0 || len(before.client) > 0 {
		b = append(b, "X-Forwarded-For: "...)
		if b = append(b, before.client...); len(before.client) > 0 && len(o.peer) > 0 {
			b = append(b, ", "...)
		}
		b = append(b, o.peer...)
		b = append(b, "\r\n"...)
	}
	host := before.host
	if len(host) == 0 {
		host = x.req.Host
	}
	if len(host) > 0 {
		b = append(b, "X-Forwarded-Host: "...)
		b = append(b, host...)
		b = append(b, "\r\n"...)
	}
	b = append(b, "X-Forwarded-Proto: "...)
	if len(before.proto) > 0 {
		b = append(b, before.proto...)
	} else {
		b = append(b, o.scheme...)
	}
	return append(b, "\r\n"...)
}
