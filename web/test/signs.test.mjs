/**
 * The signs of the map, without a browser: kinds, colours, labels, clusters, and what belongs to the fleet.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Fleet, project, Vehicle } from "../src/fleet.js";
import { dark as darkGround, light as lightGround } from "../src/map/basemap-colors.js";
import { CLUSTER_MARGIN, clustered } from "../src/map/clusters.js";
import { colourable, Colouring } from "../src/map/colouring.js";
import { kindNamed } from "../src/map/kinds.js";
import { labelLines, Labels, LINE } from "../src/map/labels.js";
import { withoutOutliers } from "../src/map/outliers.js";
import { PALETTE } from "../src/map/sprites.js";
import { TopicKinds } from "../src/topic-kinds.js";
import { contrast } from "./contrast.mjs";

/** @param {string} id @param {Record<string, any>} [properties] @param {[number, number]} [at] */
const feature = (id, properties = {}, at = [0, 0]) =>
	/** @type {import("../src/livemap.js").Feature} */ ({
		type: "Feature",
		id,
		geometry: { type: "Point", coordinates: at },
		properties: { vehicle_id: id, timestamp: 100, ...properties },
	});
/** @param {Record<string, any>} properties */
const vehicle = (properties) => new Vehicle(feature("V-1", properties), 100);

test("a kind is what publishers call it", () => {
	for (const [text, kind] of /** @type {const} */ ([
		["truck", "truck"],
		["Lorry", "truck"],
		["HGV", "truck"],
		["minivan", "van"],
		["city-bus", "bus"],
		["coaches", "bus"],
		["Taxi", "car"],
		["Cargo bike", "bike"],
		["cargo_ship", "ship"],
		["ferries", "ship"],
		["AIRCRAFT", "plane"],
		["tram", null],
		["vanilla", null],
		["", null],
		[7, null],
		["bus ".repeat(100), null],
	])) {
		assert.equal(kindNamed(text), kind, String(text));
	}
	assert.equal(vehicle({ kind: "tram", type: "bus" }).kind, "bus");
	assert.equal(vehicle({ kind: "van", type: "bus" }).kind, "van");
	const one = vehicle({ type: "bus" });
	one.update(feature("V-1", { timestamp: 101 }), 101);
	assert.equal(one.kind, null, "by its newest position");
});

test("a kind comes from the hub's topics where positions name none", async (t) => {
	const fleet = new Fleet(() => 100);
	for (const id of ["A", "B", "C"]) {
		fleet.update(feature(id, id === "C" ? { kind: "van" } : {}));
	}
	/** @type {string[]} */
	const asked = [];
	const pages = [{ features: [{ id: "A" }], next: "A" }, { features: [{ id: "gone" }] }];
	t.mock.method(globalThis, "fetch", async (/** @type {string} */ url) => {
		asked.push(url);
		return { ok: true, json: async () => pages.shift() ?? { features: [] } };
	});
	let changed = 0;
	const kinds = new TopicKinds(fleet, () => changed++);
	const topics = ["kind:bus", "kind:tram", "depot:7"].map((id) => ({ id, vehicles: 1 }));
	await kinds.update(topics.slice(1));
	assert.deepEqual(asked, [], "no topic names a kind that has an icon");
	await kinds.update(topics);
	assert.deepEqual(asked, [
		"/vehicles?topic=kind%3Abus&limit=1000",
		"/vehicles?topic=kind%3Abus&limit=1000&after=A",
	]);
	assert.deepEqual(
		[...fleet.vehicles.values()].map(({ kind, topicKind }) => kind ?? topicKind),
		["bus", null, "van"],
	);
	assert.equal(changed, 1);
	await kinds.update(topics);
	assert.equal(asked.length, 2, "nobody has come since");
	fleet.update(feature("D"));
	await kinds.update(topics);
	assert.equal(asked.length, 3);
});

test("every sign contrasts with its rim and with the map by 3 to 1, and text by 4.5 to 1", () => {
	const GROUND = /** @type {const} */ ([
		"water",
		"land",
		"park",
		"wood",
		"campus",
		"industry",
		"building",
		"street",
	]);
	for (const [colours, ground] of /** @type {const} */ ([
		[PALETTE.light, lightGround],
		[PALETTE.dark, darkGround],
	])) {
		const { moving, parked, unknown, values, steps, selected, silent, silentRim, rim } = colours;
		for (const sign of [moving, parked, unknown, selected, ...values, ...steps]) {
			assert.ok(contrast(sign, rim) >= 3, `${sign} on its rim`);
			for (const name of GROUND) {
				assert.ok(contrast(sign, ground[name]) >= 3, `${sign} on ${name} ${ground[name]}`);
			}
		}
		assert.ok(contrast(silent, silentRim) >= 3, "silence on its rim");
		for (const name of GROUND) {
			const best = Math.max(contrast(silent, ground[name]), contrast(silentRim, ground[name]));
			assert.ok(best >= 3, `silence on ${name}`);
		}
		assert.ok(contrast(colours.text, colours.card) >= 4.5);
		for (const text of [colours.text, colours.quiet]) {
			assert.ok(contrast(text, rim) >= 4.5, "a label on its halo");
		}
		assert.ok(contrast(colours.badge, silent) >= 4.5, "the number of silent ones");
		assert.equal(new Set([moving, silent, ...values]).size, values.length + 2);
	}
});

test("colours are of a property's values, the most frequent first, and stay", () => {
	const colouring = new Colouring(PALETTE.light);
	const { values, parked } = PALETTE.light;
	const fleet = ["red", "blue", "blue", undefined, { a: 1 }].map((line) => vehicle({ line }));
	assert.equal(colouring.of(fleet[0]), null, "the state's");
	colouring.set("line", fleet);
	assert.deepEqual(
		fleet.map((v) => colouring.of(v)),
		[values[1], values[0], values[0], parked, parked],
	);
	const many = Array.from({ length: 20 }, (_, i) => vehicle({ line: `L${i}` }));
	colouring.learn([...many, ...fleet]);
	assert.equal(colouring.of(fleet[1]), values[0], "as before");
	assert.equal(new Set(many.map((v) => colouring.of(v))).size, values.length - 2 + 1, "the rest share one");
	assert.deepEqual(colouring.legend.map(({ text }) => text).slice(0, 2), ["blue", "red"]);
	assert.equal(colouring.legend.at(-1)?.text, null);
	assert.equal(colouring.of(fleet[0]), values[1]);
	fleet[0].update(feature("V-1", { line: "blue", timestamp: 101 }), 101);
	assert.equal(colouring.of(fleet[0]), values[0], "a new position has its own");
	colouring.colours = PALETTE.dark;
	assert.equal(colouring.of(fleet[0]), PALETTE.dark.values[0]);
	colouring.set(null, fleet);
	assert.equal(colouring.of(fleet[0]), null);
});

test("colours are of ranges of a number, and of kinds whatever they are called", () => {
	const colouring = new Colouring(PALETTE.light);
	const fleet = Array.from({ length: 100 }, (_, i) =>
		vehicle({ fuel_percent: i, kind: i % 2 ? "taxi" : "Bus" }),
	);
	colouring.set("fuel_percent", fleet);
	const { steps, values } = PALETTE.light;
	assert.deepEqual(
		[0, 19, 20, 50, 99].map((i) => colouring.of(fleet[i])),
		[steps[0], steps[0], steps[1], steps[2], steps[4]],
	);
	assert.deepEqual(
		colouring.legend.map(({ text }) => text),
		["< 20 %", "20–40 %", "40–60 %", "60–80 %", "≥ 80 %", null],
	);
	colouring.set(
		"doors",
		[1, 2, 2].map((doors) => vehicle({ doors })),
	);
	assert.deepEqual(
		colouring.legend.map(({ text }) => text),
		["2", "1", null],
		"few numbers are values",
	);
	colouring.set("kind", fleet);
	assert.equal(colouring.of(fleet[0]), values[2], "a bus, in every fleet");
	assert.equal(colouring.of(fleet[1]), values[3]);
	assert.deepEqual(colourable(fleet), ["kind", "fuel_percent"]);
});

test("a label has at most two lines, and a long id loses its middle", () => {
	for (const [text, lines] of /** @type {[string, string[]][]} */ ([
		["TRUCK-042", ["TRUCK-042"]],
		["Line 12 to Porta al Prato", ["Line 12 to", "Porta al Prato"]],
		["4f3c2a1b-77aa-4c1d-9e8d-0123456789ab", ["4f3c2a1b-7…56789ab"]],
		[
			"A somewhat longer name, which has many more words than a map has room for",
			["A somewhat longer", "name, whic…oom for"],
		],
		["🚚".repeat(30), [`${"🚚".repeat(10)}…${"🚚".repeat(7)}`]],
	])) {
		assert.deepEqual(labelLines(text), lines);
	}
	for (let length = 0; length < 140; length++) {
		for (const text of ["x".repeat(length), "ab ".repeat(length / 3), `${"y".repeat(length)} z`]) {
			const lines = labelLines(text);
			assert.ok(lines.length <= 2 && lines.every((line) => [...line].length <= LINE), `${lines}`);
		}
	}
});

/** @param {string} id @param {number} left @param {number} top @param {string} [state] */
const marker = (id, left, top, state = "moving", world = 512) =>
	/** @type {import("../src/map/clusters.js").Marker} */ (
		/** @type {unknown} */ ({
			vehicle: { id },
			state,
			left,
			top,
			x: left / world,
			y: top / world,
			copy: 0,
			course: 0,
		})
	);
const VIEW = { width: 400, height: 300, clusters: [], first: [], others: true };
const text = () => ({ lines: ["TRUCK-042"], width: 70 });

test("labels avoid each other, markers, clusters and the edges of the view", () => {
	const labels = new Labels();
	const single = Array.from({ length: 40 }, (_, i) => marker(`V${i}`, (i * 53) % 400, (i * 37) % 300));
	const { single: _, clusters } = clustered(
		[1, 2, 3, 4].map((i) => marker(`C${i}`, 200, 150)),
		0,
	);
	const placed = labels.layout({ ...VIEW, single, clusters }, text);
	assert.ok(placed.length > 8, `${placed.length}`);
	for (const [i, { box, marker: own }] of placed.entries()) {
		assert.ok(box.left >= 0 && box.top >= 0 && box.right <= 400 && box.bottom <= 300, "in the view");
		for (const { box: other } of placed.slice(i + 1)) {
			assert.ok(
				box.right < other.left ||
					other.right < box.left ||
					box.bottom < other.top ||
					other.bottom < box.top,
				"labels overlap",
			);
		}
		for (const { left, top } of [...single, ...clusters]) {
			assert.ok(
				!(left > box.left && left < box.right && top > box.top && top < box.bottom),
				"a marker is covered",
			);
		}
		assert.ok(Math.abs(own.left - (box.left + box.right) / 2) <= 70, "it is beside its own");
	}
});

test("a label stays where it is, and at the edge stands on the other side", () => {
	const labels = new Labels();
	const place = (/** @type {any[]} */ single, first = [""]) =>
		labels.layout({ ...VIEW, single, first }, text);
	assert.equal(place([marker("A", 200, 100)])[0].align, "left", "on the right");
	assert.equal(place([marker("A", 390, 100)])[0].align, "right", "on the left");
	assert.equal(place([marker("A", 200, 100)])[0].align, "right", "where it was");
	assert.deepEqual(place([marker("A", -30, 100)]), [], "a marker out of view has none");
	assert.deepEqual(place([marker("A", -2, 100)]), []);
	const two = [marker("A", 200, 100), marker("B", 201, 101), marker("C", 202, 99), marker("D", 199, 99)];
	const crowd = [...two.map(({ left, top }, i) => marker(`E${i}`, left, top)), ...two];
	assert.ok(!place(crowd).some((l) => l.marker.vehicle.id === "E0"));
	assert.equal(place(crowd, ["E0"])[0].marker.vehicle.id, "E0", "unless it is asked for");
});

test("silent vehicles have labels before others, and a huge crowd has none but what is asked for", () => {
	const labels = new Labels();
	const same = (/** @type {string} */ id, state = "moving") => marker(id, 200, 100, state);
	const single = [same("S", "silent"), ...Array.from({ length: 6 }, (_, i) => same(`V${i}`))];
	assert.ok(labels.layout({ ...VIEW, single }, text).some((l) => l.marker.vehicle.id === "S"));
	const crowd = Array.from({ length: 2000 }, (_, i) => same(`V${i}`));
	const placed = labels.layout({ ...VIEW, single: crowd, first: ["V7"] }, text);
	assert.deepEqual(
		placed.map((l) => l.marker.vehicle.id),
		["V7"],
	);
});

test("a cluster is in one copy of the world, has what it would cover, and counts the silent", () => {
	const west = [1, 2, 3, 4].map(() => marker("V", 100, 100, "silent"));
	const east = west.map((one) => ({ ...one, copy: 1, left: one.left + 512 }));
	const { clusters } = clustered([...west, ...east], 0);
	assert.deepEqual(
		clusters.map(({ left, states }) => [left, states.silent]),
		[
			[100, 4],
			[612, 4],
		],
	);
	const beyond = [1, 2].map(() => ({ ...marker("V", 517, 20), x: 1.01, copy: 0 }));
	const there = [1, 2].map(() => ({ ...marker("V", 517, 20), x: 0.01, copy: 1 }));
	assert.equal(clustered([...beyond, ...there], 0).clusters.length, 1, "at one place of the antimeridian");

	const beside = [marker("near", 82, 100), marker("far", 60, 100)]; // in the next cell of 84 pixels
	const covered = clustered([...west, ...beside], 0);
	assert.deepEqual(
		covered.single.map(({ vehicle }) => vehicle.id),
		["far"],
	);
	assert.equal(covered.clusters[0].markers.length, 5);
	assert.equal(covered.clusters[0].states.moving, 1);
	assert.ok(CLUSTER_MARGIN >= 84 * Math.SQRT2, "cells at the edge of the view are whole");
});

test("from near only what is at one spot is a stack", () => {
	const world = 512 * 2 ** 16;
	const at = (/** @type {number} */ n, /** @type {number} */ left) =>
		Array.from({ length: n }, () => marker("V", left, 20, "parked", world));
	assert.deepEqual(
		clustered([...at(500, 20), ...at(4, 80)], 16).clusters.map((c) => c.markers.length),
		[500],
	);
	assert.equal(clustered(at(4, 20), 16).single.length, 4);
	assert.deepEqual(
		clustered(
			[1, 2, 3, 4, 5, 6].flatMap((i) => at(1, i * 30)),
			16,
		).clusters,
		[],
	);
});

test("the fleet is without the few that are far from it, and without (0, 0)", () => {
	const munich = Array.from({ length: 100 }, (_, i) => ({
		lon: 11.5 + (i % 10) * 0.02,
		lat: 48.1 + i * 0.002,
	}));
	const nowhere = { lon: 0, lat: 0 };
	const sydney = { lon: 151, lat: -34 };
	const far = (/** @type {{lon: number, lat: number}[]} */ places) => withoutOutliers(places).far;
	assert.deepEqual(far([...munich, nowhere, sydney]), [nowhere, sydney]);
	assert.equal(withoutOutliers([...munich, nowhere, sydney]).fleet.length, 100);
	assert.deepEqual(far([munich[0], nowhere]), [nowhere], "also in a small fleet");
	assert.deepEqual(far([nowhere, nowhere]), [], "if there is anything else");
	assert.deepEqual(far([nowhere, nowhere, munich[0]]), []);
	assert.deepEqual(far([munich[0], sydney]), [], "two are no fleet");
	const two = [...munich, ...munich.map(({ lat }) => ({ lon: 151, lat: -lat }))];
	assert.deepEqual(far(two), [], "half of a fleet is no outlier");
	const date = munich.map(({ lat }, i) => ({ lon: i % 2 ? 179.9 : -179.9, lat }));
	assert.deepEqual(far([...date, { lon: 20, lat: 0 }]), [{ lon: 20, lat: 0 }], "over the antimeridian");
	assert.deepEqual(far([...munich, { lon: 12.2, lat: 48.3 }]), [], "a drive to the next town is none");
	assert.deepEqual(far([]), []);
});

test("a vehicle glides and turns the short way, over the antimeridian and over north", () => {
	const driving = { speed_kmh: 72, heading: 350 };
	for (const [from, to] of [
		[179.999, -179.999],
		[-179.999, 179.999],
	]) {
		const ship = new Vehicle(feature("S", driving, [from, 0]), 100);
		ship.update(feature("S", { ...driving, heading: 10, timestamp: 102 }, [to, 0]), 102);
		const { x, turn } = ship.positionAt(102.1);
		const metres = Math.abs(x - project(to, 0).x) * 40_075_016;
		assert.ok(metres > 20 && metres < 230, `${metres}`);
		assert.ok(turn < 0 && turn > -20, `${turn} degrees left of 20`);
		assert.ok(Math.abs(ship.positionAt(110).turn) < 1e-6);
	}
	const plane = new Vehicle(feature("P", { speed_kmh: 900 }, [0, 0]), 100);
	plane.update(feature("P", { speed_kmh: 900, timestamp: 105 }, [0.0112, 0]), 105); // 1247 m
	assert.ok(Math.abs(plane.positionAt(105).x - 0.5) < 1e-9, "it glides as far as it can have flown");
	plane.update(feature("P", { speed_kmh: 900, timestamp: 110 }, [0.05, 0]), 110);
	assert.equal(plane.positionAt(110).x, project(0.05, 0).x, "and jumps if it cannot");
});
