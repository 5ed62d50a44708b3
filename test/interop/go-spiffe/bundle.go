package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"sort"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// What go-spiffe makes of a SPIFFE bundle document.
type contents struct {
	Sequence        *uint64  `json:"sequence"`
	HintSeconds     *int64   `json:"hintSeconds"`
	X509Authorities []string `json:"x509Authorities"`
	// Key ID to the SHA-256 of the SubjectPublicKeyInfo.
	JWTAuthorities map[string]string `json:"jwtAuthorities"`
}

// The contents as JSON.
func readDocument(document string) (string, error) {
	trustDomain, err := spiffeid.TrustDomainFromString("ai.example")
	if err != nil {
		return "", err
	}
	bundle, err := spiffebundle.Parse(trustDomain, []byte(document))
	if err != nil {
		return "", err
	}
	found := contents{X509Authorities: []string{}, JWTAuthorities: map[string]string{}}
	if sequence, ok := bundle.SequenceNumber(); ok {
		found.Sequence = &sequence
	}
	if hint, ok := bundle.RefreshHint(); ok {
		seconds := int64(hint / time.Second)
		found.HintSeconds = &seconds
	}
	for _, authority := range bundle.X509Authorities() {
		found.X509Authorities = append(found.X509Authorities, digest(authority.Raw))
	}
	sort.Strings(found.X509Authorities)
	for keyID, key := range bundle.JWTAuthorities() {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return "", err
		}
		found.JWTAuthorities[keyID] = digest(der)
	}
	text, err := json.Marshal(found)
	return string(text), err
}

func digest(bytes []byte) string {
	sum := sha256.Sum256(bytes)
	return hex.EncodeToString(sum[:])
}
