// A partner made of go-spiffe's federation package: fetches bundles and serves them, one JSON line of answer for each JSON line of question.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/federation"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// One of the two; without an endpoint ID the profile is https_web.
type question struct {
	Fetch *struct {
		TrustDomain string `json:"trustDomain"`
		URL         string `json:"url"`
		EndpointID  string `json:"endpointId"`
		Bundle      string `json:"bundle"`
		Roots       string `json:"roots"`
	} `json:"fetch"`
	Serve *struct {
		TrustDomain string `json:"trustDomain"`
		Bundle      string `json:"bundle"`
		Certificate string `json:"certificate"`
		PrivateKey  string `json:"privateKey"`
		Profile     string `json:"profile"`
	} `json:"serve"`
}

type answer struct {
	Message     string   `json:"message"`
	Authorities []string `json:"authorities"`
	JWTKeyIDs   []string `json:"jwtKeyIds"`
	Sequence    uint64   `json:"sequence"`
	RefreshHint int64    `json:"refreshHint"`
	Port        int      `json:"port"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<22)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		given, err := answer{}, json.Unmarshal(lines.Bytes(), &asked)
		if err == nil {
			given, err = reply(asked)
		}
		if err != nil {
			given.Message = err.Error()
		}
		if err := out.Encode(given); err != nil {
			os.Exit(2)
		}
	}
}

func reply(asked question) (answer, error) {
	switch {
	case asked.Fetch != nil:
		return fetch(asked)
	case asked.Serve != nil:
		return serve(asked)
	default:
		return answer{}, errors.New("nothing is asked")
	}
}

func fetch(asked question) (answer, error) {
	terms := asked.Fetch
	trustDomain, err := spiffeid.TrustDomainFromString(terms.TrustDomain)
	if err != nil {
		return answer{}, err
	}
	option, err := authentication(trustDomain, asked)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	bundle, err := federation.FetchBundle(ctx, trustDomain, terms.URL, option)
	if err != nil {
		return answer{}, err
	}
	given := answer{Authorities: []string{}, JWTKeyIDs: []string{}}
	for _, authority := range bundle.X509Authorities() {
		hash := sha256.Sum256(authority.Raw)
		given.Authorities = append(given.Authorities, hex.EncodeToString(hash[:]))
	}
	for keyID := range bundle.JWTAuthorities() {
		given.JWTKeyIDs = append(given.JWTKeyIDs, keyID)
	}
	given.Sequence, _ = bundle.SequenceNumber()
	hint, _ := bundle.RefreshHint()
	given.RefreshHint = int64(hint / time.Second)
	return given, nil
}

func authentication(trustDomain spiffeid.TrustDomain, asked question) (federation.FetchOption, error) {
	terms := asked.Fetch
	if terms.EndpointID == "" {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(terms.Roots)) {
			return nil, errors.New("no roots")
		}
		return federation.WithWebPKIRoots(roots), nil
	}
	endpointID, err := spiffeid.FromString(terms.EndpointID)
	if err != nil {
		return nil, err
	}
	bundle, err := spiffebundle.Parse(endpointID.TrustDomain(), []byte(terms.Bundle))
	if err != nil {
		return nil, err
	}
	return federation.WithSPIFFEAuth(bundle, endpointID), nil
}

func serve(asked question) (answer, error) {
	terms := asked.Serve
	trustDomain, err := spiffeid.TrustDomainFromString(terms.TrustDomain)
	if err != nil {
		return answer{}, err
	}
	bundle, err := spiffebundle.Parse(trustDomain, []byte(terms.Bundle))
	if err != nil {
		return answer{}, err
	}
	handler, err := federation.NewHandler(trustDomain, bundle)
	if err != nil {
		return answer{}, err
	}
	config, err := serverConfig(terms.Profile, []byte(terms.Certificate), []byte(terms.PrivateKey))
	if err != nil {
		return answer{}, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return answer{}, err
	}
	server := http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         config,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	go func() {
		fmt.Fprintln(os.Stderr, server.ServeTLS(listener, "", ""))
	}()
	return answer{Port: listener.Addr().(*net.TCPAddr).Port}, nil
}

func serverConfig(profile string, certificate, privateKey []byte) (*tls.Config, error) {
	if profile == "https_spiffe" {
		svid, err := x509svid.Parse(certificate, privateKey)
		if err != nil {
			return nil, err
		}
		return tlsconfig.TLSServerConfig(svid), nil
	}
	pair, err := tls.X509KeyPair(certificate, privateKey)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}
