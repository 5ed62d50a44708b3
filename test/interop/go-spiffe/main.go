// An oracle for tests: answers with go-spiffe, one JSON line for each JSON line, whether a SPIFFE ID, an
// X.509-SVID, a JWT-SVID or a bundle document is valid.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

type question struct {
	ID      *string             `json:"id"`
	Chain   [][]byte            `json:"chain"`
	Bundles map[string][][]byte `json:"bundles"`
	At      int64               `json:"at"`
	// At the present time, with a minute of leeway: it knows no other.
	Token      *string           `json:"token"`
	Audience   string            `json:"audience"`
	JWTBundles map[string]string `json:"jwtBundles"`
	// Of ai.example; answered with its contents.
	Document *string `json:"document"`
}

type answer struct {
	OK          bool   `json:"ok"`
	TrustDomain string `json:"trustDomain"`
	Path        string `json:"path"`
	Message     string `json:"message"`
	Contents    string `json:"contents"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<22)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		var id spiffeid.ID
		var found string
		var err error
		if asked.Document != nil {
			found, err = readDocument(*asked.Document)
		} else {
			id, err = decide(asked)
		}
		given := answer{OK: err == nil, Contents: found}
		if err == nil {
			given.TrustDomain, given.Path = id.TrustDomain().Name(), id.Path()
		} else {
			given.Message = err.Error()
		}
		if err := out.Encode(given); err != nil {
			os.Exit(2)
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func decide(asked question) (spiffeid.ID, error) {
	if asked.ID != nil {
		return spiffeid.FromString(*asked.ID)
	}
	if asked.Token != nil {
		return decideToken(asked)
	}
	chain, err := parse(asked.Chain)
	if err != nil {
		return spiffeid.ID{}, err
	}
	bundles := x509bundle.NewSet()
	for name, ders := range asked.Bundles {
		trustDomain, err := spiffeid.TrustDomainFromString(name)
		if err != nil {
			return spiffeid.ID{}, err
		}
		authorities, err := parse(ders)
		if err != nil {
			return spiffeid.ID{}, err
		}
		bundles.Add(x509bundle.FromX509Authorities(trustDomain, authorities))
	}
	id, _, err := x509svid.Verify(chain, bundles, x509svid.WithTime(time.Unix(asked.At, 0)))
	return id, err
}

func decideToken(asked question) (spiffeid.ID, error) {
	bundles := jwtbundle.NewSet()
	for name, keys := range asked.JWTBundles {
		trustDomain, err := spiffeid.TrustDomainFromString(name)
		if err != nil {
			return spiffeid.ID{}, err
		}
		bundle, err := jwtbundle.Parse(trustDomain, []byte(keys))
		if err != nil {
			return spiffeid.ID{}, err
		}
		bundles.Add(bundle)
	}
	svid, err := jwtsvid.ParseAndValidate(*asked.Token, bundles, []string{asked.Audience})
	if err != nil {
		return spiffeid.ID{}, err
	}
	return svid.ID, nil
}

func parse(ders [][]byte) ([]*x509.Certificate, error) {
	certificates := make([]*x509.Certificate, 0, len(ders))
	for _, der := range ders {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		certificates = append(certificates, certificate)
	}
	return certificates, nil
}
