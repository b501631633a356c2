// Package stream delivers the positions of a fleet to many subscribers: a stream is a cursor over one log.
//
// A [Hub] holds the log and the fleet, in memory; a [Journal] keeps what they came from on disk. The log is
// the newest events, in the order in which they were published. The fleet is the last-known state of every
// vehicle. [Hub.Publish] encodes a position once, as a server-sent event with a GeoJSON Feature, and
// appends it to the log.
//
// [Hub.Subscribe] takes a [Query] and returns a [Subscription]. That owns no queue, only a cursor and the
// scope of its query. The cursor has two ways to its next bytes:
//
//   - from the log, every event in scope, unless the log no longer reaches back to the cursor or the reader
//     is more than [Config].MaxBacklog bytes behind;
//   - from the fleet, the newest event of every vehicle in scope.
//
// The state at the start, resuming with Last-Event-ID, slow readers and intervals are all made of these
// two. A publisher never waits for a reader.
//
// # Map
//
//   - Publish: [Hub.Publish], [Hub.PublishAll] and [Hub.Check] return a [Verdict], the first two in a
//     [Receipt] with the [ID] of the event. [Hub.Delete] removes a vehicle, [Hub.DeleteAll] those of topics.
//   - Subscribe: [Hub.Subscribe], then [Subscription.Serve] in a goroutine of your own, or
//     [Subscription.Attach] with an [Outlet] to share those of the hub. Both end with a [Summary].
//   - Read once: [Hub.Vehicle], [Hub.Track] and [Hub.Snapshot]; in pages, [Hub.List] and [Hub.Topics].
//   - With a [Journal]: [NewWithJournal] instead of [New]. What is published then takes effect when it comes
//     back from the journal. [Hub.Frozen] reports whether it does.
//   - Run: [New] with a [Config], [Hub.Stats], [Hub.Save] and [Hub.Load], [Hub.Drain] and [Hub.Close].
//
// The package knows no HTTP and no network. It writes bytes to functions of its caller.
package stream
