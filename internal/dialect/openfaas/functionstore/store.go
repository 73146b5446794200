package functionstore

import (
	"encoding/json"
	"net/http"
	"strings"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/bundles"
)

// Paths of what is served.
const (
	ListPath  = "/store.json"
	iconsPath = "/store/icons/"
)

// Patterns are those of net/http.ServeMux that Handler answers.
var Patterns = []string{ListPath, iconsPath}

// platforms are the names faas-cli chooses images by. Sources are built where
// they are deployed, so there is one reference for all.
var platforms = []string{"x86_64", "arm64", "armhf"}

// Handler answers GET of the list and of the icons.
func Handler(functions []bundles.Function) http.Handler {
	icons := map[string][]byte{}
	for _, f := range functions {
		icons[f.Name+".svg"] = f.Icon
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+ListPath, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(list(functions, base(r))) // fails only if the caller has left
	})
	mux.HandleFunc("GET "+iconsPath+"{name}", func(w http.ResponseWriter, r *http.Request) {
		icon, ok := icons[r.PathValue("name")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "image/svg+xml")
		h.Set("Content-Security-Policy", "default-src 'none'") // a picture, even when it is opened alone
		h.Set("Cache-Control", "public, max-age=3600")
		_, _ = w.Write(icon) // fails only if the caller has left
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

// base is the address a request came to.
func base(r *http.Request) string {
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func list(functions []bundles.Function, base string) api.Store {
	out := api.Store{Version: "0.2.0", Functions: make([]api.StoreFunction, 0, len(functions))}
	for _, f := range functions {
		images := map[string]string{}
		for _, p := range platforms {
			images[p] = f.Image
		}
		out.Functions = append(out.Functions, api.StoreFunction{
			Title: f.Title, Name: f.Name, Description: f.Description, Author: bundles.Author,
			Icon: base + iconsPath + f.Name + ".svg", Images: images, Repository: "https://" + bundles.Repository + "/" + f.Name,
		})
	}
	return out
}
