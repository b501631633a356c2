package main

import (
	"context"
	"errors"
)

type replayCmd struct{}

func (c *replayCmd) Run(ctx context.Context, std streams) error { return errors.New("to come") }
