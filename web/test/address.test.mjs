import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULTS, format, parse } from "../src/address.js";

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
	};
	const hash = format(look);
	assert.ok(!/[ "<>]/.test(hash), hash);
	assert.deepEqual(parse(hash), look);
	assert.deepEqual(parse(format(DEFAULTS)), DEFAULTS);
	for (const filter of /** @type {const} */ (["all", "moving", "parked", "unknown", "silent"])) {
		for (const sort of /** @type {const} */ (["name", "speed", "heard"])) {
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
	]) {
		assert.deepEqual(parse(hash), DEFAULTS, hash);
	}
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
