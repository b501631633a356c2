package stream

import "container/list"

// kept holds things of publishers, of which there may be a bounded amount. Each publisher's are in the order
// in which they were used. Hub.mu guards it.
type kept[K comparable, V any] struct {
	byKey  map[K]*keptItem[K, V]
	of     map[string]*keptShare
	shares shares
	weight int64 // of all
}

type keptItem[K comparable, V any] struct {
	key    K
	value  V
	weight int64
	used   int64 // when, on the clock of fleet.touch
	share  *keptShare
	at     *list.Element // in the order of its share
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
	item.at = s.order.PushBack(item)
	k.byKey[key] = item
	k.shares.add(&s.share, weight)
	k.weight += weight
	return item
}

// use makes a thing the newest of its publisher.
func (k *kept[K, V]) use(item *keptItem[K, V], now int64) {
	item.used = now
	item.share.order.MoveToBack(item.at)
}

// drop removes a thing.
func (k *kept[K, V]) drop(item *keptItem[K, V]) {
	delete(k.byKey, item.key)
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
