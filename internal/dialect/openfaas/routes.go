package openfaas

import (
	"net/http"

	"rouse.dev/rouse/internal/auth"
)

// route is one row of the table.
type route struct {
	method, path string
	access       auth.Access
	action       string // what OpenFaaS's policies call it
	serve        func(*call) error
}

const (
	functionsPath  = "/system/functions"
	functionPath   = "/system/function/{name}"
	scalePath      = "/system/scale-function/{name}"
	secretsPath    = "/system/secrets"
	namespacesPath = "/system/namespaces"
	namespacePath  = "/system/namespace/{namespace}"
)

// routes is the whole API. The access is needed in {namespace}; where there is
// none, in at least one namespace before the handler runs, and in the one it is
// about by call.enter.
func routes() []route {
	table := []route{
		{http.MethodGet, functionsPath, auth.Read, "Function:List", listFunctions},
		{http.MethodPost, functionsPath, auth.Write, "Function:Create", createFunction},
		{http.MethodPut, functionsPath, auth.Write, "Function:Update", updateFunction},
		{http.MethodDelete, functionsPath, auth.Write, "Function:Delete", removeFunction},
		{http.MethodGet, functionPath, auth.Read, "Function:Get", getFunction},
		{http.MethodPost, scalePath, auth.Write, "Function:Scale", scaleFunction},
		{http.MethodGet, "/system/logs", auth.Read, "Function:Logs", logs},
		{http.MethodPost, "/system/alert", auth.Write, "Function:Scale", alert},

		{http.MethodGet, secretsPath, auth.Read, "Secret:List", listSecrets},
		{http.MethodPost, secretsPath, auth.Write, "Secret:Create", createSecret},
		{http.MethodPut, secretsPath, auth.Write, "Secret:Update", updateSecret},
		{http.MethodDelete, secretsPath, auth.Write, "Secret:Delete", removeSecret},

		{http.MethodGet, namespacesPath, auth.Read, "Namespace:List", listNamespaces},
		{http.MethodGet, "/system/namespace/{$}", auth.Read, "Namespace:Get", unnamed},
		{http.MethodPost, "/system/namespace/{$}", auth.Admin, "Namespace:Create", createNamespace},
		{http.MethodPost, "/system/namespace", auth.Admin, "Namespace:Create", createNamespace},

		{http.MethodGet, "/system/info", auth.Read, "System:Info", info},
		{http.MethodGet, "/system/telemetry", auth.Read, "System:Info", telemetry},
		{http.MethodGet, "/healthz", auth.Public, "", health},
		{http.MethodGet, "/metrics", auth.Public, "", metrics},
		{http.MethodGet, "/ui/", auth.Read, "System:Info", page},
		{http.MethodGet, "/{$}", auth.Public, "", toPage},
	}
	for _, path := range []string{namespacePath, namespacesPath + "/{namespace}"} { // both are documented
		table = append(table,
			route{http.MethodGet, path, auth.Read, "Namespace:Get", getNamespace},
			route{http.MethodPut, path, auth.Admin, "Namespace:Update", updateNamespace},
			route{http.MethodDelete, path, auth.Admin, "Namespace:Delete", deleteNamespace})
	}
	return table
}
