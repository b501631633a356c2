// Each line after an expected error must be one. `make types` fails when one compiles.
import { follow, type Feed } from "../../src/livemap.js";

// @ts-expect-error the option is `topics`
follow({ topic: "depot:7" });
// @ts-expect-error an array
follow({ topics: "depot:7" });
// @ts-expect-error four numbers
follow({ bbox: [1, 2, 3] });
// @ts-expect-error seconds, not text
follow({ interval: "1s" });
// @ts-expect-error a token is text
follow({ getToken: async () => 7 });
// @ts-expect-error a signal, not its controller
follow({ signal: new AbortController() });
// @ts-expect-error there is no such phase
follow({ onStatus: ({ phase }) => phase === "open" });
// @ts-expect-error the speed may be unknown
follow({ onPosition: ({ properties }) => properties.speed_kmh.toFixed() });

const feed: Feed = follow();
// @ts-expect-error read only
feed.asOf = 0;
// @ts-expect-error the vehicles are the feed's own
feed.vehicles.delete("TRUCK-042");
// @ts-expect-error internal
feed.adopt();
// @ts-expect-error only `follow` makes feeds
new (await import("../../src/livemap.js")).Feed({});
