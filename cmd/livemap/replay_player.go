package main

import (
	"context"
	"fmt"

	"livemap/api/problem"
	"livemap/cmd/livemap/client"
	"livemap/cmd/livemap/recording"
)

// refusalsShown is how many refusals are shown one by one.
const refusalsShown = 10

// player publishes batches of records, shows its progress and sums up the Acks.
type player struct {
	publisher *client.Publisher
	screen    *progress

	sum   problem.Ack
	shown int // refusals shown one by one
}

func newPlayer(to client.Hub, screen *progress) *player {
	return &player{publisher: client.NewPublisher(to, screen.notice), screen: screen}
}

// publish publishes the batch. It refuses the records without a body itself.
func (p *player) publish(ctx context.Context, batch []recording.Record) error {
	var sent []recording.Record
	var lines [][]byte
	for _, rec := range batch {
		if rec.Refused != "" {
			p.sum.Rejected++
			p.refuse(rec, rec.Refused)
			continue
		}
		sent, lines = append(sent, rec), append(lines, rec.Body)
	}
	ack, err := p.publisher.Publish(ctx, lines, func(i int, detail string) { p.refuse(sent[i], detail) })
	p.sum = p.sum.Add(ack)
	if err != nil {
		return err
	}
	p.screen.show(p.sum, batch[len(batch)-1].At)
	return nil
}

// refuse shows one refusal, unless there were many already.
func (p *player) refuse(rec recording.Record, why string) {
	if p.shown < refusalsShown {
		p.shown++
		p.screen.notice("%s:%d: %s", rec.File, rec.Line, client.Printable(why))
	}
}

// counts is an Ack in words.
func counts(a problem.Ack) string {
	return fmt.Sprintf("accepted %d, rejected %d, late %d, duplicate %d",
		a.Accepted, a.Rejected, a.Late, a.Duplicate)
}
