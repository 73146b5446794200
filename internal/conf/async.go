package conf

import (
	"strconv"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// Async is about calls whose callers do not wait.
type Async struct {
	MaxBody          Bytes         `yaml:"maxBody" doc:"largest body of an asynchronous call"`
	MaxResult        Bytes         `yaml:"maxResult" doc:"largest result a callback gets; what is more is cut off"`
	MaxHeld          Bytes         `yaml:"maxHeld" doc:"bytes of asynchronous calls, results and dead letters kept of one function; further calls of it are refused, those of others are not"`
	AtOnce           int           `yaml:"atOnce" doc:"asynchronous calls in hand at one time; one function gets half of them at most"`
	Attempts         int           `yaml:"attempts" doc:"tries of a call that fails, the first included, before it is put aside"`
	RetryCodes       []string      `yaml:"retryCodes" doc:"statuses of a function after which its call is tried again; what the platform failed always is"`
	MinWait          time.Duration `yaml:"minWait" doc:"time before the second try; doubled for each further one"`
	MaxWait          time.Duration `yaml:"maxWait" doc:"longest time between two tries"`
	Backoff          string        `yaml:"backoff" doc:"how much of the time between tries is left to chance: exponential is none, full all of it, equal half of it"`
	KeepDead         time.Duration `yaml:"keepDead" doc:"time a call that was put aside is kept, from then on; 0 is for ever"`
	CallbackTimeout  time.Duration `yaml:"callbackTimeout" doc:"time a callback may take"`
	CallbackNetworks []string      `yaml:"callbackNetworks" doc:"networks (CIDR) results may be sent to, besides public addresses and this server; link-local addresses never"`
}

func defaultAsync() Async {
	return Async{
		MaxBody: 1 << 20, MaxResult: 10 << 20, MaxHeld: 1 << 30, AtOnce: 256, Attempts: 10,
		RetryCodes: []string{"408", "429", "500", "502", "503", "504"},
		MinWait:    10 * time.Second, MaxWait: 2 * time.Minute, Backoff: "exponential", KeepDead: 30 * 24 * time.Hour, CallbackTimeout: 30 * time.Second,
	}
}

func (c *Config) validateAsync(ms *fn.Mistakes) {
	sizeWithin(ms, "async.maxBody", c.Async.MaxBody, 1<<10, 64<<20)
	sizeWithin(ms, "async.maxResult", c.Async.MaxResult, 1<<10, 64<<20)
	sizeWithin(ms, "async.maxHeld", c.Async.MaxHeld, 1<<20, 1<<50)
	within(ms, "async.atOnce", c.Async.AtOnce, 2, 100_000)
	within(ms, "async.attempts", c.Async.Attempts, 1, 1000)
	for _, text := range c.Async.RetryCodes {
		if n, err := strconv.Atoi(text); err != nil || n < 100 || n > 599 {
			ms.Add("async.retryCodes", "%q is not a status such as 503", text)
		}
	}
	timeWithin(ms, "async.minWait", c.Async.MinWait, 0, 24*time.Hour)
	timeWithin(ms, "async.maxWait", c.Async.MaxWait, 0, 24*time.Hour)
	oneOf(ms, "async.backoff", c.Async.Backoff, "exponential", "full", "equal")
	timeWithin(ms, "async.keepDead", c.Async.KeepDead, 0, 100*365*24*time.Hour)
	timeWithin(ms, "async.callbackTimeout", c.Async.CallbackTimeout, 100*time.Millisecond, time.Hour)
	networks(ms, "async.callbackNetworks", c.Async.CallbackNetworks)
}
