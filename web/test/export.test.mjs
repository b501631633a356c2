/**
 * What the page exports, `livemap replay` plays: into an empty hub, which then holds the same positions.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { csvOf, geojsonOf } from "../src/export.js";
import { Vehicle } from "../src/fleet.js";
import { Hub, LIMIT, now } from "./hub.mjs";

/** @type {string} */
let dir;
/** @type {Hub} */
let hub;
/** What has played. @type {Hub[]} */
let others = [];

before(async () => {
	dir = await mkdtemp(join(tmpdir(), "livemap-export-"));
	hub = await Hub.start();
});

after(async () => {
	await hub?.end();
	await Promise.all(others.map((other) => other.end()));
	await rm(dir, { recursive: true });
});

const t = Math.floor(now()) - 100;

/** Positions of all kinds, with the properties that CSV does not keep as they are. */
const POSITIONS = [
	{
		...{ vehicle_id: "VAN-1", lon: 11.25, lat: 43.77, altitude: 51.5, timestamp: t + 0.25 },
		...{ speed_kmh: 62.5, heading: 270, accuracy: 4, driver: 'Zoë "Z", Müller', code: "007", line: 14 },
		...{ note: "a\nb", formula: "=1+1", minus: "-5", quoted: "'=1", apostrophe: "'s", date: "2020-01-01" },
	},
	{
		...{ vehicle_id: "=SUM(1)", lon: -179.9999999, lat: -0.000001, timestamp: t + 0.123456, speed_kmh: 0 },
		...{ course: 12, speed: "fast", time: "noon", id: "X", name: "x;y", "=header": "-", stale_after_s: 3600 },
	},
	{ vehicle_id: "-7", lon: 0, lat: 0, timestamp: t, latitude: "5 km", expect_within_s: 60 },
	{ vehicle_id: "0012", lon: 1e-7, lat: 89.9, timestamp: t + 1, imei: "358000000000001", tags: " a " },
];
/** What has other names for what it does not have. */
const ALONE = { vehicle_id: "ALONE", lon: 5, lat: 5, timestamp: t, course: 12, alt: 5, acc: 1, velocity: 3 };
/** What CSV has as text. */
const OTHERS = {
	...{ vehicle_id: "ODD", lon: 5, lat: 5, timestamp: t },
	...{ fragile: true, doors: { open: [1] }, big: 1e300 },
};

/** @param {Map<string, any>} truth */
const vehicles = (truth) => [...truth.values()].map((feature) => new Vehicle(feature, t));

/** Plays a text into an empty hub. @param {string} name @param {string} text */
async function play(name, text) {
	const empty = await Hub.start();
	others.push(empty);
	await writeFile(join(dir, name), text);
	const [code] = await once(empty.command("replay", "--speed", "0", join(dir, name)), "exit");
	assert.equal(code, 0, name);
	return empty.truth();
}

test("CSV plays as the same positions", { timeout: LIMIT }, async () => {
	await hub.publish(...POSITIONS);
	const before = await hub.truth();
	const after = await play("vehicles.csv", csvOf(vehicles(before)));
	assert.equal(before.size, POSITIONS.length);
	assert.deepEqual(after, before);
	await hub.publish(ALONE);
	const alone = new Map([["ALONE", (await hub.truth()).get("ALONE")]]);
	assert.deepEqual(await play("alone.csv", csvOf(vehicles(alone))), alone);
});

test("GeoJSON plays as the same positions, with all their properties", { timeout: LIMIT }, async () => {
	await hub.publish(OTHERS);
	const before = await hub.truth();
	assert.deepEqual(await play("vehicles.geojson", geojsonOf(vehicles(before))), before);
	const csv = (await play("vehicles.csv", csvOf(vehicles(before)))).get("ODD").properties;
	assert.deepEqual([csv.fragile, csv.doors, csv.big], ["true", '{"open":[1]}', "1e+300"], "their texts");
});
