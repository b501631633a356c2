package api

import (
	"net/http"
	"slices"

	"livemap/api/problem"
	"livemap/api/token"
	"livemap/stream"
)

// authorizeQuery restricts a query to what its reader may read. asked: the reader named topics;
// otherwise the query is for everything the reader may read.
func authorizeQuery(q *stream.Query, grant *token.Grant, asked bool) error {
	if grant == nil {
		return nil
	}
	q.Rights = append([]string{}, grant.Read...) // never nil, which is everything
	if asked {
		for _, topic := range q.Topics {
			if !grant.Read.Match(topic) {
				return forbiddenTopic(topic)
			}
		}
		return nil
	}
	if len(grant.Read) == 0 {
		return errReadsNothing()
	}
	if grant.Read.AreIDs() && q.Box == nil && len(grant.Read) <= maxTopics {
		q.Topics = slices.Clone(grant.Read) // indexed, unlike patterns
	} else {
		q.Only = grant.Read
	}
	return nil
}

// errReadsNothing rejects a token without rights to read.
func errReadsNothing() error {
	return problem.New(http.StatusForbidden, "this token may read nothing: its claim livemap has no read")
}

// authorizeRead rejects a reader that may not read this vehicle by itself.
func authorizeRead(r *http.Request, id string) error {
	topic := stream.VehiclePrefix + id
	grant := grantOf(r)
	if grant == nil || grant.Read.Match(topic) || grant.Read.Match(stream.AllTopic) {
		return nil
	}
	return forbiddenTopic(topic)
}

func forbiddenTopic(topic string) error {
	return problem.New(http.StatusForbidden, "this token may not read the topic %q", problem.Shorten(topic))
}

// authorizePublish rejects a token that may publish nothing.
func authorizePublish(grant *token.Grant) error {
	if grant == nil || len(grant.Publish) > 0 {
		return nil
	}
	return problem.New(http.StatusForbidden, "this token may publish nothing: its claim livemap has no publish")
}

// authorizeDelete rejects a publisher that may not publish for this vehicle.
func authorizeDelete(r *http.Request, id string) error {
	grant := grantOf(r)
	if err := authorizePublish(grant); err != nil || grant == nil || grant.Publish.Match(id) {
		return err
	}
	return problem.New(http.StatusForbidden,
		"this token may not publish for the vehicle %q", problem.Shorten(id))
}
