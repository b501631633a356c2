package bench

// Custom is a load of the caller's own on a server that runs already.
type Custom struct{}

func (c *Custom) scenario() scenario { return scenario{} }
