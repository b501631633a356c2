package stream

import "container/heap"

// share is how much one publisher has of something that the hub keeps a bounded amount of.
type share struct {
	publisher string
	amount    int64
	at        int // in its shares; valid while amount > 0
}

// shares finds the publisher that has most. Of two with equal amounts it is the one whose name sorts first:
// all hubs of a journal must agree.
type shares []*share

// add adds to the amount of a share, which is in shares while the amount is above 0.
func (s *shares) add(to *share, amount int64) {
	was := to.amount
	to.amount += amount
	switch {
	case was == 0 && to.amount > 0:
		heap.Push(s, to)
	case was > 0 && to.amount == 0:
		heap.Remove(s, to.at)
	case was > 0 && amount != 0:
		heap.Fix(s, to.at)
	}
}

// most returns the largest share. There must be one.
func (s shares) most() *share { return s[0] }

// Len and the methods below implement heap.Interface.
func (s shares) Len() int { return len(s) }

func (s shares) Less(i, j int) bool {
	if s[i].amount != s[j].amount {
		return s[i].amount > s[j].amount
	}
	return s[i].publisher < s[j].publisher
}

func (s shares) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].at, s[j].at = i, j
}

// Push implements heap.Interface.
func (s *shares) Push(x any) {
	added := x.(*share)
	added.at = len(*s)
	*s = append(*s, added)
}

// Pop implements heap.Interface.
func (s *shares) Pop() any {
	last := (*s)[len(*s)-1]
	(*s)[len(*s)-1] = nil
	*s = (*s)[:len(*s)-1]
	return last
}
