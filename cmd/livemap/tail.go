package main

import (
	"context"
	"errors"
)

type tailCmd struct{}

func (c *tailCmd) Run(ctx context.Context, std streams) error { return errors.New("to come") }
