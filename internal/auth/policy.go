package auth

// Access is what a request needs.
type Access uint8

// What requests need, least first.
const (
	Public Access = iota // anyone, without an account
	Read                 // look at things
	Write                // deploy, scale, remove functions
	Admin                // change namespaces, see the configuration, back up
)

func (a Access) String() string { return [...]string{"public", "read", "write", "admin"}[a] }

// Role is what an account may do, least first.
type Role uint8

// The roles; each may do all that those before it may.
const (
	None Role = iota
	Reader
	Deployer
	Administrator
)

func (r Role) String() string { return [...]string{"none", "read", "write", "admin"}[r] }

// Grant gives a role in one namespace, or in all if Namespace is empty.
type Grant struct {
	Role      Role
	Namespace string
}

// Identity is who asks. The zero value is a stranger.
type Identity struct {
	Name   string
	Grants []Grant
}

// Allow is the one policy check. An empty namespace means the request is
// about no single one: reading and uploading then need the role in any
// namespace (what is listed is checked again for each item), administration
// needs it in all.
func Allow(id Identity, access Access, namespace string) bool {
	if access == Public {
		return true
	}
	for _, g := range id.Grants {
		if uint8(g.Role) < uint8(access) {
			continue
		}
		switch {
		case g.Namespace == "", g.Namespace == namespace:
			return true
		case namespace == "" && access != Admin:
			return true
		}
	}
	return false
}
