package main

import (
	"context"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

type jwtOrder struct {
	// Fetches a token for this audience …
	Fetch string `json:"fetch"`
	// … of this SPIFFE ID, or of the first.
	Subject string `json:"subject"`
	// Judges this token, for this audience.
	Validate string `json:"validate"`
	Audience string `json:"audience"`
}

type token struct {
	ID     string `json:"id"`
	Token  string `json:"token"`
	Expiry int64  `json:"expiry"`
	Error  string `json:"error"`
}

type judgement struct {
	// With the bundles of the Workload API.
	Here token `json:"here"`
	// By the Workload API itself.
	There token `json:"there"`
}

func runJWT(ctx context.Context, socket workloadapi.ClientOption) error {
	client, err := workloadapi.New(ctx, socket)
	if err != nil {
		return err
	}
	source, err := workloadapi.NewJWTSource(ctx, workloadapi.WithClient(client))
	if err != nil {
		return err
	}
	return answerEach(func(order jwtOrder) any {
		if order.Validate != "" {
			return judgement{
				Here:  tokenOf(jwtsvid.ParseAndValidate(order.Validate, source, []string{order.Audience})),
				There: tokenOf(client.ValidateJWTSVID(ctx, order.Validate, order.Audience)),
			}
		}
		parameters := jwtsvid.Params{Audience: order.Fetch}
		if order.Subject != "" {
			subject, err := spiffeid.FromString(order.Subject)
			if err != nil {
				return token{Error: err.Error()}
			}
			parameters.Subject = subject
		}
		return tokenOf(source.FetchJWTSVID(ctx, parameters))
	})
}

func tokenOf(svid *jwtsvid.SVID, err error) token {
	if err != nil {
		return token{Error: err.Error()}
	}
	return token{ID: svid.ID.String(), Token: svid.Marshal(), Expiry: svid.Expiry.Unix()}
}
