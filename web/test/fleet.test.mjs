import assert from "node:assert/strict";
import { test } from "node:test";
import { Fleet, project, unproject, Vehicle } from "../src/fleet.js";

const EAST = 90;

/** A Feature at a time. @param {number} timestamp @param {number} lon @param {Record<string, any>} [more] */
function fix(timestamp, lon, more = {}) {
	return /** @type {import("../src/livemap.js").Feature} */ ({
		type: "Feature", id: "VAN-7", geometry: { type: "Point", coordinates: [lon, 0] },
		properties: { vehicle_id: "VAN-7", timestamp, ...more },
	});
}

/** Metres east of the prime meridian, on the equator. @param {{x: number}} at */
const metres = ({ x }) => (x - 0.5) * 40_075_016.686;

test("project and unproject are inverse, and agree with the known corners", () => {
	assert.deepEqual(project(0, 0), { x: 0.5, y: 0.5 });
	assert.ok(Math.abs(project(180, 85.0511287798).y) < 1e-9);
	for (const [lon, lat] of [[13.404954, 52.520008], [-179.9, -84], [0, 0]]) {
		const { x, y } = project(lon, lat);
		const [lon2, lat2] = unproject(x, y);
		assert.ok(Math.abs(lon - lon2) < 1e-9 && Math.abs(lat - lat2) < 1e-9);
	}
});

test("a vehicle is carried on along its speed and heading, up to a bound", () => {
	const vehicle = new Vehicle(fix(100, 0, { speed_kmh: 72, heading: EAST }), 100);
	assert.equal(Math.round(metres(vehicle.at(100))), 0);
	assert.equal(Math.round(metres(vehicle.at(104))), 80); // 20 m/s
	assert.equal(Math.round(metres(vehicle.at(110))), 200);
	assert.equal(Math.round(metres(vehicle.at(115))), 200, "no further than ten seconds");
});

test("the bound is a vehicle's own rhythm where that is shorter", () => {
	const vehicle = new Vehicle(fix(100, 0, { speed_kmh: 72, heading: EAST }), 100);
	vehicle.update(fix(102, 0, { speed_kmh: 72, heading: EAST }), 102);
	assert.equal(vehicle.rhythm, 2);
	assert.equal(Math.round(metres(vehicle.at(105.5))), 60); // 1.5 intervals of 2 s
});

test("a vehicle without speed or heading stays at its fix", () => {
	for (const more of [{}, { speed_kmh: 72 }, { heading: EAST }, { speed_kmh: 2, heading: EAST }]) {
		const vehicle = new Vehicle(fix(100, 0, more), 100);
		assert.equal(metres(vehicle.at(104)), 0, JSON.stringify(more));
	}
});

test("a silent vehicle goes back to where it was last seen", () => {
	const vehicle = new Vehicle(fix(100, 0, { speed_kmh: 72, heading: EAST }), 100);
	const long = 100 + vehicle.patience + 10;
	assert.equal(vehicle.state(long), "silent");
	assert.equal(Math.round(metres(vehicle.at(long))), 0);
});

test("a correction is glided, a jump is not", () => {
	const vehicle = new Vehicle(fix(100, 0), 100);
	vehicle.update(fix(110, 0.001), 110); // 111 m
	assert.equal(Math.round(metres(vehicle.at(110))), 0);
	assert.ok(metres(vehicle.at(110.3)) > 10 && metres(vehicle.at(110.3)) < 100);
	assert.equal(Math.round(metres(vehicle.at(115))), 111);
	vehicle.update(fix(120, 0.1), 120); // 11 km
	assert.equal(Math.round(metres(vehicle.at(120))), 11_132);
});

test("a vehicle is silent after three of its own intervals", () => {
	const fast = new Vehicle(fix(100, 0, { speed_kmh: 50 }), 100);
	fast.update(fix(101, 0, { speed_kmh: 50 }), 101);
	fast.update(fix(102, 0, { speed_kmh: 50 }), 102);
	assert.equal(fast.patience, 5, "but five seconds are forgiven");
	assert.equal(fast.state(106.9), "moving");
	assert.equal(fast.state(107.1), "silent");

	const slow = new Vehicle(fix(100, 0, { speed_kmh: 50 }), 100);
	slow.update(fix(160, 0, { speed_kmh: 50 }), 160);
	assert.equal(slow.patience, 180);
	assert.equal(slow.state(339), "moving");
});

test("who parks reports less often, and is not silent for that", () => {
	const vehicle = new Vehicle(fix(100, 0, { speed_kmh: 50 }), 100);
	vehicle.update(fix(101, 0, { speed_kmh: 50 }), 101);
	vehicle.update(fix(102, 0, { speed_kmh: 0 }), 102);
	assert.equal(vehicle.state(132), "parked");
	vehicle.update(fix(162, 0, { speed_kmh: 0 }), 162);
	assert.equal(vehicle.rhythm, 60);
	vehicle.update(fix(163, 0, { speed_kmh: 50 }), 163);
	assert.equal(vehicle.rhythm, 1, "its rhythm when driving is not forgotten");
});

test("speed and course are told from two fixes where they are not reported", () => {
	const vehicle = new Vehicle(fix(100, 0), 100);
	assert.equal(vehicle.state(100), "parked");
	assert.equal(vehicle.course, null);
	vehicle.update(fix(110, 0.001), 110); // 111 m in 10 s
	assert.equal(Math.round(vehicle.speed), 40);
	assert.equal(vehicle.course, EAST);
	assert.equal(vehicle.state(110), "moving");
	assert.equal(Math.round(metres(vehicle.at(118))), 111, "but nothing is carried on by them");
});

test("a fleet counts its states", () => {
	let now = 100;
	const fleet = new Fleet(() => now);
	fleet.position({ ...fix(100, 0, { speed_kmh: 50 }), id: "A" });
	fleet.position({ ...fix(100, 0, { speed_kmh: 0 }), id: "B" });
	assert.deepEqual(fleet.counts(), { all: 2, moving: 1, parked: 1, silent: 0 });
	now = 180;
	assert.deepEqual(fleet.counts(), { all: 2, moving: 0, parked: 1, silent: 1 });
	assert.equal(fleet.gone("A"), true);
	assert.equal(fleet.gone("A"), false);
	assert.equal(fleet.counts().all, 1);
});
