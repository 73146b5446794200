package pack

import "testing"

func TestDockerPatterns(t *testing.T) {
	rules := parseDockerRules("# remark\nnode_modules\n/logs/\n**/*.pyc\nfunction/secret*\ndata\n!data/keep.csv\n")
	for name, want := range map[string]bool{
		"node_modules/a/b.js": true, "function/node_modules/a": false, // patterns are for a place
		"logs/x": true, "a.pyc": true, "x/y/a.pyc": true, "function/secret.txt": true, "secret.txt": false,
		"data/big.csv": true, "data/keep.csv": false, "Dockerfile": false, ".dockerignore": false, ".git": true, "remark": false,
	} {
		if got := rules.ignored(name, false); got != want {
			t.Errorf("%s left out: %v", name, got)
		}
	}
	if rules.ignored("data", true) {
		t.Error("the folder of what is taken back is left out")
	}
	if !parseDockerRules("data").ignored("data", true) {
		t.Error("a folder is looked through for nothing")
	}
}

func TestContextPacksWhatGitWouldNot(t *testing.T) {
	dir := folder(t, map[string]string{".gitignore": "*", "Dockerfile": "FROM x", "handler": "h", "junk": "j", ".dockerignore": "junk\n"})
	a, err := Context(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if a.Files != 4 || a.Ignored != 1 || a.By != dockerIgnoreFile {
		t.Errorf("%d files, %d left out by %q", a.Files, a.Ignored, a.By)
	}
}
