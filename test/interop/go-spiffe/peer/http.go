package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

type request struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Token  string `json:"token"`
	Body   string `json:"body"`
	// Over a connection that no earlier request has used.
	Fresh bool `json:"fresh"`
}

type response struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
	// The SPIFFE ID of the server.
	Peer string `json:"peer"`
	// Whether the connection was that of an earlier request.
	Reused bool   `json:"reused"`
	Error  string `json:"error"`
}

// Connects with whatever X509Source gives at that moment, to nobody but the server with the ID of the third argument.
func runClient(ctx context.Context, socket workloadapi.ClientOption) error {
	source, expected, err := connect(ctx, socket)
	if err != nil {
		return err
	}
	defer source.Close()
	transport := &http.Transport{TLSClientConfig: tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(expected))}
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	report(map[string]string{"ready": expected.String()})
	return answerEach(func(order request) any {
		if order.Fresh {
			transport.CloseIdleConnections()
		}
		return send(ctx, client, order)
	})
}

func send(ctx context.Context, client *http.Client, order request) response {
	var got response
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { got.Reused = info.Reused }}
	method := order.Method
	if method == "" {
		method = http.MethodGet
	}
	asked, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), method, order.URL, strings.NewReader(order.Body))
	if err != nil {
		return response{Error: err.Error()}
	}
	if order.Token != "" {
		asked.Header.Set("Authorization", "Bearer "+order.Token)
	}
	answered, err := client.Do(asked)
	if err != nil {
		return response{Error: err.Error(), Reused: got.Reused}
	}
	defer answered.Body.Close()
	body, err := io.ReadAll(answered.Body)
	if err != nil {
		got.Error = err.Error()
	}
	got.Status, got.Body = answered.StatusCode, string(body)
	if id, err := x509svid.IDFromCert(answered.TLS.PeerCertificates[0]); err == nil {
		got.Peer = id.String()
	}
	return got
}

// Serves the ID of whoever calls, to nobody but the client with the ID of the third argument.
func runServer(ctx context.Context, socket workloadapi.ClientOption) error {
	source, expected, err := connect(ctx, socket)
	if err != nil {
		return err
	}
	defer source.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	report(map[string]string{"listening": listener.Addr().String()})
	server := &http.Server{
		TLSConfig: tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeID(expected)),
		ErrorLog:  log.New(os.Stderr, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id, err := x509svid.IDFromCert(r.TLS.PeerCertificates[0])
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			fail(json.NewEncoder(w).Encode(map[string]string{"peer": id.String(), "path": r.URL.Path}))
		}),
	}
	return server.ServeTLS(listener, "", "")
}

func connect(ctx context.Context, socket workloadapi.ClientOption) (*workloadapi.X509Source, spiffeid.ID, error) {
	if len(os.Args) != 4 {
		return nil, spiffeid.ID{}, fmt.Errorf("the SPIFFE ID of the other side is missing")
	}
	expected, err := spiffeid.FromString(os.Args[3])
	if err != nil {
		return nil, spiffeid.ID{}, err
	}
	limited, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	source, err := workloadapi.NewX509Source(limited, workloadapi.WithClientOptions(socket))
	return source, expected, err
}
