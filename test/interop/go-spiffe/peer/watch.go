package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/status"
)

type svid struct {
	ID       string `json:"id"`
	Hint     string `json:"hint"`
	Serial   string `json:"serial"`
	NotAfter string `json:"notAfter"`
	// Whether the private key is that of the leaf.
	KeyMatches bool `json:"keyMatches"`
}

type change struct {
	Event string `json:"event"`
	SVIDs []svid `json:"svids,omitempty"`
	// SHA-256 of every X.509 authority, or the key ID of every JWT authority, by trust domain.
	Bundles map[string][]string `json:"bundles,omitempty"`
	// Of gRPC.
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

type watcher struct{}

// Reports what both streams of the Workload API say, for ever.
func watch(ctx context.Context, socket workloadapi.ClientOption) error {
	client, err := workloadapi.New(ctx, socket)
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- client.WatchX509Context(ctx, watcher{}) }()
	go func() { ended <- client.WatchJWTBundles(ctx, watcher{}) }()
	return <-ended
}

func (watcher) OnX509ContextUpdate(update *workloadapi.X509Context) {
	seen := change{Event: "x509", Bundles: map[string][]string{}}
	for _, given := range update.SVIDs {
		leaf := given.Certificates[0]
		key, isEC := leaf.PublicKey.(*ecdsa.PublicKey)
		seen.SVIDs = append(seen.SVIDs, svid{
			ID:         given.ID.String(),
			Hint:       given.Hint,
			Serial:     leaf.SerialNumber.Text(16),
			NotAfter:   leaf.NotAfter.UTC().Format(time.RFC3339),
			KeyMatches: isEC && key.Equal(given.PrivateKey.Public()),
		})
	}
	for _, bundle := range update.Bundles.Bundles() {
		digests := []string{}
		for _, authority := range bundle.X509Authorities() {
			digest := sha256.Sum256(authority.Raw)
			digests = append(digests, hex.EncodeToString(digest[:]))
		}
		seen.Bundles[bundle.TrustDomain().Name()] = digests
	}
	report(seen)
}

func (watcher) OnX509ContextWatchError(err error) {
	report(change{Event: "x509-error", Code: status.Code(err).String(), Message: err.Error()})
}

func (watcher) OnJWTBundlesUpdate(update *jwtbundle.Set) {
	seen := change{Event: "jwt-bundles", Bundles: map[string][]string{}}
	for _, bundle := range update.Bundles() {
		keyIDs := []string{}
		for keyID := range bundle.JWTAuthorities() {
			keyIDs = append(keyIDs, keyID)
		}
		seen.Bundles[bundle.TrustDomain().Name()] = keyIDs
	}
	report(seen)
}

func (watcher) OnJWTBundlesWatchError(err error) {
	report(change{Event: "jwt-bundles-error", Code: status.Code(err).String(), Message: err.Error()})
}
