package cgroup

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMounts(t *testing.T) {
	for name, tc := range map[string]struct {
		info, self string
		want       []mount
	}{
		"hybrid": {
			info: "24 1 0:22 / /proc rw - proc proc rw\n" +
				"30 24 0:26 / /sys/fs/cgroup/memory rw,relatime shared:5 - cgroup cgroup rw,memory\n" +
				"31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
				"32 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			self: "4:memory:/user/a\n2:cpu,cpuacct:/\n1:name=systemd:/x\n0::/init.scope\n",
			want: []mount{
				{dir: "/sys/fs/cgroup/memory", own: "user/a", controllers: []string{"rw", "memory"}},
				{dir: "/sys/fs/cgroup/cpu,cpuacct", own: ".", controllers: []string{"rw", "cpu", "cpuacct"}},
				{dir: "/sys/fs/cgroup/unified", own: "init.scope", v2: true},
			},
		},
		"unified, in a container that sees its own part": {
			info: `40 30 0:28 /docker/abc /sys/fs/cgroup\040x rw - cgroup2 cgroup rw,nsdelegate` + "\n",
			self: "0::/docker/abc/child\n",
			want: []mount{{dir: "/sys/fs/cgroup x", own: "child", v2: true}},
		},
		"own group outside what is mounted": {
			info: "40 30 0:28 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
			self: "0::/other\n",
			want: []mount{{dir: "/sys/fs/cgroup", v2: true}},
		},
		"rubbish": {info: "a b c\n - cgroup\n\n1 2 3 4 5 - cgroup\n", self: "::\nx\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := parseMounts(tc.info, tc.self)
			if d := cmp.Diff(tc.want, got, cmp.AllowUnexported(mount{})); d != "" {
				t.Error(d)
			}
		})
	}
}

func FuzzParseMounts(f *testing.F) {
	f.Add("30 24 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", "4:memory:/user/a\n")
	f.Fuzz(func(t *testing.T, info, self string) {
		for _, m := range parseMounts(info, self) {
			if len(m.own) > 1 && m.own[:2] == ".." {
				t.Errorf("own group %q leads out of the mount", m.own)
			}
		}
	})
}
