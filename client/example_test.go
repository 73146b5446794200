package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/dialect/native/nativetest"
)

// dial starts a server in memory and returns a client of it. A program would
// say client.New("http://127.0.0.1:8080", client.WithPassword("admin", …)).
func dial() (*client.Client, func()) {
	dir, err := os.MkdirTemp("", "rouse-example")
	if err != nil {
		log.Fatal(err)
	}
	s, err := nativetest.Start(dir)
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.New(s.URL, client.WithPassword("admin", s.Password))
	if err != nil {
		log.Fatal(err)
	}
	return c, func() { c.Close(); s.Close(); os.RemoveAll(dir) }
}

// hello deploys a function of that name.
func hello(ctx context.Context, c *client.Client) {
	digest, err := c.UploadSource(ctx, strings.NewReader("a tar.gz of the source"))
	if err != nil {
		log.Fatal(err)
	}
	req := api.DeployRequest{Source: digest, Spec: api.Spec{Runtime: "python"}}
	if _, err := c.Deploy(ctx, client.Ref{Name: "hello"}, req, nil); err != nil {
		log.Fatal(err)
	}
}

func ExampleClient_Deploy() {
	c, stop := dial()
	defer stop()
	ctx := context.Background()

	digest, err := c.UploadSource(ctx, strings.NewReader("a tar.gz of the source"))
	if err != nil {
		log.Fatal(err)
	}
	f, err := c.Deploy(ctx, client.Ref{Name: "hello"}, api.DeployRequest{
		Source: digest,
		Spec:   api.Spec{Runtime: "python", Limits: api.Limits{Memory: "64Mi"}},
	}, func(e api.DeployEvent) {
		if e.Done {
			fmt.Println(e.Step, "done")
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(f.Name, "revision", f.Traffic[0].Revision, "is", f.Status.State)
	// Output:
	// build done
	// start done
	// hello revision 1 is ready
}

func ExampleClient_Invoke() {
	c, stop := dial()
	defer stop()
	ctx := context.Background()
	hello(ctx, c)

	resp, err := c.Invoke(ctx, client.Ref{Name: "hello"}, client.Call{Body: strings.NewReader("to be echoed")})
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, string(body))
	// Output: 200 to be echoed
}

// An error the server tells is an *api.Error.
func ExampleClient_Invoke_error() {
	c, stop := dial()
	defer stop()

	_, err := c.Invoke(context.Background(), client.Ref{Name: "nobody"}, client.Call{})
	if e, ok := errors.AsType[*api.Error](err); ok {
		fmt.Println(e.Kind, e.Cause)
		fmt.Println(e.Hint)
	}
	// Output:
	// not-found no-such-function
	// rouse list shows those there are
}

func ExampleClient_Logs() {
	c, stop := dial()
	defer stop()
	ctx := context.Background()
	hello(ctx, c)
	resp, err := c.Invoke(ctx, client.Ref{Name: "hello"}, client.Call{Path: "items/1"})
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()

	for line, err := range c.Logs(ctx, client.Ref{Name: "hello"}, client.LogOptions{Call: resp.Header.Get("X-Call-Id")}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(line.Stream, line.Text)
	}
	// Output: stdout GET /items/1
}

func ExampleClient_Functions() {
	c, stop := dial()
	defer stop()
	ctx := context.Background()
	hello(ctx, c)

	functions, err := c.Functions(ctx, client.ListOptions{Namespace: "default"})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range functions {
		fmt.Println(f.Namespace, f.Name, f.Spec.Runtime, f.Spec.Limits.Timeout)
	}
	// Output: default hello python 1m
}

func ExampleClient_Scale() {
	c, stop := dial()
	defer stop()
	ctx := context.Background()
	hello(ctx, c)

	f, err := c.Scale(ctx, client.Ref{Name: "hello"}, new(3))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(f.Status.Replicas.Ready)
	// Output: 3
}

func ExampleClient_Backup() {
	c, stop := dial()
	defer stop()
	ctx := context.Background()
	hello(ctx, c)

	var backup bytes.Buffer
	if _, err := c.Backup(ctx, &backup); err != nil {
		log.Fatal(err)
	}
	info, err := c.Restore(ctx, &backup, true)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Functions, "function")
	// Output: 1 function
}
