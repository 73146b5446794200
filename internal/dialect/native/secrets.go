package native

import (
	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/fn"
)

func listSecrets(c *call, _ none) (api.SecretList, error) {
	all, err := c.Control.Secrets(c.r.Context(), c.ref.Namespace)
	out := api.SecretList{Secrets: make([]api.Secret, 0, len(all))}
	for _, s := range all {
		out.Secrets = append(out.Secrets, api.Secret{Name: s.Name, Namespace: s.Namespace, Created: s.Created, Updated: s.Updated})
	}
	return out, err
}

func createSecret(c *call, req api.NewSecret) (none, error) {
	if err := checkSecret("name", req.Name, req.Value); err != nil {
		return none{}, err
	}
	return none{}, c.Control.CreateSecret(c.r.Context(), c.ref.Namespace, req.Name, req.Value)
}

func updateSecret(c *call, req api.SecretValue) (none, error) {
	name := c.r.PathValue("secret")
	if err := checkSecret("secret", name, req.Value); err != nil {
		return none{}, err
	}
	return none{}, c.Control.UpdateSecret(c.r.Context(), c.ref.Namespace, name, req.Value)
}

func removeSecret(c *call, _ none) (none, error) {
	name := c.r.PathValue("secret")
	if err := fn.ValidateSecretName("secret", name); err != nil {
		return none{}, err
	}
	return none{}, c.Control.RemoveSecret(c.r.Context(), c.ref.Namespace, name)
}

// checkSecret judges the form of a request. A value that was left out is not
// an empty one: nobody means to empty a secret by leaving something out.
func checkSecret(field, name string, value []byte) error {
	var ms fn.Mistakes
	if err := fn.ValidateSecretName(field, name); err != nil {
		ms = append(ms, err)
	}
	if value == nil {
		ms.Add("value", "is missing: send it as base64")
	}
	return ms.Err()
}
