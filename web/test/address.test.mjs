import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULTS, format, MAX_ONLY, parse, SORTS } from "../src/address.js";

test("an address is read as it was written", () => {
	const look = {
		...DEFAULTS,
		map: { zoom: 12.5, lat: 48.1372, lon: 11.5756 },
		vehicle: "TRUCK 42/ä&b#c",
		follow: true,
		filter: /** @type {const} */ ("parked"),
		sort: /** @type {const} */ ("speed"),
		q: "a=b&c",
		inView: true,
		groups: ["depot:7/ä", "night&day"],
		only: ["VAN 1,2", "50%"],
		colour: "fuel&percent",
		near: { lon: 11.25, lat: 43.77, name: "Saint-Denis/La Réunion" },
		columns: ["activity", "fuel_percent", "a&b"],
	};
	const hash = format(look);
	assert.ok(!/[ "<>]/.test(hash), hash);
	assert.deepEqual(parse(hash), look);
	assert.deepEqual(parse(format(DEFAULTS)), DEFAULTS);
	for (const filter of /** @type {const} */ (["all", "moving", "parked", "unknown", "silent"])) {
		for (const sort of SORTS) {
			assert.deepEqual(parse(format({ ...DEFAULTS, filter, sort })), { ...DEFAULTS, filter, sort });
		}
	}
	assert.deepEqual(
		parse(format({ ...DEFAULTS, vehicle: "VAN-7" })),
		{ ...DEFAULTS, vehicle: "VAN-7" },
		"not followed",
	);
});

test("the ends of the world can be looked at", () => {
	assert.deepEqual(parse("#map=0/90/180").map, { zoom: 0, lat: 90, lon: 180 });
	assert.deepEqual(parse("#map=24/-90/-180").map, { zoom: 24, lat: -90, lon: -180 });
});

test("parts that cannot be parsed get their defaults", () => {
	for (const hash of [
		"",
		"#",
		"#map=1/2",
		"#map=1/2/3/4",
		"#map=x/y/z",
		"#map=5/91/0",
		"#map=5/-91/0",
		"#map=5/0/181",
		"#map=5/0/-181",
		"#map=-1/0/0",
		"#map=99/0/0",
		"#map=//",
		"#filter=all2&sort=up",
		"#vehicle=",
		"#group=&only=",
		"#near=91/0/x",
		"#near=0/181/x",
		"#near=//x",
		"#near=1",
	]) {
		assert.deepEqual(parse(hash), DEFAULTS, hash);
	}
});

test("an address isolates no more vehicles than it can hold", () => {
	const only = Array.from({ length: MAX_ONLY + 1 }, (_, i) => `V-${i}`);
	assert.equal(parse(format({ ...DEFAULTS, only })).only.length, MAX_ONLY);
});

test("a position is written with the precision of the zoom", () => {
	assert.match(
		format({ ...DEFAULTS, map: { zoom: 3, lat: 48.13719999, lon: 11 } }),
		/map=3\/48\.14\/11\.00/,
	);
	assert.match(
		format({ ...DEFAULTS, map: { zoom: 17, lat: 48.1234567, lon: 11 } }),
		/map=17\/48\.1234567\/11/,
	);
	assert.match(format({ ...DEFAULTS, map: { zoom: 0, lat: 48.1372, lon: 11 } }), /map=0\/48\.14\/11\.00/);
	assert.match(format({ ...DEFAULTS, map: { zoom: 12.34567, lat: 0, lon: 0 } }), /map=12\.35\//);
});
