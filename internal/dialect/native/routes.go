package native

import (
	"net/http"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/auth"
)

// route is one row of the table.
type route struct {
	method, path string
	access       auth.Access
	summary      string
	handler
	query []param
}

// param is a query parameter.
type param struct{ name, doc string }

const (
	inNamespace = "/v1/namespaces/{namespace}"
	oneFunction = inNamespace + "/functions/{name}"
	oneSecret   = inNamespace + "/secrets/{secret}"
)

// routes is the whole API. {namespace} and {name} are checked before the
// handler runs; the access is needed in {namespace}, or as auth.Allow says
// where there is none.
func routes() []route {
	labels := []param{{"labels", "only functions with all these labels: a=b,c=d"}}
	return []route{
		{http.MethodGet, "/healthz", auth.Public, "Is the server up?", serveJSON(health), nil},
		{http.MethodGet, "/openapi.json", auth.Public, "This document", serveRaw[none, any](jsonType, document), nil},
		{http.MethodGet, "/metrics", auth.Read, "Counters in the Prometheus text format", serveRaw[none, none]("text/plain", metrics), nil},

		{http.MethodGet, "/v1/info", auth.Read, "Describe the server", serveJSON(info), nil},
		{http.MethodGet, "/v1/runtimes", auth.Read, "List the runtimes", serveJSON(runtimes), nil},
		{http.MethodGet, "/v1/doctor", auth.Read, "What the host gives the server", serveJSON(doctor), nil},
		{http.MethodGet, "/v1/config", auth.Admin, "The configuration in force", serveJSON(config), nil},
		{http.MethodPost, "/v1/backup", auth.Admin, "Stream a consistent copy of all state", serveRaw[none, none](bytesType, backup), nil},
		{http.MethodPost, "/v1/restore", auth.Admin, "Make the state that of a backup, sent as the body", upload(restore),
			[]param{{"replace", "true: remove what is there first"}}},

		{http.MethodGet, "/v1/namespaces", auth.Read, "List the namespaces", serveJSON(listNamespaces), nil},
		{http.MethodPost, "/v1/namespaces", auth.Admin, "Make a namespace", serveJSON(createNamespace).answers(http.StatusCreated), nil},
		{http.MethodPut, inNamespace, auth.Admin, "Replace the labels and annotations of a namespace", serveJSON(updateNamespace), nil},
		{http.MethodDelete, inNamespace, auth.Admin, "Remove an empty namespace", serveJSON(deleteNamespace), nil},

		{http.MethodGet, "/v1/images", auth.Read, "List what references of images stand for", serveJSON(listImages), nil},
		{http.MethodPut, "/v1/images", auth.Admin, "Make a reference stand for a source or a function", serveJSON(setImage), nil},
		{http.MethodDelete, "/v1/images", auth.Admin, "Forget what a reference stands for", serveJSON(removeImage),
			[]param{{"reference", "the reference to forget"}}},

		{http.MethodGet, inNamespace + "/secrets", auth.Read, "List the secrets of a namespace, without their values", serveJSON(listSecrets), nil},
		{http.MethodPost, inNamespace + "/secrets", auth.Write, "Make a secret", serveJSON(createSecret), nil},
		{http.MethodPut, oneSecret, auth.Write, "Give a secret another value", serveJSON(updateSecret), nil},
		{http.MethodDelete, oneSecret, auth.Write, "Remove a secret", serveJSON(removeSecret), nil},

		{http.MethodPost, "/v1/sources", auth.Write, "Upload a source archive (tar.gz)", upload(acceptSource).answers(http.StatusCreated), nil},
		{http.MethodGet, "/v1/sources/{digest}", auth.Write, "Is this source here already?", serveJSON(findSource), nil},

		{http.MethodGet, "/v1/functions", auth.Read, "List the functions of all namespaces", serveJSON(listFunctions), labels},
		{http.MethodGet, inNamespace + "/functions", auth.Read, "List the functions of a namespace", serveJSON(listFunctions), labels},
		{http.MethodGet, oneFunction, auth.Read, "Describe a function", serveJSON(getFunction), nil},
		{http.MethodPut, oneFunction, auth.Write, "Deploy a new revision", serveStream[api.DeployRequest, api.DeployEvent](deploy), nil},
		{http.MethodDelete, oneFunction, auth.Write, "Remove a function", serveJSON(removeFunction), nil},
		{http.MethodPost, oneFunction + "/rollback", auth.Write, "Serve an earlier revision again", serveJSON(rollback), nil},
		{http.MethodPost, oneFunction + "/scale", auth.Write, "Set the number of instances", serveJSON(scale), nil},
		{http.MethodGet, oneFunction + "/revisions", auth.Read, "List the revisions of a function", serveJSON(listRevisions), nil},
		{http.MethodGet, oneFunction + "/instances", auth.Read, "List the instances of a function", serveJSON(listInstances), nil},
		{http.MethodGet, oneFunction + "/build", auth.Read, "What the last build of a function printed, whether it worked or not",
			serveRaw[none, none]("text/plain", buildOutput), nil},
		{http.MethodGet, oneFunction + "/logs", auth.Read, "What a function printed", serveStream[none, api.LogEvent](logs), []param{
			{"follow", "true: go on with new lines"},
			{"since", "only lines after this time (RFC 3339) or age (10m)"},
			{"tail", "at most this many of the lines there are"},
			{"call", "only lines of this call id"},
		}},
	}
}
