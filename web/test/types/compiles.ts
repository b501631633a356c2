// A program that uses all of livemap.d.ts. `make types` compiles it.
import {
	follow,
	freshness,
	MOVING_FROM,
	parseExact,
	staleAfter,
	version,
	type Feature,
	type Feed,
	type Freshness,
	type Options,
	type Refusal,
	type Status,
	type View,
} from "../../src/livemap.js";

const end = new AbortController();
const view: View = { topics: ["depot:7"], bbox: [13.3, 52.4, 13.5, 52.6], interval: 0.5 };
const options: Options = {
	...view,
	hub: new URL("https://hub.example/"),
	ping: 5,
	token: "abc",
	getToken: async () => (await fetch("/token")).text(),
	signal: end.signal,
	onPosition(feature: Feature) {
		const [lon, lat] = feature.geometry.coordinates;
		const speed: number = feature.properties.speed_kmh ?? 0;
		console.log(lon + lat, speed > MOVING_FROM, feature.properties.driver);
	},
	onLate: (feature) => console.log(feature.properties.timestamp.toFixed(1)),
	onGone: (id, reason) => console.log(id.length, reason.length),
	onStatus({ phase, refusal, retryAt, state }: Status) {
		const why: Refusal = refusal;
		console.log(phase === "refused" ? why : state === "re-read", new Date(retryAt));
	},
};

const feed: Feed = follow(options);
follow({ hub: "https://hub.example/", getToken: () => "abc" }).close();
follow();
feed.view({ topics: undefined, bbox: null, interval: null });
for (const [id, feature] of feed.vehicles) {
	const state: Freshness = feed.freshness(feature);
	const same: Freshness = freshness(feature, Date.now() / 1000, feed.quietFrom);
	console.log(id, state === same, staleAfter(feature) + feed.asOf + feed.clockOffset + feed.ping, feed.current);
}
feed.retry();
feed.close();
console.log(version.split("."), parseExact("1"), feed.status.since);
