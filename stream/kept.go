package stream

import (
	"container/list"
	"iter"
)

// kept holds things of publishers, of which there may be a bounded amount. Each publisher's are in the order
// in which they were used. Hub.mu guards it.
type kept[K comparable, V any] struct {
	byKey  map[K]*keptItem[K, V]
	of     map[string]*keptShare
	shares shares
	weight int64     // of all
	order  list.List // of *keptItem, the longest unused first
}

type keptItem[K comparable, V any] struct {
	key    K
	value  V
	weight int64
	used   int64 // when, on the clock of fleet.touch
	share  *keptShare
	of, at *list.Element // in the order of all, and in that of its share
}

// keptShare is what a publisher has.
type keptShare struct {
	share
	order list.List // of *keptItem, the longest unused first
}

func (k *kept[K, V]) get(key K) *keptItem[K, V] { return k.byKey[key] }

// put adds a thing of a publisher. It must not be there. The caller must not reuse the memory of the texts.
func (k *kept[K, V]) put(publisher string, key K, value V, weight, now int64) *keptItem[K, V] {
	if k.byKey == nil {
		k.byKey, k.of = map[K]*keptItem[K, V]{}, map[string]*keptShare{}
	}
	s := k.of[publisher]
	if s == nil {
		s = &keptShare{share: share{publisher: publisher}}
		k.of[publisher] = s
	}
	item := &keptItem[K, V]{key: key, value: value, weight: weight, used: now, share: s}
	item.of, item.at = k.order.PushBack(item), s.order.PushBack(item)
	k.byKey[key] = item
	k.shares.add(&s.share, weight)
	k.weight += weight
	return item
}

// use makes a thing the newest of its publisher.
func (k *kept[K, V]) use(item *keptItem[K, V], now int64) {
	item.used = now
	k.order.MoveToBack(item.of)
	item.share.order.MoveToBack(item.at)
}

// drop removes a thing.
func (k *kept[K, V]) drop(item *keptItem[K, V]) {
	delete(k.byKey, item.key)
	k.order.Remove(item.of)
	item.share.order.Remove(item.at)
	k.shares.add(&item.share.share, -item.weight)
	k.weight -= item.weight
	if item.share.order.Len() == 0 {
		delete(k.of, item.share.publisher)
	}
}

// dropOne makes room: it removes the longest unused thing of the publisher that has most. There must be one.
func (k *kept[K, V]) dropOne() {
	s := k.of[k.shares.most().publisher]
	k.drop(s.order.Front().Value.(*keptItem[K, V]))
}

// weigh adds to what a thing weighs.
func (k *kept[K, V]) weigh(item *keptItem[K, V], by int64) {
	item.weight += by
	k.shares.add(&item.share.share, by)
	k.weight += by
}

// oldest returns the longest unused thing; nil: there is none.
func (k *kept[K, V]) oldest() *keptItem[K, V] {
	if first := k.order.Front(); first != nil {
		return first.Value.(*keptItem[K, V])
	}
	return nil
}

// inOrder returns all things, the longest unused first.
func (k *kept[K, V]) inOrder() iter.Seq[*keptItem[K, V]] {
	return func(yield func(*keptItem[K, V]) bool) {
		for at := k.order.Front(); at != nil && yield(at.Value.(*keptItem[K, V])); at = at.Next() {
		}
	}
}
