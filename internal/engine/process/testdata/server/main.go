// Command server is a program of the tests: it answers on the socket it
// inherits, else on $PORT, and ends cleanly at SIGTERM.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	l, err := listen()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "hello from %d", os.Getuid())
	})}
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	_ = srv.Serve(l)
}

func listen() (net.Listener, error) {
	// Without a process namespace the pid is not known in advance.
	pid := os.Getenv("LISTEN_PID")
	if os.Getenv("LISTEN_FDS") == "1" && (pid == "" || pid == fmt.Sprint(os.Getpid())) {
		return net.FileListener(os.NewFile(3, "http"))
	}
	return net.Listen("tcp", ":"+os.Getenv("PORT"))
}
