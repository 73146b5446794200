package steps

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/build"
	"rouse.dev/rouse/internal/manifest"
	"rouse.dev/rouse/internal/watchdog"
)

// watchdogEnv makes this test binary be the platform's own in an instance.
const watchdogEnv = "ROUSE_TEST_WATCHDOG"

func TestMain(m *testing.M) {
	if os.Getenv(watchdogEnv) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := watchdog.Run(ctx, watchdog.Config{Command: os.Args[3:]}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const examplesDir = "../../../examples"

// examples reads examples/rouse.yaml.
func examples(t *testing.T) map[string]manifest.Function {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(examplesDir, manifest.FileName))
	if err != nil {
		t.Fatal(err)
	}
	list, err := manifest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]manifest.Function{}
	for _, f := range list {
		out[f.Name] = f
	}
	return out
}

func TestExamplesAreTheSameAloneAndTogether(t *testing.T) {
	all := examples(t)
	if got, want := slices.Sorted(maps.Keys(all)), []string{"clock", "csv2json", "fib", "markdown", "thumbnail", "wordcount"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for name, f := range all {
		text, err := os.ReadFile(filepath.Join(examplesDir, f.Source, manifest.FileName))
		if err != nil {
			t.Fatal(err)
		}
		alone, err := manifest.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		alone[0].Source, alone[0].Line = f.Source, f.Line
		if diff := cmp.Diff([]manifest.Function{f}, alone); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if inputs, _ := filepath.Glob(filepath.Join(examplesDir, f.Source, "input.*")); len(inputs) != 1 {
			t.Errorf("%s has the inputs %v", name, inputs)
		}
	}
}

func exampleRequest(t *testing.T, name string) build.Request {
	t.Helper()
	f, ok := examples(t)[name]
	if !ok {
		t.Fatalf("no example %s", name)
	}
	return request(t, filepath.Join(examplesDir, f.Source), f.Spec)
}

func TestExampleFib(t *testing.T) {
	b := newBuilder(t, nil)
	need(t, b, "go")
	_, c := serve(t, b, exampleRequest(t, "fib"))
	for in, want := range map[string]string{"10": "55\n", "0": "0\n", "90": "2880067194370816120\n"} {
		if res, text, err := fetch(t, c, "POST", "/", strings.NewReader(in)); res.StatusCode != 200 || text != want || err != nil {
			t.Errorf("%s: got %d %q, %v", in, res.StatusCode, text, err)
		}
	}
	if res, text, _ := fetch(t, c, "POST", "/", strings.NewReader("ten")); res.StatusCode != 400 || !strings.Contains(text, "send a number") {
		t.Errorf("got %d %q", res.StatusCode, text)
	}
}

func TestExampleWordcount(t *testing.T) {
	b := newBuilder(t, nil)
	need(t, b, "bash")
	_, c := serve(t, b, exampleRequest(t, "wordcount"))
	input, err := os.ReadFile(filepath.Join(examplesDir, "wordcount/input.txt"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, err := fetch(t, c, "POST", "/?top=3", strings.NewReader(string(input)))
	if want := "lines 2\nwords 17\nbytes 82\nthe 4\ndog 2\nfox 2\n"; text != want || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	if _, text, err := fetch(t, c, "GET", "/", nil); text != "lines 0\nwords 0\nbytes 0\n" || err != nil {
		t.Errorf("nothing: got %q, %v", text, err)
	}
}

func TestExampleClockStreams(t *testing.T) {
	b := newBuilder(t, nil)
	need(t, b, "python")
	i, c := serve(t, b, exampleRequest(t, "clock"))
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://f/?every=0.01", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("got %v", res.Header)
	}
	lines := bufio.NewReader(res.Body)
	for n := range 3 {
		var event strings.Builder
		for range 4 {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			event.WriteString(line)
		}
		if !strings.HasPrefix(event.String(), fmt.Sprintf("id: %d\nevent: tick\ndata: 2", n)) {
			t.Errorf("got %q", event.String())
		}
	}
	res.Body.Close()
	if err := i.output.until(t.Context(), "the clock stopped"); err != nil { // the generator is closed when the caller leaves
		t.Error(err)
	}
	if _, text, err := fetch(t, c, "GET", "/?ticks=2&every=0.01", nil); strings.Count(text, "event: tick") != 2 || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestExampleCSVStreams(t *testing.T) {
	b := newBuilder(t, nil)
	need(t, b, "ruby")
	_, c := serve(t, b, exampleRequest(t, "csv2json"))
	input, err := os.ReadFile(filepath.Join(examplesDir, "csv2json/input.csv"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"Ada","city":"London","note":"likes \"engines\", and tea"}` + "\n" +
		`{"name":"Grace","city":"New York","note":"two\nlines"}` + "\n" +
		`{"name":"Linus","city":"","note":""}` + "\n"
	if _, text, err := fetch(t, c, "POST", "/", strings.NewReader(string(input))); text != want || err != nil {
		t.Errorf("got %s, %v", text, err)
	}
	if _, text, _ := fetch(t, c, "POST", "/?separator=%3B", strings.NewReader("a;b\r\n1;2;3\r\n")); text != `{"a":"1","b":"2","column3":"3"}`+"\n" {
		t.Errorf("got %s", text)
	}
	const rows = 200_000
	body := strings.NewReader("n\n" + strings.Repeat("12345\n", rows))
	if _, text, err := fetch(t, c, "POST", "/", struct{ *strings.Reader }{body}); strings.Count(text, "\n") != rows || err != nil {
		t.Errorf("%d rows, %v", strings.Count(text, "\n"), err)
	}
}
