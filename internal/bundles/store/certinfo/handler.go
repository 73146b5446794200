// Package function describes certificates sent as PEM.
package function

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"time"
)

// Certificate is what is told of each.
type Certificate struct {
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	Serial      string    `json:"serial"`
	Names       []string  `json:"names,omitempty"`
	Key         string    `json:"key"`
	Signature   string    `json:"signature"`
	Authority   bool      `json:"authority"`
	NotBefore   time.Time `json:"notBefore"`
	NotAfter    time.Time `json:"notAfter"`
	Days        int       `json:"days"` // until it ends; negative: since
	Fingerprint string    `json:"fingerprint"`
}

// mistake is an error of the caller's.
type mistake string

func (m mistake) Error() string   { return string(m) }
func (m mistake) StatusCode() int { return http.StatusBadRequest }

// Handle reads every certificate of the body.
func Handle(body []byte) ([]Certificate, error) {
	out := []Certificate{}
	for {
		var block *pem.Block
		if block, body = pem.Decode(body); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, mistake("this is no certificate: " + err.Error())
		}
		out = append(out, describe(cert))
	}
	if len(out) == 0 {
		return nil, mistake("send certificates in PEM form, from -----BEGIN CERTIFICATE----- on")
	}
	return out, nil
}

func describe(c *x509.Certificate) Certificate {
	sum := sha256.Sum256(c.Raw)
	names := c.DNSNames
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return Certificate{
		Subject: c.Subject.String(), Issuer: c.Issuer.String(), Serial: c.SerialNumber.Text(16), Names: names,
		Key: key(c.PublicKey), Signature: c.SignatureAlgorithm.String(), Authority: c.IsCA,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, Days: int(time.Until(c.NotAfter).Hours() / 24),
		Fingerprint: hex.EncodeToString(sum[:]),
	}
}

func key(public any) string {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "unknown"
}
