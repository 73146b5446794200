package conf

import (
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// Off is the address of a listener that is not there.
const Off = "off"

// validate notes everything wrong with c.
func (c *Config) validate(ms *fn.Mistakes) {
	validateListen(ms, "listen", c.Listen)
	if !filepath.IsAbs(c.Data) {
		ms.Add("data", "%q is not a folder's absolute path", c.Data)
	}
	validateDomain(ms, c.Domain)
	oneOf(ms, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(ms, "log.format", c.Log.Format, "text", "json")
	for _, u := range c.Auth.Users {
		validateUser(ms, u)
	}
	c.validateGateway(ms)
	c.validateLimits(ms)
	c.validateDefaults(ms)
	c.validatePool(ms)
	c.validateEngine(ms)
	c.validateBuild(ms)
	sizeWithin(ms, "logs.bytes", c.Logs.Bytes, 64<<10, 1<<40)
	within(ms, "calls.records", c.Calls.Records, 0, 10_000_000)
	c.validateAsync(ms)
	c.validateOpenFaaS(ms)
}

func (c *Config) validateGateway(ms *fn.Mistakes) {
	timeWithin(ms, "gateway.headTimeout", c.Gateway.HeadTimeout, 100*time.Millisecond, time.Hour)
	timeWithin(ms, "gateway.idleTimeout", c.Gateway.IdleTimeout, time.Second, 24*time.Hour)
	sizeWithin(ms, "gateway.maxHead", c.Gateway.MaxHead, 4<<10, 1<<20)
	within(ms, "gateway.maxConnections", c.Gateway.MaxConnections, 1, 10_000_000)
	networks(ms, "gateway.trustedProxies", c.Gateway.TrustedProxies)
}

func (c *Config) validateLimits(ms *fn.Mistakes) {
	sizeWithin(ms, "limits.upload", c.Limits.Upload, 1<<10, 1<<40)
	sizeWithin(ms, "limits.unpacked", c.Limits.Unpacked, 1<<10, 1<<40)
	within(ms, "limits.files", c.Limits.Files, 1, 10_000_000)
	timeWithin(ms, "limits.buildTimeout", c.Limits.BuildTimeout, time.Second, 24*time.Hour)
	within(ms, "limits.revisions", c.Limits.Revisions, 2, 1000)
}

// validateDefaults asks the one validator of specs, so that a function that
// says nothing is always valid.
func (c *Config) validateDefaults(ms *fn.Mistakes) {
	for _, m := range fn.MistakesOf(fn.ValidateSpec(fn.Spec{Runtime: "any", Policy: c.Defaults.Policy()})) {
		_, name, found := strings.Cut(m.Field, ".") // limits.memory is defaults.memory here
		if !found {
			name = m.Field
		}
		ms.Add("defaults."+name, "%s", strings.ReplaceAll(m.Reason, "scale.", "defaults."))
	}
}

func (c *Config) validatePool(ms *fn.Mistakes) {
	within(ms, "pool.startsAtOnce", c.Pool.StartsAtOnce, 0, 10_000)
	timeWithin(ms, "pool.reapInterval", c.Pool.ReapInterval, 10*time.Millisecond, time.Minute)
	timeWithin(ms, "pool.drainGrace", c.Pool.DrainGrace, 0, time.Hour)
}

func (c *Config) validateEngine(ms *fn.Mistakes) {
	within(ms, "engine.uidBase", c.Engine.UIDBase, 1000, 1<<31)
	within(ms, "engine.uidCount", c.Engine.UIDCount, 1, 1<<24)
	for _, dir := range c.Engine.Programs {
		absolute(ms, "engine.programs", dir)
	}
	for _, dir := range c.Engine.RuntimeDirs {
		absolute(ms, "engine.runtimeDirs", dir)
	}
	if p, err := netip.ParsePrefix(c.Engine.Subnet); err != nil || !p.Addr().Is4() || p.Bits() > 24 {
		ms.Add("engine.subnet", "%q is not an IPv4 network of at least 256 addresses, such as 10.231.0.0/16", c.Engine.Subnet)
	}
	within(ms, "engine.spares", c.Engine.Spares, 0, 1024)
	networks(ms, "engine.denied", c.Engine.Denied)
}

func (c *Config) validateBuild(ms *fn.Mistakes) {
	for _, name := range c.Build.Env {
		if name == "" || strings.ContainsAny(name, "=\x00 ") || strings.HasPrefix(name, "ROUSE_") {
			ms.Add("build.env", "%q is not the name of a variable builds may see", name)
		}
	}
	within(ms, "build.parallel", c.Build.Parallel, 0, 1024)
	sizeWithin(ms, "build.memory", c.Build.Memory, 64<<20, 1<<40)
	if c.Build.Cache != "" {
		absolute(ms, "build.cache", c.Build.Cache)
	}
}

func (c *Config) validateOpenFaaS(ms *fn.Mistakes) {
	if c.OpenFaaS.MetricsListen != Off && c.OpenFaaS.MetricsListen != "" {
		validateListen(ms, "openfaas.metricsListen", c.OpenFaaS.MetricsListen)
	}
	within(ms, "openfaas.builderInFlight", c.OpenFaaS.BuilderInFlight, 1, 1024)
	if c.OpenFaaS.BuilderSecret != "" {
		absolute(ms, "openfaas.builderSecret", c.OpenFaaS.BuilderSecret)
	}
}

func absolute(ms *fn.Mistakes, field, path string) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		ms.Add(field, "%q is not a clean absolute path", path)
	}
}

func validateListen(ms *fn.Mistakes, field, addr string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		ms.Add(field, "%q is not HOST:PORT, such as 127.0.0.1:8080", addr)
		return
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		ms.Add(field, "the port of %q is not a number from 0 to 65535", addr)
	}
	if host == "" || host == "localhost" {
		return
	}
	if _, err := netip.ParseAddr(host); err != nil {
		ms.Add(field, "%q is not an address; to serve on all write 0.0.0.0 or [::]", host)
	}
}

func validateDomain(ms *fn.Mistakes, domain string) {
	if domain == "" {
		return // no routing by host
	}
	for label := range strings.SplitSeq(domain, ".") {
		if !fn.ValidName(label) {
			ms.Add("domain", "%q is not a domain in lower case, such as fn.example.org", domain)
			return
		}
	}
}

func validateUser(ms *fn.Mistakes, u string) {
	parts := strings.Split(u, ":")
	ok := (len(parts) == 2 || len(parts) == 3) && fn.ValidName(parts[0]) && parts[0] != "admin" &&
		slices.Contains([]string{"read", "write", "admin"}, parts[1]) && (len(parts) == 2 || fn.ValidName(parts[2]))
	if !ok {
		ms.Add("auth.users", "%q is not NAME:ROLE or NAME:ROLE:NAMESPACE with ROLE read, write or admin; the name admin is taken", u)
	}
}

func oneOf(ms *fn.Mistakes, field, got string, allowed ...string) {
	if !slices.Contains(allowed, got) {
		ms.Add(field, "%q is not one of %s", got, strings.Join(allowed, ", "))
	}
}

func within(ms *fn.Mistakes, field string, got, low, high int) {
	if got < low || got > high {
		ms.Add(field, "must be between %d and %d, got %d", low, high, got)
	}
}

func sizeWithin(ms *fn.Mistakes, field string, got, low, high Bytes) {
	if got < low || got > high {
		ms.Add(field, "must be between %v and %v, got %v", low, high, got)
	}
}

func timeWithin(ms *fn.Mistakes, field string, got, low, high time.Duration) {
	if got < low || got > high {
		ms.Add(field, "must be between %v and %v, got %v", low, high, got)
	}
}

func networks(ms *fn.Mistakes, field string, list []string) {
	for _, s := range list {
		if _, err := netip.ParsePrefix(s); err != nil {
			ms.Add(field, "%q is not a network such as 10.0.0.0/8", s)
		}
	}
}
