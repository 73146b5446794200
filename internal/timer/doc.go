// Package timer calls functions at the times that their annotations say.
//
// A function with the topic cron-function in its annotation topic is called,
// asynchronously and without a body, at each tick of its annotation schedule:
// one or several cron expressions of five fields, separated by ';'.
//
// The next tick of each function lies in the queue as a call that is not due
// yet. So a tick is as durable as any call: if the server was down at the time,
// the call is carried out when it is back, late, and once however many ticks
// were missed. A restart runs no tick twice. A call whose function has another
// schedule by then is dropped.
package timer
