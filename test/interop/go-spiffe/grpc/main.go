// Both ends of gRPC as grpc-go has them: `serve` echoes every message of every method; `call` sends messages and says in JSON what came back.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Messages are octets: no service is described here.
type octets struct{}

func (octets) Name() string { return "octets" }

func (octets) Marshal(value any) ([]byte, error) { return *value.(*[]byte), nil }

func (octets) Unmarshal(data []byte, value any) error {
	*value.(*[]byte) = append([]byte(nil), data...)
	return nil
}

type outcome struct {
	Messages int                 `json:"messages"`
	Octets   int                 `json:"octets"`
	Code     string              `json:"code"`
	Message  string              `json:"message"`
	Header   map[string][]string `json:"header"`
	Trailer  map[string][]string `json:"trailer"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		check(serve())
		return
	}
	if len(os.Args) != 9 {
		fmt.Fprintln(os.Stderr, "serve | call PORT CERTIFICATE KEY BUNDLE METHOD MESSAGES OCTETS")
		os.Exit(2)
	}
	result, err := call(os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6], number(os.Args[7]), number(os.Args[8]))
	check(err)
	check(json.NewEncoder(os.Stdout).Encode(result))
}

func serve() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.ForceServerCodec(octets{}), grpc.UnknownServiceHandler(echo), grpc.MaxRecvMsgSize(1<<24))
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	return server.Serve(listener)
}

func echo(_ any, stream grpc.ServerStream) error {
	if err := stream.SetHeader(metadata.Pairs("x-served-by", "grpc-go")); err != nil {
		return err
	}
	count := 0
	for {
		var message []byte
		err := stream.RecvMsg(&message)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		count++
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
	stream.SetTrailer(metadata.Pairs("x-count", strconv.Itoa(count), "x-octets-bin", "\x00\xff"))
	if method, _ := grpc.MethodFromServerStream(stream); strings.HasSuffix(method, "/Fail") {
		return status.Error(codes.FailedPrecondition, "not today: 100% ümlaut")
	}
	return nil
}

func call(port, certificate, key, bundle, method string, messages, size int) (*outcome, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(bundle)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, ServerName: "localhost"}
	connection, err := grpc.NewClient(
		"passthrough:///127.0.0.1:"+port,
		grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(octets{}), grpc.MaxCallRecvMsgSize(1<<24)),
	)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		return nil, err
	}
	// Both directions at once, so that neither waits for the other.
	go func() {
		message := make([]byte, size)
		for sent := 0; sent < messages; sent++ {
			if stream.SendMsg(&message) != nil {
				return
			}
		}
		_ = stream.CloseSend()
	}()
	result := &outcome{}
	for {
		var message []byte
		if err = stream.RecvMsg(&message); err != nil {
			break
		}
		result.Messages++
		result.Octets += len(message)
	}
	if err == io.EOF {
		err = nil
	}
	result.Code, result.Message = status.Code(err).String(), status.Convert(err).Message()
	result.Header, _ = stream.Header()
	result.Trailer = stream.Trailer()
	return result, nil
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
